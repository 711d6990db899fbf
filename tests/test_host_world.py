"""The life of a host world: who may, which node it is, what it sets and puts back, two at once, a reboot."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from labctl.world.topology import DEFAULT
from tests.host_under_test import HOME
from tests.lab_under_test import labctl_command

if TYPE_CHECKING:
    from tests.host_under_test import HostUnderTest

pytestmark = [pytest.mark.machine, pytest.mark.anybody]


def test_who_is_not_root_is_told_the_line_to_type(kept: HostUnderTest) -> None:
    for words in (("up",), ("status",), ("step", "0", "--apply"), ("reset",), ("down",)):
        said = kept.labctl(*words, code=5, nobody=True)
        assert "needs root" in said.err
        assert f"hint: sudo labctl --world host {' '.join(words)}" in said.err
    # What is only read needs nothing.
    assert "sudo brctl addbr cni0" in kept.labctl("step", "0", "--commands", nobody=True).out


def test_the_words_of_the_host_world(kept: HostUnderTest) -> None:
    up = kept.labctl("up")
    assert up.out == "this machine is master (10.128.0.2), with containers a, b\n"
    assert "stands already" in kept.labctl("up").err
    world = json.loads(kept.labctl("up", "--json").out)["world"]
    assert (world["kind"], world["nodes"]) == ("host", ["master"])
    # Hints go on with the world that was named on the command line.
    assert "labctl --world host step 0" in kept.labctl("--world", "host", "status", code=1).out
    assert kept.labctl("exec", "master/a", "--", "ip", "-br", "link").out.split()[0] == "lo"
    assert "worker is another machine" in kept.labctl("exec", "worker", "--", "true", code=2).err
    assert "there is no node 'vpc'" in kept.labctl("exec", "vpc", "--", "true", code=2).err
    shown = kept.labctl("step", "0", "--apply", "--dry-run").out
    assert "sudo brctl addbr cni0" in shown
    assert "# step 0 on master" in shown
    assert kept.labctl("step", "0", "--verify", code=1)
    assert kept.labctl("down").out == "the lab is gone from this machine\n"
    assert kept.labctl("down").out == "there was no lab on this machine\n"


def test_a_machine_that_is_not_in_the_plan_is_told_so(kept: HostUnderTest) -> None:
    kept.type(f"sed 's/10.128.0.2/10.128.0.9/; s/master/other/' '{DEFAULT}' >/root/plan.toml")
    said = kept.labctl("up", "--topology", "/root/plan.toml", code=2)
    assert "is none of the topology's nodes: other (10.128.0.9), worker (10.128.0.3)" in said.err
    assert "labctl up --as NAME" in said.err
    said = kept.labctl("up", "--topology", "/root/plan.toml", "--as", "other")
    assert "10.128.0.9, the address of other, is not one of this machine's" in said.err
    assert "another kind stands already" in kept.labctl("up", "--as", "worker", code=2).err


def test_old_values_come_back(kept: HostUnderTest) -> None:
    kept.type(
        "cd /proc/sys/net/ipv4; echo 0 >conf/all/accept_redirects; echo 0 >ip_forward; echo 1 >conf/docker0/forwarding;"
        "echo 0 >conf/all/accept_redirects; echo 0 >../bridge/bridge-nf-call-iptables; iptables -P FORWARD ACCEPT"
    )
    try:
        before = kept.state()
        up = kept.labctl("up")
        assert "net.ipv4.ip_forward is 1 now (it was 0); labctl down puts it back" in up.err
        assert "policy of FORWARD is DROP now (it was ACCEPT)" in up.err
        assert kept.labctl("step", "0-5", "--apply").code == 0
        kept.labctl("step", "5", "--undo")
        assert kept.type("iptables -S FORWARD | head -1").out == "-P FORWARD DROP\n"
        down = kept.labctl("down")
        assert "net.bridge.bridge-nf-call-iptables is 0 again (it was 1)" in down.err
        assert kept.state() == before
    finally:
        kept.type(
            "iptables -P FORWARD DROP; cd /proc/sys/net;echo 1 >ipv4/ip_forward; echo 1 >bridge/bridge-nf-call-iptables"
        )


def test_what_iptables_cannot_read_is_not_touched(kept: HostUnderTest) -> None:
    look = "nft -s list ruleset; ip -br link; ls -R /opt /var/lib/cni /run"
    kept.type("nft 'add rule ip filter INPUT ct state new accept'")
    try:
        if "is incompatible" not in kept.type("iptables-save").out:
            pytest.skip("this iptables reads what nft made")
        before = kept.type(look).out
        said = kept.labctl("up", code=5)
        assert "the table filter holds what nft put there and iptables cannot read" in said.err
        assert kept.type(look).out == before
    finally:
        kept.type(
            "nft -a list chain ip filter INPUT | sed -n 's/.*new accept # \\(handle [0-9]*\\)/\\1/p' >/root/handle"
        )
        kept.type("nft delete rule ip filter INPUT $(cat /root/handle)")


def test_two_at_once_make_one_lab(kept: HostUnderTest) -> None:
    def both() -> list[tuple[int, str]]:
        argv = ("env", f"LABCTL_HOME={HOME}", *labctl_command(), "step", "0", "--apply")
        started = [
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(3)
        ]
        return [(each.returncode, out) for each in started for out, _ in [each.communicate()]]

    ended = kept.call(both)
    assert [code for code, _ in ended] == [0, 0, 0], ended
    assert sum("made the lab's world" in out for _, out in ended) == 1, ended
    assert sum("bridge:master/cni0: made" in out for _, out in ended) == 1, ended


def test_another_home_is_told_whose_lab_stands(kept: HostUnderTest) -> None:
    kept.labctl("up")
    kept.home = HOME.with_name("another")
    try:
        said = kept.labctl("up", code=4)
        assert f"the lab of LABCTL_HOME={HOME} stands on this machine" in said.err
        kept.labctl("down")
    finally:
        kept.type(f"rm -rf {kept.home}")
        kept.home = HOME


# What a reboot does: processes, links, rules and memory file systems go, and others' things come again.
_REBOOT = """\
kill -9 {pid}
ip link del cni0
iptables -D FORWARD -s 10.244.0.0/16 -j ACCEPT
iptables -D FORWARD -d 10.244.0.0/16 -j ACCEPT
rm -rf /run/labctl /run/netns
echo another >/run/boot
mount --bind /run/boot /proc/sys/kernel/random/boot_id
"""


def test_after_a_reboot_status_says_what_it_took_and_reset_rebuilds(kept: HostUnderTest) -> None:
    pid = json.loads(kept.labctl("up", "--json").out)["world"]["pid"]
    kept.labctl("step", "0-5", "--apply")
    kept.type(_REBOOT.format(pid=pid))
    try:
        # Typed before labctl hears of the reboot: the course's own all the same.
        kept.type(
            "ip link add cni0 type bridge; iptables -A FORWARD -s 10.244.0.0/16 -j ACCEPT;"
            "ip link add docker7 type bridge;"
            "iptables-legacy -A FORWARD -s 10.244.0.0/16 -j ACCEPT;"
            "nft 'add table inet mine; add chain inet mine out; add rule inet mine out oifname cni0 drop'"
        )
        said = kept.labctl("status", code=1)
        assert "taken by the reboot: the containers a, b, the bridge cni0" in said.out
        assert "still there: /var/lib/cni/networks/k8s, /var/lib/cni/results/k8s-a-eth0" in said.out
        assert "steps done before: 0-5 on master" in said.out
        assert "next: labctl reset --to 5" in said.out
        done = kept.labctl("reset", "--to", "5")
        assert "docker7" not in done.err
        assert "taken away: the nft table inet mine" in done.err
        assert "taken away: the rule -A FORWARD -s 10.244.0.0/16 -j ACCEPT (filter of iptables-legacy)" in done.err
        kept.labctl("step", "5", "--verify")
        kept.labctl("down")
        assert "docker7" in kept.type("ip -br link").out
    finally:
        kept.type("umount /proc/sys/kernel/random/boot_id; rm /run/boot; ip link del docker7; rm /run/xtables.lock")


def test_killed_containers_come_back_with_what_was_there_before_still_known(kept: HostUnderTest) -> None:
    pid = json.loads(kept.labctl("up", "--json").out)["world"]["pid"]
    kept.labctl("step", "0-6", "--apply")
    kept.type(f"kill -9 {pid}")
    said = kept.labctl("status", code=1)
    assert "taken: the containers a, b" in said.out
    # The bridge that is left over from before is the lab's, not the machine's.
    done = kept.labctl("reset", "--to", "0")
    assert "taken away: the interface cni0" in done.err
    kept.labctl("step", "0", "--verify")


def test_a_link_that_is_renamed_is_still_whose_it_was(kept: HostUnderTest) -> None:
    kept.labctl("up")
    kept.labctl("step", "0-3", "--apply")
    kept.type(
        "ip link set cni0 down; ip link set cni0 name mine; ip link set docker0 down; ip link set docker0 name cni0"
    )
    try:
        said = kept.labctl("step", "0", "--apply", code=4)
        assert "cni0 was there before `labctl up`" in said.err
        done = kept.labctl("reset")
        assert "taken away: the interface mine" in done.err
    finally:
        kept.type(
            "ip link set cni0 name docker0; ip link set docker0 up;"
            "ip addr replace 172.17.0.1/16 brd 172.17.255.255 dev docker0"
        )


def test_a_baseline_that_cannot_be_read_stops_everything(kept: HostUnderTest) -> None:
    kept.labctl("up")
    kept.type(f"cp {HOME}/baseline.json /root/good; echo '{{}}' >{HOME}/baseline.json")
    before = kept.state()
    for words in (("step", "0", "--apply"), ("reset",), ("down",)):
        assert "baseline.json cannot be read" in kept.labctl(*words, code=5).err
    assert kept.state() == before
    kept.type(f"rm {HOME}/baseline.json")
    assert "baseline.json is gone" in kept.labctl("step", "0", "--apply", code=5).err
    kept.type(f"mv /root/good {HOME}/baseline.json")


def test_without_an_internet_the_question_stays_open(kept: HostUnderTest) -> None:
    kept.type(
        f"sed /^internet/d '{DEFAULT}' >/root/plan.toml; sed s/203.0.113.10/198.51.100.9/ '{DEFAULT}' >/root/far.toml"
    )
    kept.labctl("up", "--topology", "/root/far.toml")
    done = kept.labctl("step", "0-6", "--apply")
    assert "nor has this machine itself an answer from 198.51.100.9" in " ".join(done.out.split())
    assert "unknown" in done.out
    kept.labctl("step", "6", "--verify", code=6)
    # As with `--apply`: all of it is there.
    assert "warning: step 6 on master cannot be verified" in kept.labctl("reset", "--to", "6").err
    kept.labctl("down")
    # The file may leave it out.
    kept.labctl("up", "--topology", "/root/plan.toml")
