"""The API server and callers that are not kubectl: malformed, foreign, slow, and many at once."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from labctl.model.kubeconfig import READER
from tests.api_requests import fault_of, generate
from tests.served_lab import ServedLab, get

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

REQUESTS, SEED = 100, 12
PODS = "/api/v1/namespaces/default/pods"


def test_a_hundred_malformed_requests_are_each_told_what_is_wrong(lab: LabUnderTest) -> None:
    served = ServedLab(lab, patience=1.0)
    asked = generate(REQUESTS, SEED)
    replies = served.ask(*(request for _, request in asked))
    faults = [(name, request[:200], fault, reply)
              for (name, request), reply in zip(asked, replies, strict=True) if (fault := fault_of(reply))]  # fmt: skip
    assert faults == []
    assert len(Counter(reply.code for reply in replies)) >= 7
    (fine,) = served.ask(get("/api/v1/nodes"))
    assert fine.code == 200
    assert served.errors() == ""


def test_who_may_not_ask_is_told_so_in_the_words_of_the_api_server(lab: LabUnderTest) -> None:
    served = ServedLab(lab)
    asked = {
        get("/api", token=""): (401, "Unauthorized"),
        get("/api", token=READER.token[1:]): (401, "Unauthorized"),
        get("/api").replace(b"Host: 127.0.0.1", b"Host: lab.example.com"): (403, "Forbidden"),
        get("/api", "Origin: https://example.com"): (403, "Forbidden"),
        get("/api", "Origin: http://localhost:8001"): (200, None),
        get("/api", token=READER.token): (200, None),
        get("/api/v1/nodes", "Upgrade: websocket", "Connection: Upgrade"): (200, None),
        get("/etc/passwd"): (404, "NotFound"),
        get("/api/v1/namespaces/default/pods/..%2f..%2fetc%2fpasswd"): (404, "NotFound"),
        get("/api/v1/namespaces/default/pods/../../../../etc/passwd"): (404, "NotFound"),
        get(PODS, method="OPTIONS"): (204, None),
        get(PODS, method="HEAD"): (200, None),
        get(PODS, method="POST", body=b'{"kind": "Pod"}'): (405, "MethodNotAllowed"),
        get(f"{PODS}/a", method="DELETE", body=b"{}"): (405, "MethodNotAllowed"),
        get(f"{PODS}?limit=1&continue=unknown"): (410, "Expired"),
        get(PODS, "Content-Length: 2000000", method="POST"): (413, "RequestEntityTooLarge"),
        get(PODS, "X: " + "x" * 20000): (431, "BadRequest"),
    }
    for (request, (code, reason)), reply in zip(asked.items(), served.ask(*asked), strict=True):
        assert reply.code == code, (request[:120], reply)
        if reason:
            assert (reply.json["reason"], reply.json["code"]) == (reason, code)
    (head,) = served.ask(get(PODS, method="HEAD"))
    assert head.body == b""
    (refused,) = served.ask(get(PODS, method="PATCH", body=b"[]"))
    assert "allow: get, head, options" in refused.head.lower()
    assert refused.json["message"] == 'patch is not supported on resources of kind "pods"'


def test_a_slow_caller_is_hung_up_on(lab: LabUnderTest) -> None:
    """A head that does not end, the second head on a connection, a body that does not come; a byte at a time too."""
    served = ServedLab(lab, patience=0.5)
    whole = get("/readyz").replace(b"Connection: close\r\n", b"")
    slow = [bytes([each]) for each in get("/readyz")]
    body = get(PODS, "Content-Length: 1000", method="POST")
    heads = served.ask_in_parts([[b"GET /api HTTP/1.1\r\n"], slow, [], [body, b"x"]], pause=0.05)
    assert all(reply.closed for reply in heads)
    # Who is still sending when the server hangs up may lose the answer (a reset, RFC 9112, 9.6).
    told = [reply for reply in heads if reply.code]
    assert len(told) >= 3
    assert [(reply.code, reply.json["reason"]) for reply in told] == [(408, "Timeout")] * len(told)
    (second,) = served.ask_in_parts([[whole, *([b"GET /api"] + [b"i"] * 20)]], pause=0.1)
    assert second.code == 200
    assert b'"code":408' in second.body
    assert second.closed
    assert served.errors() == ""


def test_fifty_watch_at_once_and_each_hears_of_what_changes(lab: LabUnderTest) -> None:
    lab.apply((0, 1, 2, 3))
    served = ServedLab(lab)
    request = get(f"{PODS}?watch=true&fieldSelector=metadata.name%3Da")
    heard = served.watch(request, 50, "ip -n a addr flush dev eth0", "MODIFIED")
    assert len(heard) == 50
    for lines in heard:
        events = [json.loads(line) for line in lines if line.startswith("{")]
        assert [each["type"] for each in events] == ["ADDED", "MODIFIED"]
        assert [each["object"]["status"].get("podIP") for each in events] == ["10.244.0.2", None]
    assert served.errors() == ""


def test_it_ends_at_once_though_somebody_watches_and_leaves_no_process(lab: LabUnderTest) -> None:
    # In the shell's own words, so that nothing is counted that counts; what has died already has no program any more.
    running = (
        'for each in /proc/[0-9]*; do [ ! -e "$each/exe" ] || '
        '{ IFS= read -r name <"$each/comm" && echo "$name"; } || :; done 2>/dev/null'
    )
    before = sorted(lab.type("master", running).out.split())
    assert "bash" in before
    served = ServedLab(lab)
    served.watch(get(f"{PODS}?watch=true"), 5, ":", "ADDED")
    served.server.revert(lab.kernel)
    gone = "timeout 10 sh -c 'until ! grep -lz kube-apiserver /proc/[0-9]*/cmdline 2>/dev/null; do sleep 0.05; done'"
    lab.type("master", gone)
    assert sorted(lab.type("master", running).out.split()) == before
