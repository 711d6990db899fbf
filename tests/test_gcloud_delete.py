"""What the lab's gcloud asks before it deletes routes, and what it says of those that it deleted.

Asked as Google Cloud SDK 528.0.0 asks, at a terminal and without one: it reads an answer from wherever its input comes
from, and takes the end of the input for Yes.
"""

from __future__ import annotations

import pytest

from labctl.world.gcloud.client import Answer, answer
from tests.gcloud_cloud import LINK, MASTER, WORKER, StrictCloud, gcloud, serve

DELETE = "compute routes delete k8s-master"
QUESTION = "The following routes will be deleted:\n - [k8s-master]\n\nDo you want to continue (Y/n)?  "
AGAIN = "Please enter 'y' or 'n':  "
DELETED = f"\nDeleted [{LINK}/routes/k8s-master].\n"
ABORTED = "\nERROR: (gcloud.compute.routes.delete) Deletion aborted by user.\n"


def test_delete_says_what_it_deleted() -> None:
    done, routes = gcloud("compute routes delete k8s-worker k8s-master --quiet", MASTER, WORKER)
    assert done == Answer(0, "", f"Deleted [{LINK}/routes/k8s-worker].\nDeleted [{LINK}/routes/k8s-master].\n")
    assert routes == ()


def test_what_can_be_deleted_is() -> None:
    done, routes = gcloud("compute routes delete nope k8s-master k8s-master --quiet", MASTER, WORKER)
    assert (done.code, routes) == (1, (WORKER,))
    assert done.err == (
        f"Deleted [{LINK}/routes/k8s-master].\n"
        "ERROR: (gcloud.compute.routes.delete) Could not fetch resource:\n"
        " - The resource 'projects/lab/global/routes/k8s-master' was not found\n"
        " - The resource 'projects/lab/global/routes/nope' was not found\n\n"
    )


@pytest.mark.parametrize(
    ("typed", "asked", "err"),
    [
        (["y"], [QUESTION], DELETED),
        ([""], [QUESTION], DELETED),
        ([" YES "], [QUESTION], DELETED),
        (["n"], [QUESTION], ABORTED),
        (["huh", "No"], [QUESTION, AGAIN], ABORTED),
        (["huh"], [QUESTION, AGAIN], DELETED),
        ([], [QUESTION], DELETED),
    ],
)  # fmt: skip (a table)
@pytest.mark.parametrize("stdin_is_terminal", [True, False])
def test_delete_asks(stdin_is_terminal: bool, typed: list[str], asked: list[str], err: str) -> None:  # noqa: FBT001 (a case)
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        if len(questions) > len(typed):
            raise EOFError
        return typed[len(questions) - 1]

    cloud = StrictCloud(MASTER)
    done = answer(DELETE.split(), serve(cloud), stdin_is_terminal=stdin_is_terminal, ask=ask)
    assert (done, questions) == (Answer(int(err == ABORTED), "", err), asked)
    assert cloud.routes() == ((MASTER,) if err == ABORTED else ())


def test_at_the_end_of_the_input_the_answer_is_yes() -> None:
    assert gcloud(DELETE, MASTER) == (Answer(0, "", QUESTION + DELETED), ())


def test_a_terminal_is_never_answered_for() -> None:
    cloud = StrictCloud(MASTER)
    with pytest.raises(ValueError, match="no way to ask"):
        answer(DELETE.split(), serve(cloud), stdin_is_terminal=True)
    assert cloud.routes() == (MASTER,)
