"""Requests to the compute service that are made to break it are answered, in Google's form, as all others are."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest

from labctl.compute.app import respond
from labctl.compute.message import Request
from labctl.compute.service import Service
from labctl.errors import KernelRefused
from tests.gcloud_cloud import LAB, MASTER, Networks, StrictCloud, gcloud

ROUTES = "/compute/v1/projects/lab/global/routes"
BATCH = "/batch/compute/v1"
NESTED = b"".join(b'--B%d\nContent-Type: multipart/mixed; boundary="B%d"\n\n' % (at, at + 1) for at in range(1500))
HEAD = f"--B\nContent-Type: application/http\n\nPOST {ROUTES} HTTP/1.1\nContent-Type: "
FOREIGN = HEAD.encode() + b"\xe9\n\n{}\n--B--"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request("GET", f"{ROUTES}?maxResults={'9' * 5000}"), 400),
        (Request("GET", f"{ROUTES}?pageToken={'9' * 5000}"), 400),
        (Request("POST", BATCH, NESTED, 'multipart/mixed; boundary="B0"'), 400),
        (Request("POST", BATCH, FOREIGN, 'multipart/mixed; boundary="B"'), 200),
    ],
    ids=("many results", "far page", "nested parts", "foreign letters"),
)
def test_it_is_answered(request_: Request, status: int) -> None:
    service = Service(StrictCloud(MASTER), Networks(), LAB)
    assert respond(service, request_).status == status
    assert service.cloud.routes() == (MASTER,)


def test_a_table_of_networks_that_cannot_be_read_is_a_refusal() -> None:
    class Torn(Networks):
        def networks(self) -> NoReturn:
            raise KernelRefused("the vpc's table of networks cannot be read", "labctl reset")

    body = json.dumps({"name": "x", "network": "k8s", "destRange": "10.9.0.0/24", "nextHopIp": "10.128.0.9"}).encode()
    answer = respond(Service(StrictCloud(), Torn(), LAB), Request("POST", ROUTES, body, "application/json"))
    assert answer.status == 400
    assert "the vpc's table of networks cannot be read (labctl reset)" in json.loads(answer.content)["error"]["message"]


@pytest.mark.parametrize("typed", ["k8s-master?x", "%6b8s-master", "k8s-master#x"])
def test_a_name_that_is_none_deletes_no_other(typed: str) -> None:
    done, routes = gcloud(f"compute routes delete '{typed}' --quiet", MASTER)
    assert done.code == 1
    assert routes == (MASTER,)
