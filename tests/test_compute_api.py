"""The vpc's compute service as a program sees it: REST resources, operations, errors in Google's form, batches."""

from __future__ import annotations

import json
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.compute.app import respond
from labctl.compute.message import Request
from labctl.compute.service import Service
from labctl.errors import KernelRefused
from tests.gcloud_cloud import LAB, LINK, MASTER, WORKER, Networks, StrictCloud

if TYPE_CHECKING:
    from labctl.model.values import CloudRoute

PROJECT = "/compute/v1/projects/lab"
ROUTES = f"{PROJECT}/global/routes"
NETWORKS = f"{PROJECT}/global/networks"
OPERATIONS = f"{PROJECT}/global/operations"
NEW = {"name": "x", "network": f"{LINK}/networks/k8s", "destRange": "10.9.0.0/24", "nextHopIp": "10.128.0.9"}
FIELD = "Invalid value for field 'resource"
INVALID = "INVALID_ARGUMENT"


def ask(service: Service, method: str, target: str, body: object = None) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    answer = respond(service, Request(method, target, content, "application/json; charset=UTF-8" if content else ""))
    return answer.status, json.loads(answer.content)


def serve(*routes: CloudRoute) -> Service:
    return Service(StrictCloud(*routes), Networks(), LAB)


def test_a_route_from_insert_to_delete() -> None:
    service = serve()
    status, operation = ask(service, "POST", f"{ROUTES}?alt=json", NEW)
    assert (status, operation["kind"], operation["status"]) == (200, "compute#operation", "DONE")
    assert operation["targetLink"] == f"{LINK}/routes/x"
    own = operation["selfLink"].rpartition("/")[2]
    for method, rest in (("GET", ""), ("POST", "/wait?alt=json")):
        assert ask(service, method, f"{OPERATIONS}/{own}{rest}") == (200, operation)
    record = {**NEW, "kind": "compute#route", "priority": 1000, "selfLink": f"{LINK}/routes/x"}
    assert ask(service, "GET", f"{ROUTES}/x") == (200, record)
    assert ask(service, "GET", ROUTES)[1]["items"] == [record]
    status, operation = ask(service, "DELETE", f"{ROUTES}/x")
    assert (status, operation["operationType"], operation["targetLink"]) == (200, "delete", f"{LINK}/routes/x")
    assert "items" not in ask(service, "GET", ROUTES)[1]
    # What an operation did is so no more: nobody knows it.
    assert ask(service, "GET", f"{OPERATIONS}/{own}")[0] == 404


def test_a_network_from_insert_to_delete() -> None:
    service = serve()
    assert ask(service, "POST", NETWORKS, {"name": "mine", "autoCreateSubnetworks": False})[0] == 200
    assert [each["name"] for each in ask(service, "GET", NETWORKS)[1]["items"]] == ["default", "k8s", "mine"]
    assert ask(service, "POST", ROUTES, {**NEW, "network": "projects/lab/global/networks/mine"})[0] == 200
    status, said = ask(service, "DELETE", f"{NETWORKS}/mine")
    assert (status, said["error"]["errors"][0]["reason"]) == (400, "resourceInUseByAnotherResource")
    assert ask(service, "DELETE", f"{ROUTES}/x")[0] == 200
    assert ask(service, "DELETE", f"{NETWORKS}/mine")[0] == 200
    assert [ask(service, "DELETE", f"{NETWORKS}/{name}")[0] for name in ("mine", "k8s", "default")] == [404, 400, 400]


def test_lists_are_filtered_and_come_in_pages() -> None:
    service = serve(MASTER, WORKER)

    def names(query: str) -> list[str]:
        return [each["name"] for each in ask(service, "GET", f"{ROUTES}?{query}")[1].get("items", [])]

    assert names("filter=name+eq+%22.*%5Cbworker%5Cb.*%22&maxResults=500&alt=json") == ["k8s-worker"]
    assert names("filter=(name+ne+k8s-worker)+(network+eq+.*K8S)") == ["k8s-master"]
    assert names("filter=description+eq+%22the+worker%27s.*%22") == ["k8s-worker"]
    first = ask(service, "GET", f"{ROUTES}?maxResults=1")[1]
    assert [each["name"] for each in first["items"]] == ["k8s-master"]
    assert names(f"maxResults=1&pageToken={first['nextPageToken']}") == ["k8s-worker"]
    assert "nextPageToken" not in ask(service, "GET", f"{ROUTES}?maxResults=2")[1]


NOT_FOUND = (404, "notFound", "NOT_FOUND")
BAD = (400, "invalid", INVALID)
REFUSED: tuple[tuple[str, str, object, tuple[int, str, str], str], ...] = (
    ("GET", "/", None, NOT_FOUND, "The requested URL / was not found for GET."),
    ("PATCH", f"{ROUTES}/k8s-master", {}, NOT_FOUND, f"The requested URL {ROUTES}/k8s-master was not found for PATCH."),
    (
        "GET",
        f"{PROJECT}/global/firewalls",
        None,
        NOT_FOUND,
        f"The requested URL {PROJECT}/global/firewalls was not found for GET.",
    ),
    (
        "GET",
        "/compute/v1/projects/other/global/routes",
        None,
        NOT_FOUND,
        "The resource 'projects/other' was not found",
    ),
    ("GET", f"{ROUTES}/nope", None, NOT_FOUND, "The resource 'projects/lab/global/routes/nope' was not found"),
    (
        "POST",
        ROUTES,
        {**NEW, "name": "k8s-master"},
        (409, "alreadyExists", "ALREADY_EXISTS"),
        "The resource 'projects/lab/global/routes/k8s-master' already exists",
    ),
    (
        "POST",
        ROUTES,
        {**NEW, "network": "nope"},
        NOT_FOUND,
        "The resource 'projects/lab/global/networks/nope' was not found",
    ),
    (
        "POST",
        ROUTES,
        {**NEW, "destRange": 7},
        BAD,
        "Invalid value for field 'resource.destRange': '7'. Must be a string.",
    ),
    (
        "POST",
        ROUTES,
        {**NEW, "priority": "1"},
        BAD,
        "Invalid value for field 'resource.priority': '1'. Must be a number.",
    ),
    (
        "POST",
        ROUTES,
        {**NEW, "priority": True},
        BAD,
        "Invalid value for field 'resource.priority': 'True'. Must be a number.",
    ),
    (
        "POST",
        ROUTES,
        {"name": "x"},
        BAD,
        "Invalid value for field 'resource.destRange': ''. Must be a CIDR address range.",
    ),
    (
        "POST",
        ROUTES,
        {**NEW, "tags": ["a"]},
        BAD,
        f"{FIELD}.tags': '['a']'. the lab's vpc has only description, destRange, name, network, nextHopIp, priority.",
    ),
    ("POST", ROUTES, b"{", (400, "parseError", INVALID), "Parse Error"),
    ("POST", ROUTES, b"[" * 100_000, (400, "parseError", INVALID), "Parse Error"),
    ("POST", ROUTES, [], (400, "parseError", INVALID), "Parse Error"),
    ("POST", ROUTES, b"\xff", (400, "parseError", INVALID), "Parse Error"),
    (
        "POST",
        NETWORKS,
        {"name": "mine", "routingConfig": {"routingMode": "GLOBAL"}},
        BAD,
        f"{FIELD}.routingConfig.routingMode': 'GLOBAL'. the lab's vpc is in one region: REGIONAL.",
    ),
    (
        "POST",
        NETWORKS,
        {"name": "k8s"},
        (409, "alreadyExists", "ALREADY_EXISTS"),
        "The resource 'projects/lab/global/networks/k8s' already exists",
    ),
    (
        "GET",
        f"{ROUTES}?filter=name~x",
        None,
        BAD,
        "Invalid value for field 'filter': 'name~x'. Invalid list filter expression.",
    ),
    (
        "GET",
        f"{ROUTES}?filter=name+eq+%22(%22",
        None,
        BAD,
        "Invalid value for field 'filter': 'name eq \"(\"'. Invalid list filter expression.",
    ),
    (
        "GET",
        f"{ROUTES}?maxResults=501",
        None,
        BAD,
        "Invalid value for field 'maxResults': '501'. Must be a number from 0 to 500.",
    ),
    (
        "POST",
        "/batch/compute/v1",
        b"x",
        (400, "badRequest", INVALID),
        "Failed to parse batch request, error: Expected multipart/mixed.",
    ),
)


@pytest.mark.parametrize(("method", "target", "body", "kind", "message"), REFUSED)
def test_errors_are_in_googles_form_and_change_nothing(
    method: str, target: str, body: object, kind: tuple[int, str, str], message: str
) -> None:
    code, reason, status = kind
    service = serve(MASTER)
    error = {"message": message, "domain": "global", "reason": reason}
    said = {"error": {"code": code, "message": message, "errors": [error], "status": status}}
    assert ask(service, method, target, body) == (code, said)
    assert service.cloud.routes() == (MASTER,)


def test_what_the_vpc_refuses_is_no_fault_that_a_client_would_try_again() -> None:
    class ReadOnly(StrictCloud):
        def create(self, _route: object) -> None:
            raise KernelRefused("the vpc refused: busy", "try again")

    status, said = ask(Service(ReadOnly(), Networks(), LAB), "POST", ROUTES, NEW)
    assert (status, said["error"]["message"]) == (400, "the vpc refused: busy (try again)")


def test_a_batch_is_answered_part_by_part() -> None:
    lines = "Content-Type: application/http\r\nContent-ID: <a b+{0}>\r\n\r\nDELETE {1}/{2} HTTP/1.1\r\n\r\n\r\n"
    parts = "".join(f"--B\r\n{lines.format(at, ROUTES, name)}" for at, name in enumerate(("k8s-master", "nope")))
    service = serve(MASTER, WORKER)
    request = Request("POST", "/batch/compute/v1", f"{parts}--B--".encode(), 'multipart/mixed; boundary="B"')
    answer = respond(service, request)
    whole = BytesParser().parsebytes(f"Content-Type: {answer.content_type}\r\n\r\n".encode() + answer.content)
    found = [(part["Content-ID"], str(part.get_payload()).split("\r\n")[0]) for part in whole.get_payload()]
    assert found == [("<response-ab+0>", "HTTP/1.1 200 OK"), ("<response-ab+1>", "HTTP/1.1 404 Not Found")]
    assert service.cloud.routes() == (WORKER,)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.sampled_from(("GET", "POST", "DELETE", "PUT", "HEAD")),
    st.sampled_from((ROUTES, NETWORKS, OPERATIONS, PROJECT, "/batch/compute/v1", f"{PROJECT}/regions", "/compute/v1/")),
    st.text(max_size=12),
    st.dictionaries(st.sampled_from((*NEW, "priority", "description", "tags")), JSON) | st.binary(max_size=20) | JSON,
)
def test_any_request_is_answered_with_json(method: str, path: str, rest: str, body: object) -> None:
    service = serve(MASTER)
    status, said = ask(service, method, f"{path}/{rest}", body)
    assert status in (200, 400, 404, 409)
    assert (status == 200) is ("error" not in said)
    assert MASTER in service.cloud.routes()
