"""A program that listens for as long as its step stands: looked up in the kernel, started, ended, and left alone."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, NoReturn

import pytest

from labctl.errors import KernelRefused, ToolMissing
from labctl.kernel import listeners
from labctl.kernel.listeners import listeners_here
from labctl.model import Place
from labctl.model.program import program_words
from labctl.model.resource import Absent, Foreign, Present
from labctl.model.shell import DIALECTS, render_script
from labctl.model.value import replace
from labctl.resources import Server

if TYPE_CHECKING:
    from labctl.model.shell import Dialect
    from tests.lab_under_test import LabUnderTest

IN_A = Server(Place("master", "a"), "serve-hostname", ("serve-hostname", "a", "80"), 80)
ON_NODE = Server(Place("master"), "serve-hostname", ("serve-hostname", "node", "8080"), 8080)

pytestmark = pytest.mark.machine


def ask(lab: LabUnderTest, place: str, port: int) -> str:
    done = lab.kernel.programs(lab.lab.place(place)).look(("curl", "-s", "-m", "5", f"http://127.0.0.1:{port}/"))
    return done.out.strip()


@pytest.mark.parametrize("server", [IN_A, ON_NODE], ids=["container", "node"])
def test_it_is_started_and_answers_and_is_ended(lab: LabUnderTest, server: Server) -> None:
    lab.kernel.net(server.place).set_up("lo")
    before = lab.snapshot()
    assert isinstance(server.observe(lab.kernel), Absent)
    server.apply(lab.kernel)
    assert server.observe(lab.kernel) == Present()
    assert ask(lab, str(server.place), server.port) == server.argv[1]
    assert f"tcp 0.0.0.0 {server.port} {' '.join(server.argv)}" in lab.snapshot()
    server.revert(lab.kernel)
    server.revert(lab.kernel)
    assert isinstance(server.observe(lab.kernel), Absent)
    lab.kernel.refresh()
    assert lab.snapshot() == before


def test_it_hears_the_signals_that_a_person_sends(lab: LabUnderTest) -> None:
    ON_NODE.apply(lab.kernel)
    (listener,) = (each for each in lab.kernel.net(ON_NODE.place).listeners() if each.port == ON_NODE.port)
    done = lab.type("master", f"kill {listener.pid}; timeout 10 tail --pid={listener.pid} -f /dev/null")
    assert done.code == 0
    assert isinstance(ON_NODE.observe(lab.kernel), Absent)


def test_anothers_program_on_the_port_is_named_and_left_alone(lab: LabUnderTest) -> None:
    lab.type("master", "setsid -f python3 -m http.server 8080 </dev/null >/dev/null 2>&1; " + WAIT)
    seen = ON_NODE.observe(lab.kernel)
    assert isinstance(seen, Foreign)
    assert "tcp port 8080 of master is taken by `python3 -m http.server 8080` (pid " in seen.why
    ON_NODE.revert(lab.kernel)
    lab.kernel.refresh()
    assert isinstance(ON_NODE.observe(lab.kernel), Foreign)


WAIT = "timeout 10 bash -c \"until ss -Hltn 'sport = :8080' | grep -q .; do sleep 0.05; done\""


def test_the_same_program_started_otherwise_is_mended(lab: LabUnderTest) -> None:
    replace(ON_NODE, argv=("serve-hostname", "wrong", "8080")).apply(lab.kernel)
    seen = ON_NODE.observe(lab.kernel)
    assert isinstance(seen, Present)
    assert seen.drift == (
        "serve-hostname on master runs `serve-hostname wrong 8080`; expected `serve-hostname node 8080`",
    )
    ON_NODE.apply(lab.kernel)
    assert ON_NODE.observe(lab.kernel) == Present()
    assert ask(lab, "master", 8080) == "node"


def test_one_that_listens_for_everybody_where_only_loopback_is_wanted_is_drift(lab: LabUnderTest) -> None:
    ON_NODE.apply(lab.kernel)
    seen = replace(ON_NODE, address="127.0.0.1").observe(lab.kernel)
    assert isinstance(seen, Present)
    assert seen.drift == ("serve-hostname on master listens on 0.0.0.0; expected 127.0.0.1",)


def test_leading_words_are_enough_where_it_says_so(lab: LabUnderTest) -> None:
    replace(ON_NODE, argv=("serve-hostname", "other", "8080")).apply(lab.kernel)
    assert replace(ON_NODE, program=("serve-hostname",)).observe(lab.kernel) == Present()


def test_one_that_ends_says_why_and_one_that_is_not_installed_is_named(lab: LabUnderTest) -> None:
    blocked = replace(ON_NODE, argv=("serve-hostname", "node", "99999"))
    with pytest.raises(KernelRefused, match="ended before it listened on tcp 8080: serve-hostname: port 99999"):
        blocked.apply(lab.kernel)
    for _ in range(10):  # now and then it is reaped before anybody looks
        with pytest.raises(KernelRefused, match="false ended before it listened on tcp 8080"):
            replace(ON_NODE, argv=("false",)).apply(lab.kernel)
    with pytest.raises(ToolMissing, match="no-such-program is not installed"):
        replace(ON_NODE, argv=("no-such-program",)).apply(lab.kernel)


def test_several_start_side_by_side_and_one_that_ends_does_not_keep_the_others_from_it(lab: LabUnderTest) -> None:
    """The first waits for what only the last says: one after the other, it would never listen."""
    pipe = "mkfifo /tmp/turn 2>/dev/null || true; "
    waits = ("bash", "-c", f"{pipe} read _ </tmp/turn; exec serve-hostname node 8080")
    says = ("bash", "-c", f"{pipe} echo >/tmp/turn; exec serve-hostname a 80")
    ends = ("bash", "-c", "echo 'I had enough' >&2; exit 1")
    lab.kernel.net(IN_A.place).set_up("lo")
    with pytest.raises(KernelRefused, match="bash ended before it listened on tcp 8081: I had enough"):
        lab.kernel.start_all(
            [(ON_NODE.place, waits, "tcp", 8080), (ON_NODE.place, ends, "tcp", 8081), (IN_A.place, says, "tcp", 80)]
        )
    assert [each.observe(lab.kernel) for each in (ON_NODE, IN_A)] == [Present(), Present()]
    with pytest.raises(ToolMissing, match="no-such-server"):
        lab.kernel.start_all([(ON_NODE.place, ("no-such-server",), "tcp", 8082)])


def test_in_a_container_that_is_not_there_it_is_absent(lab: LabUnderTest) -> None:
    server = replace(IN_A, place=Place("master", "nobody"))
    assert isinstance(server.observe(lab.kernel), Absent)
    server.revert(lab.kernel)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_printed_commands_do_the_same(lab: LabUnderTest, dialect: Dialect) -> None:
    lab.apply((0, 1, 2), nodes=(lab.lab.node("master"),))
    before = lab.snapshot()
    IN_A.apply(lab.kernel)
    lab.kernel.refresh()
    after = lab.snapshot()
    IN_A.revert(lab.kernel)
    shell = IN_A.shell(dialect)
    assert lab.type("master", render_script(shell.do)).code == 0
    assert lab.snapshot() == after
    assert lab.type("master", render_script(shell.look)).code == 0
    assert lab.type("master", render_script(shell.undo)).code == 0
    assert lab.snapshot() == before


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("/usr/bin/python3.11", "-ISB", "/opt/labctl/bin/serve-hostname", "a", "80"), ("serve-hostname", "a", "80")),
        (("python3", "-m", "http.server", "80"), ("python3", "-m", "http.server", "80")),
        (("/usr/sbin/dnsmasq", "--user=root"), ("dnsmasq", "--user=root")),
        (("bash",), ("bash",)),
        ((), ()),
    ],
)
def test_programs_are_told_by_their_words(argv: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert program_words(argv) == words


def test_callers_that_say_nothing_keep_nobody_out(lab: LabUnderTest) -> None:
    ON_NODE.apply(lab.kernel)
    script = (
        "import socket\n"
        "held = [socket.create_connection(('127.0.0.1', 8080)) for _ in range(700)]\n"
        "caller = socket.create_connection(('127.0.0.1', 8080))\n"
        "caller.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
        "print(caller.makefile().read().splitlines()[-1])\n"
    )
    done = lab.kernel.programs(ON_NODE.place).run(("python3", "-I", "-c", script))
    assert (done.code, done.out) == (0, "node\n"), done.err


def test_what_listens_is_found_without_sock_diag_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOENT, "No such file or directory")

    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        ours = {each.getsockname()[:2] for each in (four, six)}
        found = listeners_here()
        assert ours <= {(each.address, each.port) for each in found}
        monkeypatch.setattr(listeners, "ask", refuse)
        assert listeners_here() == found
