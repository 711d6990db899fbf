"""A store that is full, read-only or corrupt, and locks that somebody keeps: code 5 or 11, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cni_runtime import STORE, Runtime, network

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine


def _prepare(lab: LabUnderTest) -> Runtime:
    """A store on a disk of its own, small enough to be filled; b is plugged in."""
    runtime = Runtime(lab)
    runtime.type(f"mkdir -p {STORE}; mount -t tmpfs -o size=64k store {STORE}")
    runtime.add("b")
    return runtime


def test_a_full_disk(lab: LabUnderTest) -> None:
    runtime = _prepare(lab)
    held = runtime.type(f"cat {STORE}/reserved")
    runtime.type(f"head -c 1M /dev/zero >{STORE}/junk 2>/dev/null || true")
    before = runtime.state()
    for command in ("ADD", "STATUS"):
        answer = runtime.call(command, "a", network(version="1.1.0"))
        assert (answer.code, answer.said["code"]) == (1, 5 if command == "ADD" else 50), answer
        assert STORE in answer.said["msg"]
    assert runtime.state() == before
    assert runtime.type(f"cat {STORE}/reserved") == held
    # What makes room is possible all the same: the last line goes with its file.
    assert runtime.call("DEL", "b").code == 0
    runtime.type(f"rm {STORE}/junk")
    assert runtime.add("a").addresses == ["10.244.0.2/24"]


def test_a_full_disk_at_del(lab: LabUnderTest) -> None:
    runtime = _prepare(lab)
    runtime.add("a")
    held = runtime.type(f"cat {STORE}/reserved")
    runtime.type(f"head -c 1M /dev/zero >{STORE}/junk 2>/dev/null || true")
    answer = runtime.call("DEL", "a")
    assert (answer.code, answer.said["code"]) == (1, 5)
    assert runtime.type(f"cat {STORE}/reserved") == held
    runtime.type(f"rm {STORE}/junk")
    assert runtime.call("DEL", "a").code == 0
    assert runtime.type(f"cat {STORE}/reserved") == "10.244.0.2 b eth0\n"


def test_a_read_only_store(lab: LabUnderTest) -> None:
    runtime = _prepare(lab)
    runtime.type(f"mount -o remount,bind,ro {STORE}")
    before = runtime.state()
    answer = runtime.call("ADD", "a")
    assert (answer.code, answer.said["code"]) == (1, 5)
    assert runtime.state() == before
    answer = runtime.call("STATUS", "a", network(version="1.1.0"))
    assert answer.said["code"] == 50
    answer = runtime.call("DEL", "b")
    assert (answer.code, answer.said["code"]) == (1, 5)
    runtime.type(f"mount -o remount,bind,rw {STORE}")
    assert runtime.call("DEL", "b").code == 0
    assert runtime.type(f"ls {STORE}") == ""


@pytest.mark.parametrize("line", ["10.244.0.3", "somewhere a eth0", "10.244.0.3 a eth0 more", "\\0\\0\\0\\0"])
def test_a_corrupt_store(lab: LabUnderTest, line: str) -> None:
    runtime = _prepare(lab)
    runtime.type(f"printf '{line}\\n' >>{STORE}/reserved; cp {STORE}/reserved /run/kept")
    before = runtime.state()
    now = network(version="1.1.0")
    for command, more in (("ADD", {}), ("CHECK", {"prevResult": {}}), ("GC", {"cni.dev/valid-attachments": []})):
        answer = runtime.call(command, "a" if command == "ADD" else "b", {**now, **more})
        assert (answer.code, answer.said["code"]) == (1, 5), answer
        assert "corrupt" in answer.said["msg"]
        assert runtime.state() == before, command
    assert runtime.call("STATUS", "a", now).said["code"] == 50
    assert runtime.call("DEL", "b").said["code"] == 5
    runtime.type(f"cmp {STORE}/reserved /run/kept; sed -i '$d' {STORE}/reserved")
    assert runtime.call("DEL", "b").code == 0


def test_a_store_that_is_no_folder(lab: LabUnderTest) -> None:
    runtime = Runtime(lab)
    runtime.type(f"mkdir -p {STORE.rpartition('/')[0]}; echo keep >{STORE}")
    before = runtime.state()
    answer = runtime.call("ADD", "a")
    assert (answer.code, answer.said["code"]) == (1, 5)
    assert runtime.state() == before


def test_a_lock_that_somebody_keeps(lab: LabUnderTest) -> None:
    runtime = _prepare(lab)
    before = runtime.state()
    runtime.type(f"flock --no-fork {STORE} sleep infinity </dev/null >/dev/null 2>&1 & echo $! >/run/holder")
    runtime.type(f"while flock -n {STORE} true; do :; done")
    answer = runtime.call("ADD", "a")
    assert (answer.code, answer.said["code"]) == (1, 11)
    assert runtime.state() == before
    runtime.type("kill -9 $(cat /run/holder)")
    assert runtime.add("a").addresses == ["10.244.0.3/24"]


LEGACY = """
for name in iptables iptables-save; do
  printf '#!/bin/sh\\nexec %s "$@"\\n' "$(echo $name | sed s/iptables/iptables-legacy/)" >/opt/labctl/bin/$name
  chmod +x /opt/labctl/bin/$name
done
"""


def test_the_lock_of_iptables_that_somebody_keeps(lab: LabUnderTest) -> None:
    """Of the legacy backend: that of nft has none. The file is the node's own, as is its /run."""
    runtime = Runtime(lab)
    runtime.type(LEGACY)
    runtime.add("b")
    runtime.type("iptables -F FORWARD")
    before = runtime.state()
    runtime.type("flock --no-fork /run/xtables.lock sleep infinity </dev/null >/dev/null 2>&1 & echo $! >/run/holder")
    runtime.type("while flock -n /run/xtables.lock true; do :; done")
    answer = runtime.call("ADD", "a")
    assert (answer.code, answer.said["code"]) == (1, 11), answer
    assert "/run/xtables.lock" in answer.said["msg"]
    assert runtime.state() == before
    # DEL changes no rule, and waits for nobody.
    assert runtime.call("DEL", "b").code == 0
    runtime.type("kill -9 $(cat /run/holder)")
    assert runtime.add("a").addresses == ["10.244.0.2/24"]
    assert "-s 10.244.0.0/24 -j ACCEPT" in runtime.type("iptables -S FORWARD")
