"""What the lab's own cloud refuses reaches the person who typed `gcloud`, whatever it was that was typed."""

from __future__ import annotations

import shlex
from typing import NoReturn

import pytest

from labctl.errors import KernelRefused, WorldGone
from labctl.world.gcloud.client import answer
from tests.gcloud_cloud import MASTER, NOTES, StrictCloud, serve


class ReadOnlyCloud(StrictCloud):
    """It shows its routes, and changes none."""

    def create(self, _route: object) -> NoReturn:
        raise KernelRefused("the vpc refused: no such hop", "see: labctl exec vpc -- ip route")

    def delete(self, _name: str) -> NoReturn:
        raise KernelRefused("the vpc refused: busy")


class DeadCloud(StrictCloud):
    """Its world is gone."""

    def routes(self) -> NoReturn:
        raise WorldGone("the vpc is gone", "put the lab back: labctl reset")


CASES = [
    (ReadOnlyCloud(), NOTES, " - the vpc refused: no such hop (see: labctl exec vpc -- ip route)\n\n"),
    (ReadOnlyCloud(MASTER), "compute routes delete k8s-master -q", " - the vpc refused: busy\n\n"),
    (DeadCloud(), "compute routes list", " - the vpc is gone (put the lab back: labctl reset)\n\n"),
    (DeadCloud(), "compute routes describe x", " - the vpc is gone (put the lab back: labctl reset)\n\n"),
]


@pytest.mark.parametrize(("cloud", "text", "said"), CASES)
def test_the_refusal_is_passed_on(cloud: StrictCloud, text: str, said: str) -> None:
    done = answer(shlex.split(text), serve(cloud))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("ERROR: (gcloud.compute.routes.")
    assert done.err.endswith(f":\n{said}")
