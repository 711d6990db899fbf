"""Versions, changes and watches: what the API server remembers between two looks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from labctl.api import watch as watching
from labctl.api.app import Api
from labctl.api.kinds.pods import PODS
from labctl.api.query import Query, Selection
from labctl.api.selectors import parse_labels
from labctl.api.status import Refusal
from labctl.api.store import Store
from labctl.api.watch import watch
from labctl.errors import KernelRefused, WorldGone

# asyncio's loop wakes itself by a pair of sockets.
pytestmark = [pytest.mark.machine, pytest.mark.anybody]

FIRST = 100


def _pod(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}}


class Looks:
    """Stands for the kernel: what is there now, and how often it was looked at."""

    def __init__(self, *there: dict[str, Any]) -> None:
        self.there, self.count = list(there), 0

    async def __call__(self, _kind: object) -> list[dict[str, Any]]:
        self.count += 1
        await asyncio.sleep(0)
        return list(self.there)


def _now() -> float:
    return asyncio.get_running_loop().time()


def test_an_object_keeps_its_version_until_it_changes() -> None:
    async def run() -> None:
        looks = Looks(_pod("a"), _pod("b"))
        store = Store(looks, FIRST)
        versions = []
        for there in ([_pod("a"), _pod("b")], [_pod("a"), _pod("b", x="y")], [_pod("b", x="y")], [_pod("b", x="y")]):
            looks.there = there
            seen = (await store.fresh(PODS, _now())).seen
            versions.append((seen.version, [each["metadata"]["resourceVersion"] for each in seen.objects]))
        assert versions == [(102, ["101", "102"]), (103, ["101", "103"]), (104, ["103"]), (104, ["103"])]

    asyncio.run(run())


def test_one_look_serves_all_who_asked_before_it_began() -> None:
    async def run() -> None:
        looks = Looks(_pod("a"))
        store = Store(looks, FIRST)
        asked = _now()
        await asyncio.gather(*(store.fresh(PODS, asked) for _ in range(50)))
        assert looks.count == 1
        await store.fresh(PODS, _now() + 1.0)
        assert looks.count == 2

    asyncio.run(run())


def test_what_was_too_long_ago_is_gone() -> None:
    async def run() -> None:
        looks = Looks(_pod("a"))
        store = Store(looks, FIRST)
        collection = await store.fresh(PODS, _now())
        assert [each.version for each in collection.since(FIRST)] == [101]
        with pytest.raises(Refusal) as refusal:
            collection.since(FIRST - 1)
        assert (refusal.value.code, refusal.value.reason) == (410, "Expired")
        for number in range(1200):
            looks.there = [_pod("a", number=str(number))]
            collection = await store.fresh(PODS, _now())
        with pytest.raises(Refusal):
            collection.since(FIRST + 1)
        assert collection.since(collection.seen.version) == ()

    asyncio.run(run())


def test_a_watch_tells_what_comes_changes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT", 0.001)

    async def run() -> list[tuple[str, str]]:
        looks = Looks(_pod("a", app="web"), _pod("b"))
        store = Store(looks, FIRST)
        began = await store.fresh(PODS, _now())
        query = Query(Selection("default", "", parse_labels("app=web")), watch=True)
        heard = []
        after = [[_pod("b", app="web")], [_pod("b", app="web", x="y")], [_pod("b")], None]
        async for line in watch(store, PODS, query, began, lambda each: each):
            event = json.loads(line)
            heard.append((event["type"], event["object"]["metadata"]["name"]))
            if len(heard) in (1, 3, 4):
                looks.there = after.pop(0) or []
            if len(heard) == 5:
                return heard
        return heard

    assert asyncio.run(run()) == [
        ("ADDED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "b"),
        ("DELETED", "b"),
    ]


def test_a_watch_from_too_long_ago_ends_with_an_error_and_one_whose_time_is_up_ends() -> None:
    async def run() -> list[str]:
        store = Store(Looks(_pod("a")), FIRST)
        began = await store.fresh(PODS, _now())
        old = Query(Selection(), watch=True, version=5)
        new = Query(Selection(), watch=True, version=began.seen.version, seconds=0)
        lines = [json.loads(line) async for line in watch(store, PODS, old, began, lambda each: each)]
        assert [line async for line in watch(store, PODS, new, began, lambda each: each)] == []
        return [f"{each['type']} {each['object']['code']}" for each in lines]

    assert asyncio.run(run()) == ["ERROR 410"]


def _ask(api: Api, path: str, query: str = "", token: str = "token") -> list[dict[str, Any]]:  # noqa: S107 (no secret)
    """Send one request to the application itself, and hear what it sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 (as ASGI has it)
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "http_version": "1.1", "path": path, "headers": headers}
    asyncio.run(api({**scope, "raw_path": path.encode(), "query_string": query.encode()}, receive, send))
    return sent


def test_one_watcher_too_many_is_told_to_come_again() -> None:
    api = Api(Store(Looks(_pod("a")), FIRST), ("token",), {}, "here", 1.0)
    api._watching = 256
    start, body = _ask(api, "/api/v1/pods", "watch=true")
    assert (start["status"], json.loads(body["body"])["reason"]) == (429, "TooManyRequests")


@pytest.mark.parametrize("error", [KernelRefused("the kernel refused"), WorldGone("gone"), ValueError("a defect")])
def test_what_cannot_be_looked_up_is_a_status_and_no_traceback(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    async def look(_kind: object) -> list[dict[str, Any]]:
        raise error

    start, body = _ask(Api(Store(look, FIRST), ("token",), {}, "here", 1.0), "/api/v1/pods")
    status = json.loads(body["body"])
    assert (start["status"], status["reason"], status["code"]) == (500, "InternalError", 500)
    assert "Traceback" not in capsys.readouterr().err


def test_a_watch_of_a_lab_that_goes_ends_with_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT", 0.001)

    async def run() -> list[dict[str, Any]]:
        looks = iter([[_pod("a")]])

        async def look(_kind: object) -> list[dict[str, Any]]:
            found = next(looks, None)
            if found is None:
                raise WorldGone("the world died", "labctl reset")
            return found

        store = Store(look, FIRST)
        began = await store.fresh(PODS, _now())
        lines = watch(store, PODS, Query(Selection(), watch=True), began, lambda each: each)
        return [json.loads(line) async for line in lines]

    added, error = asyncio.run(run())
    assert (added["type"], error["type"]) == ("ADDED", "ERROR")
    assert (error["object"]["kind"], error["object"]["code"]) == ("Status", 500)
    assert "the world died" in error["object"]["message"]
