"""`kill -9` at every operation of ADD and of DEL; then DEL, or GC: nothing is left, and no address is lost."""

from __future__ import annotations

import signal
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.cni_runtime import Runtime, needs_reference, network
from tests.cut_labnet import cut_labnet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cni_runtime import Answer
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

CUT = "/opt/labctl/cut-labnet"
VALID = "cni.dev/valid-attachments"
_LOCAL = {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]]}
every_ipam = pytest.mark.parametrize(
    "ipam", [None, pytest.param(_LOCAL, marks=needs_reference)], ids=["own", "host-local"]
)
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


# `ip` as labnet finds it: carries out as many lines that change something as /run/left says, then labnet dies.
_CUT_IP = """\
#!/bin/sh
given=$(cat) left=$(cat /run/left) number=0 last=
while IFS= read -r line; do
    number=$((number + 1))
    case $line in *show* | *list-id*) continue ;; esac
    left=$((left - 1))
    [ $left != 0 ] || last=$number
done <<END
$given
END
echo $left >/run/left
printf '%s\\n' "$given" | head -n ${last:-$number} | /usr/sbin/ip "$@"
code=$?
[ -z "$last" ] || kill -9 $PPID
exit $code
"""


@pytest.mark.parametrize("way", [_delete, _delete_without_netns, _collect])
def test_killed_at_every_line_of_ip(lab: LabUnderTest, way: Callable[[_Doomed], None]) -> None:
    doomed = _Doomed(lab, None)
    runtime = doomed.runtime
    runtime.type(f"cat >/opt/labctl/bin/ip <<'CUT'\n{_CUT_IP}CUT\nchmod +x /opt/labctl/bin/ip")
    for command in ("ADD", "DEL"):
        for at in count(1):
            runtime.type(f"echo {at if command == 'ADD' else 0} >/run/left")
            answer = runtime.call("ADD", "a", doomed.configuration)
            if command == "DEL":
                runtime.type(f"echo {at} >/run/left")
                answer = runtime.call("DEL", "a", doomed.configuration)
            assert answer.code == 0 or answer.said is None
            if command == "ADD" and at == 1:  # made, and not marked yet: only its group says whose it is
                links = "/usr/sbin/ip -j -d link show group 27745 | jq -c '.[] | select(.ifalias | not)'"
                assert runtime.type(links).count('"info_kind":"veth"') == 1
            runtime.type("echo 0 >/run/left")  # from here on it carries out everything
            way(doomed)
            runtime.type("rm /run/left")
            doomed.assert_nothing_is_left(at)
            if answer.code == 0:
                assert at > (7 if command == "ADD" else 1)
                break


def test_added_again_after_a_cable_was_made_and_not_marked(lab: LabUnderTest) -> None:
    doomed = _Doomed(lab, None)
    runtime = doomed.runtime
    runtime.type(f"cat >/opt/labctl/bin/ip <<'CUT'\n{_CUT_IP}CUT\nchmod +x /opt/labctl/bin/ip; echo 1 >/run/left")
    assert runtime.call("ADD", "a", doomed.configuration).code != 0
    # The container has its end no more: as good as none.
    runtime.type("rm /opt/labctl/bin/ip /run/left; ip -n a link set eth0 name lost")
    assert runtime.add("a", doomed.configuration).addresses == ["10.244.0.3/24"]
    assert runtime.pings("a", "10.244.0.1")
    _delete(doomed)
    doomed.assert_nothing_is_left(0)


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
