"""What the lab's gcloud does to the routes of the vpc, and how it shows them.

The texts were printed by Google Cloud SDK 528.0.0, run against a service on the same machine.
"""

from __future__ import annotations

import itertools
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.model.values import CloudRoute
from labctl.world.gcloud.client import Answer, answer
from tests.gcloud_cloud import LINK, MASTER, NOTES, WORKER, StrictCloud, gcloud, serve

CREATE = "compute routes create x --destination-range=10.9.0.0/24 --next-hop-address=10.128.0.9"
LIST = "compute routes list"
DESCRIBE = "compute routes describe k8s-worker"
HEAD = "NAME        NETWORK  DEST_RANGE     NEXT_HOP    PRIORITY\n"
MASTER_ROW = "k8s-master  k8s      10.244.0.0/24  10.128.0.2  1000\n"
WORKER_ROW = "k8s-worker  k8s      10.244.1.0/24  10.128.0.3  100\n"
RECORD = {
    "description": "the worker's: pods",
    "destRange": "10.244.1.0/24",
    "kind": "compute#route",
    "name": "k8s-worker",
    "network": f"{LINK}/networks/k8s",
    "nextHopIp": "10.128.0.3",
    "priority": 100,
    "selfLink": f"{LINK}/routes/k8s-worker",
}
YAML = f"""\
description: "the worker's: pods"
destRange: 10.244.1.0/24
kind: compute#route
name: k8s-worker
network: {LINK}/networks/k8s
nextHopIp: 10.128.0.3
priority: 100
selfLink: {LINK}/routes/k8s-worker
"""
SHOWN = {
    LIST: HEAD + MASTER_ROW + WORKER_ROW,
    f"--quiet {LIST} --sort-by=~name --limit 1 --verbosity=info": HEAD + WORKER_ROW,
    f"{LIST} --sort-by priority,name --format ''": HEAD + WORKER_ROW + MASTER_ROW,
    f"{LIST} --uri --limit=1": f"{LINK}/routes/k8s-master\n",
    f"{LIST} --format 'value(name,destRange)'": "k8s-master\t10.244.0.0/24\nk8s-worker\t10.244.1.0/24\n",
    f"{LIST} --limit 1 --format 'value(network)'": "k8s\n",
    f"{LIST} --limit 1 --format 'csv(name, dest_range)'": "name,dest_range\nk8s-master,10.244.0.0/24\n",
    f"{LIST} --limit 1 --format 'csv[no-heading,separator=\";\"](name,priority)'": "k8s-master;1000\n",
    f"{LIST} --limit 1 --format 'value[separator=\",\"](name,priority)'": "k8s-master,1000\n",
    f"{LIST} --limit 1 --format 'table(nextHopIp:label=HOP,nope)'": "HOP         NOPE\n10.128.0.2\n",
    f"{LIST} --format 'table[no-heading](name)'": "k8s-master\nk8s-worker\n",
    f"{LIST} --format yaml --filter name=k8s-worker": f"---\n{YAML}",
    f"{LIST} --format 'yaml(name)' --limit 1": "---\nname: k8s-master\n",
    f"{LIST} --format none": "",
    f"{LIST} --format json --filter 'name=(zz)'": "[]\n",
    DESCRIBE: YAML,
    "compute routes describe -- k8s-worker": YAML,
    f"compute routes describe {LINK}/routes/k8s-worker": YAML,
    f"{DESCRIBE} --format 'value(network, description)'": f"{LINK}/networks/k8s\tthe worker's: pods\n",
    f"{DESCRIBE} --format 'text(name,priority)'": "name:     k8s-worker\npriority: 100\n",
    f"{DESCRIBE} --format 'json(nope)'": "null\n",
}
FILTERS = {
    "": "mw",
    "name=k8s-master": "m",
    "name=worker": "w",
    "network:k8s": "mw",
    "network: k8s": "mw",
    "network=default": "",
    "name=(k8s-master 'k8s-worker')": "mw",
    "name=(k8s)": "",
    "name:k8s-m*": "m",
    "name~^k8s-w": "w",
    "name!~w": "m",
    "name!=worker": "m",
    "-name:worker": "m",
    "NOT name=k8s-master AND priority=100": "w",
    "priority=1000 network:k8s": "m",
    "name=k8s-master OR nextHopIp=10.128.0.3": "mw",
    "dest_range=10.244.1.0/24": "w",
    "description:*": "w",
}
DESCRIPTIONS = {
    "the pods of a": "the pods of a",
    "it's": "it's",
    "a: b": "'a: b'",
    "x #y": "'x #y'",
    "42": "'42'",
    "true": "'true'",
    "2025-01-01": "'2025-01-01'",
    " lead": "' lead'",
    "10.128.0.2": "10.128.0.2",
    "Grüße, [du]": "Grüße, [du]",
    "the a's: b": '"the a\'s: b"',
    "two\n\nlines": "|-\n  two\n\n  lines",
    "a\ttab": '"a\\ttab"',
}
WORDS = shlex.split(
    "x k8s-master 10.9.0.0/24 10.128.0.2 --destination-range --network --next-hop-address --priority --filter --format "
    "--limit --sort-by --uri --project --description --tags --help -q -- -5 = name=x '( ' table(name) json[ csv "
    "'yaml(network.basename())' value[box](x) '' --bogus --priority=7 --destination-range=10.9.0.0/24 --format=json"
)
COMMANDS = [
    shlex.split(f"{group} {word}")
    for group, word in itertools.product(
        ("", "compute", "compute routes", "config"),
        ("", "create", "delete", "describe", "list", "get", "version", "help"),
    )
]


def test_the_line_of_the_notes() -> None:
    done, routes = gcloud(NOTES)
    assert done == Answer(0, HEAD + MASTER_ROW, f"Created [{LINK}/routes/k8s-master].\n")
    assert routes == (MASTER,)


def test_every_flag_arrives() -> None:
    _, routes = gcloud(f"{CREATE} --network k8s --priority 5 --description 'a b' -q")
    assert routes == (CloudRoute("x", "k8s", "10.9.0.0/24", "10.128.0.9", 5, "a b"),)


def test_the_network_is_default_unless_named() -> None:
    assert gcloud(CREATE)[1] == (CloudRoute("x", "default", "10.9.0.0/24", "10.128.0.9"),)


def test_names_may_be_links() -> None:
    _, routes = gcloud(f"{CREATE} --network projects/lab/global/networks/k8s".replace(" x ", f" {LINK}/routes/x "))
    assert [(route.name, route.network) for route in routes] == [("x", "k8s")]


def test_two_routes_may_have_one_range() -> None:
    done, routes = gcloud(CREATE.replace("10.9.0.0", "10.244.0.0"), MASTER)
    assert (done.code, len(routes)) == (0, 2)


@pytest.mark.parametrize(("text", "out"), SHOWN.items())
def test_what_is_shown(text: str, out: str) -> None:
    assert gcloud(text, MASTER, WORKER) == (Answer(0, out), (MASTER, WORKER))


def test_json_is_json() -> None:
    assert json.loads(gcloud(f"{DESCRIBE} --format json", WORKER)[0].out) == RECORD
    assert json.loads(gcloud(f"{LIST} --format=json", WORKER)[0].out) == [RECORD]
    assert json.loads(gcloud(f"{NOTES} --format 'json(name)'")[0].out) == [{"name": "k8s-master"}]


@pytest.mark.parametrize(("text", "shown"), DESCRIPTIONS.items())
def test_a_description_in_yaml(text: str, shown: str) -> None:
    done, _ = gcloud(f"{CREATE} --format 'yaml(description)' --description={shlex.quote(text)}")
    assert done.out == f"---\ndescription: {shown}\n"


def test_csv_quotes_what_it_must() -> None:
    done, _ = gcloud(f"{CREATE} --format 'csv[no-heading](description,name)' --description 'a,\"b\"'")
    assert done.out == '"a,""b""",x\n'


def test_an_empty_list_says_so() -> None:
    assert gcloud(LIST)[0] == Answer(0, "", "Listed 0 items.\n")
    deprecated = "WARNING: Argument `NAME` is deprecated. Use `--filter=\"name=( 'NAME' ... )\"` instead.\n"
    assert gcloud(f"{LIST} nope", MASTER)[0] == Answer(0, "", f"{deprecated}Listed 0 items.\n")
    assert gcloud(f"{LIST} k8s-master", MASTER, WORKER)[0] == Answer(0, HEAD + MASTER_ROW, deprecated)


@pytest.mark.parametrize(("text", "found"), FILTERS.items())
def test_filters(text: str, found: str) -> None:
    done, _ = gcloud(f"{LIST} --format 'value(name)' --filter={shlex.quote(text)}", MASTER, WORKER)
    assert (done.code, [name[4] for name in done.out.split()]) == (0, list(found))


@given(st.sampled_from(COMMANDS), st.lists(st.sampled_from(WORDS), max_size=8))
def test_any_line_is_answered_and_only_create_and_delete_change_routes(command: list[str], rest: list[str]) -> None:
    argv = [*command, *rest]
    cloud = StrictCloud(MASTER)
    done = answer(argv, serve(cloud))
    assert done.code in (0, 1, 2)
    assert (done.code == 0) or not done.out
    assert done.code or not done.err.startswith("ERROR")
    if "create" not in argv and "delete" not in argv:
        assert cloud.routes() == (MASTER,)
    if done.code == 2:
        assert cloud.routes() == (MASTER,)
