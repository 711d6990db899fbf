"""`labctl shell` and `labctl exec`: a terminal, a pipe, exit codes, signals, and the notes' lines as they stand."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab_under_test import STEPS, LabUnderTest, labctl_command, run_labctl
from tests.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.machine

# The notes' own lines, with the values filled in; steps 1, 3 and 4 are words there, not commands.
NOTES_0 = """\
sudo brctl addbr cni0
sudo ip link set cni0 up
sudo ip addr add 10.244.0.1/24 dev cni0
ip route | grep cni0
"""
NOTES_2 = """\
mkdir -p /var/run/netns/
ln -sfT $CNI_NETNS /var/run/netns/$CNI_CONTAINERID
ip netns exec $CNI_CONTAINERID ip link
"""
NOTES_5_6 = """\
sudo iptables -t filter -A FORWARD -s 10.244.0.0/16 -j ACCEPT
sudo iptables -t filter -A FORWARD -d 10.244.0.0/16 -j ACCEPT
sudo iptables -t nat -A POSTROUTING -s 10.244.0.0/24 ! -o cni0 -j MASQUERADE
"""
NOTES_7 = """\
gcloud compute routes create k8s-master --destination-range 10.244.0.0/24 --network k8s --next-hop-address 10.128.0.2
gcloud compute routes create k8s-worker --destination-range 10.244.1.0/24 --network k8s --next-hop-address 10.128.0.3
"""


def test_the_lines_of_the_notes_typed_as_they_stand(lab: LabUnderTest) -> None:
    second = "CNI_CONTAINERID=b\nCNI_NETNS=$(cat /run/labctl/containers/b)\n"
    for script in (
        NOTES_0,
        lab.labctl("step", "1", "--commands").out,
        NOTES_2 + second + NOTES_2,
        lab.labctl("step", "3-4", "--commands").out,
        NOTES_5_6,
    ):
        said = lab.labctl("shell", text=script)
        assert said.code == 0, said
    assert lab.labctl("step", "0-6", "--verify").code == 0
    assert lab.labctl("step", "0-6", "--apply", "--node", "worker").code == 0
    said = lab.labctl("shell", text=NOTES_7)
    assert said.code == 0, said
    assert lab.labctl("step", "0-7", "--verify", "--node", "all").code == 0


def test_the_commands_of_every_step_piped_into_the_shell(lab: LabUnderTest) -> None:
    for node in ("master", "worker"):
        script = lab.labctl("step", "0-6", "--commands", "--node", node)
        assert lab.labctl("shell", text=script.out).code == 0
        assert lab.labctl("step", "0-6", "--verify", "--node", node).code == 0
    script = lab.labctl("step", f"7-{STEPS[-1]}", "--commands", "--node", "all")
    assert lab.labctl("shell", text=script.out).code == 0
    assert lab.labctl("step", "all", "--verify", "--node", "all").code == 0


def test_a_script_is_read_whole_and_ends_with_its_own_exit_code(lab: LabUnderTest) -> None:
    said = lab.labctl("shell", text="cat\nwc -c\necho $((40+2))\nexit 9\n")
    assert (said.code, said.out.split()) == (9, ["0", "42"])
    assert said.err == ""
    said = lab.labctl("shell", text="echo one\nfalse\necho two\n")
    assert (said.code, said.out) == (1, "one\n")


@pytest.mark.parametrize(
    ("script", "line", "command"),
    [
        ("true\n(exit 3)\ntrue\n", 2, "( exit 3 )"),
        ("if false; then true; fi\nfalse || true\ncat < /dev/null | grep x\n", 3, "grep x"),
        ("bash -c 'true; false'\n", 1, "bash -c 'true; false'"),
        ("f=1\ncat > /nowhere/x << 'END'\none\ntwo\nEND\n", 2, "cat > /nowhere/x"),
    ],
)
def test_a_script_that_stops_says_where(lab: LabUnderTest, script: str, line: int, command: str) -> None:
    said = lab.labctl("shell", text=script)
    assert said.code != 0
    assert said.err.splitlines()[-1].startswith(f"stopped at line {line}: {command}")
    assert said.err.count("stopped at") == 1
    assert "stopped" not in lab.labctl("shell", text=f"set +e\n{script}true\n").err


def test_a_script_longer_than_one_argument_may_be(lab: LabUnderTest) -> None:
    line = "# " + "x" * 98 + "\n"
    script = "echo begin\n" + line * 2000 + "hostname\nread word || echo empty\nexit 3\n"
    said = lab.labctl("shell", "worker", text=script)
    assert (said.code, said.out.split()) == (3, ["begin", "worker", "empty"])


def test_where_a_shell_stands(lab: LabUnderTest) -> None:
    script = "hostname; ls /sys/class/net; echo $CNI_CONTAINERID; test -e $CNI_NETNS && readlink $CNI_NETNS\n"
    on_node = lab.labctl("shell", text=script).out.split()
    assert on_node[0] == "master"
    assert "eth0" in on_node
    assert "a" in on_node
    script = "readlink $CNI_NETNS /proc/self/ns/net; echo $CNI_CONTAINERID"
    inside = lab.labctl("shell", "master/b", text=script).out.split()
    assert inside[0] == inside[1]
    assert inside[2] == "b"
    for place in ("internet", "vpc"):
        assert lab.labctl("shell", place, text="hostname").out.strip() == place


def test_a_container_that_a_runtime_made_can_be_entered(lab: LabUnderTest) -> None:
    own = "/etc/netns/my-pod"
    assert lab.type("master", f"ip netns add my-pod; mkdir -p {own}; echo own >{own}/hosts").code == 0
    ask = 'echo $LABCTL_PLACE; cat /etc/hosts; test /proc/self/ns/net -ef "$CNI_NETNS" && ip -br link | cut -d " " -f 1'
    for said in (
        lab.labctl("exec", "master/my-pod", "--", "sh", "-c", ask),
        lab.labctl("shell", "master/my-pod", text=ask),
    ):
        assert (said.code, said.out) == (0, "master/my-pod\nown\nlo\n"), said
    for wrong in ("master/nobody", "master/../my-pod"):
        said = lab.labctl("exec", wrong, "--", "true")
        assert said.code == 2
        assert said.err.endswith("hint: its containers are: a, b; made by a runtime: my-pod\n")
    # On the other node nobody of that name is.
    assert lab.labctl("exec", "worker/my-pod", "--", "true").code == 2
    assert lab.labctl("exec", "nowhere", "--", "true").err.endswith(
        "hint: the nodes are: master, worker; beside them: internet, vpc\n"
    )


def test_an_unknown_place_makes_no_world(home: Path) -> None:
    for line in ("shell nobody", "shell master/z", "shell master/", "exec nobody ls", "exec vpc/a ls"):
        said = run_labctl(home, *line.split())
        assert said.code == 2, said
        assert said.err.startswith("error: ")
        assert "\nhint: " in said.err
    assert not home.exists()


def test_without_a_world_one_is_made_and_that_is_said_in_one_line(home: Path) -> None:
    try:
        said = run_labctl(home, "exec", "worker", "--", "hostname")
        assert (said.code, said.out) == (0, "worker\n")
        assert said.err.splitlines() == ["made the lab's world (labctl down takes it away)"]
        assert run_labctl(home, "exec", "worker", "--", "hostname").err == ""
    finally:
        run_labctl(home, "down")


def test_exec_hands_through_input_output_and_exit_code(lab: LabUnderTest) -> None:
    said = lab.labctl("exec", "master/a", "--", "sh", "-c", "cat; echo err >&2; exit 7", text="in\n")
    assert (said.code, said.out, said.err) == (7, "in\n", "err\n")
    assert lab.labctl("exec", "master", "--", "no-such-command").code == 127
    assert lab.labctl("exec", "master", "--", "/etc/passwd").code == 126
    assert lab.labctl("exec", "master", "--", "sh", "-c", "kill -9 $$").code == 137


def test_exec_in_a_world_that_is_half_dead_says_125(lab: LabUnderTest) -> None:
    keeper = dict(lab.world.record.keepers)["worker/c"]
    os.kill(keeper.outside, signal.SIGKILL)
    said = lab.labctl("exec", "worker/c", "--", "true")
    assert said.code == 125
    assert "labctl reset" in said.err


def _start(lab: LabUnderTest, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (*labctl_command(), *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABCTL_HOME": str(lab.home)},
    )


def test_a_signal_to_exec_ends_the_command(lab: LabUnderTest) -> None:
    with _start(lab, "exec", "master", "--", "sh", "-c", "echo begun; exec sleep infinity") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.terminate()
        # The end of the pipe: the command itself is gone, not only labctl.
        assert running.stdout.read() == ""
        assert running.wait() == 128 + signal.SIGTERM


def test_a_command_may_take_the_signal_its_own_way(lab: LabUnderTest) -> None:
    script = "trap 'echo caught; exit 5' TERM; echo begun; while :; do read -t 1 _ < /dev/zero || :; done"
    with _start(lab, "exec", "master", "--", "bash", "-c", script) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        running.terminate()
        assert running.stdout.read() == "caught\n"
        assert running.wait() == 5


def test_a_shell_on_a_terminal(lab: LabUnderTest) -> None:
    with Terminal(lab.home, "shell") as terminal:
        greeting = terminal.read_until("root@master:")
        assert "nothing here can break your machine" in greeting
        terminal.type("echo name=$CNI_CONTAINERID; test -e $CNI_NETNS && echo th''ere\n")
        shown = terminal.read_until("there\r\n")
        assert "name=a" in shown
        # Said by the very process that Ctrl-C is meant for: it has the terminal by then.
        terminal.type("sh -c 'echo beg\"\"un; exec sleep infinity'\n")
        terminal.read_until("begun\r\n")
        terminal.type("\x03")
        terminal.read_until("root@master:")
        terminal.type("echo af''ter $?\n")
        terminal.read_until("after 130\r\n")
        terminal.type("exit 7\n")
        terminal.read_rest()
        assert terminal.process.wait() == 7
    # Ctrl-C reached the command, and nothing of the lab.
    assert lab.labctl("exec", "master/a", "--", "true").code == 0
    assert lab.session.sandbox.missing_keepers(lab.world) == ()


@pytest.mark.parametrize("arguments", [("down",), ("reset",)], ids=" ".join)
def test_a_shell_whose_world_goes_says_so_and_gives_the_terminal_back(
    lab: LabUnderTest, arguments: tuple[str, ...]
) -> None:
    with Terminal(lab.home, "shell") as terminal:
        # A shell that shows its prompt has switched the echo off (readline(3)).
        terminal.read_until("root@master:")
        assert not terminal.echoes()
        assert lab.labctl(*arguments).code in (0, 1)
        said = terminal.read_rest().splitlines()[-1]
        assert said.startswith("the lab's world is gone: it was taken down, or reset, while this ran in it; `")
        assert terminal.process.wait() == 137
        assert terminal.echoes()


def test_a_command_that_is_killed_in_a_world_that_stands_ends_without_a_word(lab: LabUnderTest) -> None:
    said = lab.labctl("exec", "master", "--", "sh", "-c", "kill -9 $$")
    assert (said.code, said.out, said.err) == (137, "", "")


def test_a_command_whose_world_goes_says_so(lab: LabUnderTest) -> None:
    argv = (*labctl_command(), "exec", "master", "--", "sh", "-c", "echo here; exec sleep infinity")
    environment = {**os.environ, "LABCTL_HOME": str(lab.home)}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env=environment) as running:
        assert running.stdout
        assert running.stderr
        assert running.stdout.readline() == "here\n"
        assert lab.labctl("down").code == 0
        assert running.stderr.read().startswith("the lab's world is gone: ")
        assert running.wait() == 137


def test_labctl_works_inside_its_own_shell(lab: LabUnderTest) -> None:
    script = "labctl step 0 --apply > /dev/null\nlabctl exec master -- hostname\nlabctl status || :\nlabctl down\n"
    said = lab.labctl("shell", "worker", text=script)
    assert "master" in said.out
    assert said.code == 2
    assert "belongs outside" in said.err
    assert lab.labctl("step", "0", "--verify", "--node", "worker").code == 0
