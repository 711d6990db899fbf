"""What the lessons have a learner type under "Look closer" and "Question", typed; and what they say of it, seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from labctl.engine.lesson import read_lesson
from tests.lab_under_test import CONTEXTS_STEP, step_called

if TYPE_CHECKING:
    from tests.lab_under_test import LabUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody, pytest.mark.long]

_BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
OBJECTS = step_called("objects")
_ANSWERED, _SILENT = "1 received", "0 received"


@dataclass(frozen=True)
class Typed:
    """A block of a lesson: what the lab stands at, and a pattern that the output of all its lines must match."""

    said: str
    standing: int
    cleaned: str = ""


# By step, one for each block, in their order. `.` matches line ends.
BLOCKS = {
    0: (
        Typed(f"{_ANSWERED}.*Destination Host Unreachable.*{_SILENT}.*10.244.0.3 +FAILED", 0),
        Typed(f"{_ANSWERED}.*10.244.0.2 .*dev eth0.*10.244.0.2 dev cni0", 0),
    ),
    1: (
        Typed("Nmap done: 1 IP address.*real.*Nmap done: 1 IP address.*real", 1),
        Typed(r"^$", 1),
    ),
    2: (
        Typed(r"^(net:\[\d+\])\n\1\n(?!\1)net:\[\d+\]\nmaster$", 2),
        Typed(r"ghost.*(No such file|Cannot open|failed)", 2),
    ),
    3: (
        Typed(
            rf"{_ANSWERED}.*{_SILENT}.*{_SILENT}(?=.*10.244.0.3 dev eth0 lladdr )"
            "(?=.*10.244.0.4 dev eth0 +(FAILED|INCOMPLETE))",
            3,
        ),
        Typed("cni0.*cni0.*link/ether 02:00:00:00:00:01.* received", 3),
    ),
    4: (
        Typed(r"^((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\n\1$", 4),
        Typed(f"{_ANSWERED}.*step 4 on master: wrong.*10.244.0.4.*mended.*done", 4),
    ),
    5: (
        Typed(r"filter FORWARD policy drop", 4),
        Typed(_ANSWERED, 4),
        Typed(r"policy DROP.* 2 +\d+ ACCEPT .* 10.244.0.0/16 +0.0.0.0/0.* 0 +0 ACCEPT .* 10.244.0.0/16", 5),
    ),
    6: (
        Typed(r"^10.128.0.2\n10.128.0.2$", 6),
        Typed(r"3 received.* 1 +84 MASQUERADE", 6),
        Typed(f"{_ANSWERED}.*{_SILENT}.*no rule of FORWARD accepts -d.*made.*done", 6),
    ),
    7: (
        Typed(f"Deleted.*{_SILENT}.*{_ANSWERED}.*made.*done", 7),
        Typed(r"1 received.* 1 +84 +.* 10.128.0.2 +0.0.0.0/0.* 0 +0 .* 10.244.0.2 +", 7),
        Typed(
            r"1 received.* 1 +84 .* 10.244.0.2 +",
            7,
            "iptables -t nat -D POSTROUTING -s 10.244.0.0/24 -d 10.244.0.0/16 -j RETURN;"
            "labctl exec worker -- iptables -D FORWARD -s 10.244.0.2;"
            "labctl exec worker -- iptables -D FORWARD -s 10.128.0.2",
        ),
    ),
    8: (
        Typed('"type": "labnet".*CNI_COMMAND=ADD.*CNI_IFNAME=eth0.*it gave 10.244.0.4.*"sandbox": "/var', 8),
        Typed(r'"supportedVersions": \["0.3.1".*"code": 4, "msg": "ADD needs CNI_NETNS, CNI_IFNAME', 8),
        Typed("step 8 on master: wrong.*CHECK says: e has no default route.*guest_network:master/e: mended.*done", 8),
        Typed("10.244.0.4 e eth0.*done", 8),
    ),
    9: (
        Typed(r"^([bcd]\n){6}.*Chain KUBE-SVC-QFGHW72L5AIIA6IV.* 6 +\d+ KUBE-MARK-MASQ .*statistic mode random", 9),
        Typed(r"step 9 on lab: wrong.*never goes to 10.244.0.3:80.*services:master/mystuff/my-svc: mended.*done", 9),
        Typed(r"^(([bcd]|nobody answers)\n){6}.*hairpin:master/b: made.*done", 9),
        Typed(r"^Services .* 10 +\d+\.\d+ s +\d+\.\d us .* 1000 .* 5000 .* us$", 9),
    ),
    10: (
        Typed(
            r"^a:\n10.96.0.100 +STREAM my-svc.mystuff.svc.cluster.local\n.*b:\n(10.96.0.100 .*){6}"
            r"(?=.*10.244.0.3 )(?=.*10.244.1.2 )(?=.*10.244.1.3 )",
            10,
        ),
        Typed(r"^clusterIP 10.96.7.7\n10.96.7.7 +mine.default.svc.cluster.local\ngone$", 10),
        Typed(r"10.96.0.100 .* 4 +\d+ +.*udp dpt:53.*10.96.0.100 .* 1 +\d+ +.*udp dpt:53", 10),
    ),
    OBJECTS: (
        Typed(r'"phase": "Running".*"podIP": "10.244.0.6".*"name":"kube-system"', OBJECTS),
        Typed(r"my-pod +1/1 .* 10.244.0.6 .*eth0.*10.244.0.6/24.*IP: +10.244.0.6", OBJECTS),
        Typed(r"my-pod +0/1 .* <none> .*guest_network:master/my-pod: mended.*my-pod +1/1 .* 10.244.0.6 ", OBJECTS),
        Typed(r'"message":"Unauthorized".*Forbidden.*MethodNotAllowed.: delete is not supported', OBJECTS),
    ),
    CONTEXTS_STEP: (
        Typed(r"\* +my-context +lab +lab-admin +mystuff.*token: REDACTED.*token: lab-admin-token", CONTEXTS_STEP),
        Typed("error: unknown flag: --users.*error: unknown flag: --clusters", CONTEXTS_STEP),
        Typed(r'Context "bare" created.*server localhost:8080 was refused.*deleted context bare', CONTEXTS_STEP),
        Typed(
            "wrong.*context my-context of master has the namespace default.*my-context: mended.*\nmystuff$",
            CONTEXTS_STEP,
        ),
    ),
}


def _blocks(lab: LabUnderTest, number: int) -> list[str]:
    text = read_lesson(lab.lesson(number), lab.lab, lab.lab.node("master"), answer=False)
    return _BLOCK.findall(text.partition("\n## Look closer\n")[2])


@pytest.mark.parametrize("number", BLOCKS)
def test_what_look_closer_has_one_type_shows_what_it_says(lab: LabUnderTest, number: int) -> None:
    blocks = _blocks(lab, number)
    assert len(blocks) == len(BLOCKS[number])
    lab.apply(range(number))
    before = ""
    for text, typed in zip(blocks, BLOCKS[number], strict=True):
        if typed.standing == number and not before:
            lab.apply((number,))
            before = lab.snapshot()
        # As typed one by one: a ping that is not answered is part of the lesson.
        done = lab.labctl("shell", "master", text=f"set +e\nexec 2>&1\n{text}\n{typed.cleaned}\n:")
        assert done.code == 0, done
        assert re.search(typed.said, done.out.strip(), re.DOTALL), f"{text}\n{done.out}"
    lab.kernel.refresh()
    assert lab.snapshot() == before
