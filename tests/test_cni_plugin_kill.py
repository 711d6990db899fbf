"""`kill -9` at every operation of ADD and of DEL; then DEL, or GC: nothing is left, and no address is lost."""

from __future__ import annotations

import signal
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.cni_runtime import Runtime, network
from tests.cut_labnet import cut_labnet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cni_runtime import Answer
    from tests.lab_under_test import LabUnderTest

pytestmark = pytest.mark.machine

CUT = "/opt/labctl/cut-labnet"
VALID = "cni.dev/valid-attachments"
_LOCAL = {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]]}
every_ipam = pytest.mark.parametrize("ipam", [None, _LOCAL], ids=["own", "host-local"])
every_moment = pytest.mark.parametrize("when", ["before", "after"])


class _Doomed:
    """A node with one container plugged in that must be left alone, and a labnet that dies."""

    def __init__(self, lab: LabUnderTest, ipam: dict[str, Any] | None) -> None:
        self.runtime = Runtime(lab)
        more: dict[str, Any] = {"ipam": ipam} if ipam else {}
        self.configuration = network(version="1.0.0" if ipam else "1.1.0", **more)
        self.runtime.type(f"cat >{CUT} <<'END'\n{cut_labnet()}END\nchmod +x {CUT}")
        self.runtime.add("b", self.configuration)
        self.before = self._state()

    def _state(self) -> str:
        # What host-local gave last is no attachment: it only says where it looks next.
        lines = self.runtime.state().splitlines()
        return "\n".join(line for line in lines if "last_reserved_ip" not in line)

    def cut(self, command: str, at: int, when: str) -> bool:
        """Call it; tell whether it died of it."""
        answer: Answer = self.runtime.call(command, "a", self.configuration, plugin=CUT, AT=str(at), WHEN=when)
        if answer.code == 0:
            return False
        assert answer.code in (-signal.SIGKILL, 128 + signal.SIGKILL), answer
        assert answer.said is None
        return True

    def assert_nothing_is_left(self, at: int) -> None:
        assert self._state() == self.before, at


def _delete(doomed: _Doomed) -> None:
    assert doomed.runtime.call("DEL", "a", doomed.configuration).code == 0


def _delete_without_netns(doomed: _Doomed) -> None:
    assert doomed.runtime.call("DEL", "a", doomed.configuration, CNI_NETNS="").code == 0


def _collect(doomed: _Doomed) -> None:
    valid = [{"containerID": "b", "ifname": "eth0"}]
    answer = doomed.runtime.call("GC", "a", {**doomed.configuration, VALID: valid})
    assert answer.code == 0, answer


def _ways(ipam: dict[str, Any] | None) -> tuple[Callable[[_Doomed], None], ...]:
    """Debian's host-local knows no GC."""
    return (_delete, _delete_without_netns, *(() if ipam else (_collect,)))


# `ip` as labnet finds it: makes the cable of a batch, does no more of it, and takes labnet with it.
_CUT_IP = """\
#!/bin/sh
given=$(cat)
case $given in
    *'type veth'*) printf '%s\\n' "$given" | sed '/type veth/q' | /usr/sbin/ip -batch -; kill -9 $PPID ;;
    *) printf '%s\\n' "$given" | exec /usr/sbin/ip "$@" ;;
esac
"""


@pytest.mark.parametrize("way", [0, 1, 2, 3], ids=["DEL", "DEL without netns", "GC", "ADD"])
def test_killed_when_the_cable_is_made_but_not_marked(lab: LabUnderTest, way: int) -> None:
    doomed = _Doomed(lab, None)
    runtime, configuration = doomed.runtime, doomed.configuration
    runtime.type("ip netns add t")
    before = runtime.type("ip -br link show type veth | wc -l")
    runtime.type(f"cat >/opt/labctl/bin/ip <<'END'\n{_CUT_IP}END\nchmod +x /opt/labctl/bin/ip")
    netns = "/var/run/netns/t"
    answer = runtime.call("ADD", "t", configuration, CNI_NETNS=netns)
    assert (answer.code, answer.said) == (-signal.SIGKILL, None)
    runtime.type("rm /opt/labctl/bin/ip")
    unmarked = runtime.type("ip -j link show group 27745 | jq -c '.[] | select(has(\"ifalias\") | not)'")
    assert unmarked.count("ifname") == 1
    if way == 3:  # the container has lost its end, and is added again
        runtime.type("/usr/sbin/ip -n t link set eth0 name lost")
        assert runtime.call("ADD", "t", configuration, CNI_NETNS=netns).code == 0
    asked = (
        ("DEL", configuration, netns),
        ("DEL", configuration, ""),
        ("GC", {**configuration, VALID: [{"containerID": "b", "ifname": "eth0"}]}, ""),
        ("DEL", configuration, netns),
    )[way]
    answer = runtime.call(asked[0], "t", asked[1], CNI_NETNS=asked[2])
    assert answer.code == 0, answer
    assert runtime.type("ip -br link show type veth | wc -l") == before
    runtime.type("ip netns del t")
    doomed.assert_nothing_is_left(way)


def test_a_cable_of_another_in_our_group_is_not_taken(lab: LabUnderTest) -> None:
    doomed = _Doomed(lab, None)
    doomed.runtime.type("ip link add theirs group 27745 type veth peer name other")
    _collect(doomed)
    doomed.runtime.type("ip link show theirs; ip link del theirs")


@every_ipam
@every_moment
def test_killed_in_add(lab: LabUnderTest, ipam: dict[str, Any] | None, when: str) -> None:
    doomed, ways = _Doomed(lab, ipam), _ways(ipam)
    for at in count(1):
        died = doomed.cut("ADD", at, when)
        ways[at % len(ways)](doomed)
        doomed.assert_nothing_is_left(at)
        if not died:
            assert at > 6
            break
    for way in ways:
        doomed.runtime.add("a", doomed.configuration)
        way(doomed)
        doomed.assert_nothing_is_left(0)


@every_ipam
@every_moment
def test_killed_in_del(lab: LabUnderTest, ipam: dict[str, Any] | None, when: str) -> None:
    doomed, ways = _Doomed(lab, ipam), _ways(ipam)
    for at in count(1):
        doomed.runtime.add("a", doomed.configuration)
        died = doomed.cut("DEL", at, when)
        ways[at % len(ways)](doomed)
        doomed.assert_nothing_is_left(at)
        if not died:
            assert at > 3
            return


def test_an_add_after_an_add_that_was_killed_loses_no_address(lab: LabUnderTest) -> None:
    """A runtime that asks again gets the same address, or the word that an interface stands."""
    doomed = _Doomed(lab, None)
    for at in count(1):
        died = doomed.cut("ADD", at, "after")
        if not died:
            break
        answer = doomed.runtime.call("ADD", "a", doomed.configuration)
        if answer.code == 0:
            assert answer.addresses == ["10.244.0.3/24"]
        else:
            assert answer.said["code"] == 100
        _delete(doomed)
        doomed.assert_nothing_is_left(at)
