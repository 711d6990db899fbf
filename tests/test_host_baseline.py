"""The pure parts of the host world: what is new in a table, whose something looks, which node this is, the file."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import UsageError
from labctl.model.baseline import Baseline, from_json, to_json
from labctl.model.values import Address, Link, Route, Rule, Ruleset
from labctl.world.host.choice import choose
from labctl.world.host.owners import whose
from labctl.world.topology import localise, read_lab, spread

LAB = read_lab(spread(None, None))
_RULES = st.lists(
    st.sampled_from([Rule(chain, (word,)) for chain in ("FORWARD", "MINE") for word in "abc"]), max_size=8
)


@settings(max_examples=300)
@given(_RULES, _RULES, st.data())
def test_rules_that_were_there_are_never_taken_for_new_ones(
    old: list[Rule], new: list[Rule], data: st.DataObject
) -> None:
    """However rules are put among the old ones: as many of each are told to be new as have come."""
    now = list(old)
    for rule in new:
        now.insert(data.draw(st.integers(0, len(now))), rule)
    baseline = Baseline("boot", tables=(("filter", Ruleset((), tuple(old))),))
    found = [now[at] for at in baseline.new_rules("filter", Ruleset((), tuple(now)))]
    assert sorted(found, key=repr) == sorted(new, key=repr)
    left = [rule for at, rule in enumerate(now) if at not in baseline.new_rules("filter", Ruleset((), tuple(now)))]
    assert [[each for each in left if each.chain == chain] for chain in ("FORWARD", "MINE")] == [
        [each for each in old if each.chain == chain] for chain in ("FORWARD", "MINE")
    ]


@settings(max_examples=300)
@given(_RULES, _RULES)
def test_never_more_rules_are_new_than_there_are_more_of(old: list[Rule], now: list[Rule]) -> None:
    """Somebody may have taken old rules away, or moved them."""
    baseline = Baseline("boot", tables=(("filter", Ruleset((), tuple(old))),))
    found = [now[at] for at in baseline.new_rules("filter", Ruleset((), tuple(now)))]
    for rule in {*old, *now}:
        assert found.count(rule) == max(0, now.count(rule) - old.count(rule))


def test_the_file_gives_back_what_was_written() -> None:
    baseline = Baseline(
        "boot",
        (Link(2, "eth0", "", up=True, mac="02:00:00:00:00:01"),),
        (Address("eth0", "10.128.0.2/32"),),
        (Route("default", via="10.128.0.1", device="eth0"),),
        (("filter", Ruleset((("FORWARD", "DROP"), ("X", "-")), (Rule("X", ("-j", "ACCEPT")),))),),
        (("/proc/sys/net/ipv4/ip_forward", "0"),),
        (("/etc/cni/net.d", "folder"),),
        ("route",),
    )
    assert from_json(json.loads(json.dumps(to_json(baseline)))) == baseline


def test_a_path_is_the_same_by_either_name_of_run() -> None:
    baseline = Baseline("boot", files=(("/run/netns/a", "link"),))
    assert baseline.kind_of("/var/run/netns/a") == baseline.kind_of("/run/netns/a") == "link"
    assert baseline.kind_of("/run/netns/b") == ""


@pytest.mark.parametrize(
    ("words", "owner"),
    [
        (("FORWARD", "-o", "docker0"), "Docker's"),
        (("br-0123456789ab",), "Docker's"),
        (("LIBVIRT_FWI",), "libvirt's"),
        (("virbr0",), "libvirt's"),
        (("cni-podman0",), "podman's"),
        (("KUBE-SERVICES",), "the kubelet's or kube-proxy's"),
        (("FORWARD", "-m", "comment", "--comment", "flanneld forward"), "flannel's"),
        (("cali0123abc",), "Calico's"),
        (("ufw-before-input",), "ufw's"),
        (("cni0",), ""),
        (("eth0",), ""),
    ],
)
def test_whose_something_looks(words: tuple[str, ...], owner: str) -> None:
    assert whose(words, Baseline("boot")) == owner


def test_the_bridge_of_a_plug_in_is_told_by_what_else_is_there() -> None:
    with_flannel = Baseline("boot", links=(Link(3, "flannel.1", "vxlan", up=True, mac=""),))
    assert whose(("cni0", "bridge"), with_flannel) == "flannel's"
    assert whose(("docker0",), with_flannel) == "Docker's"


@pytest.mark.parametrize(
    ("name", "addresses", "asked", "node"),
    [
        ("anything", ("127.0.0.1", "10.128.0.3"), "", "worker"),
        ("worker", ("192.168.1.5",), "", "worker"),
        ("worker.c.project.internal", (), "", "worker"),
        # An address says more than a name, and what was asked more than both.
        ("worker", ("10.128.0.2",), "", "master"),
        ("worker", ("10.128.0.3",), "master", "master"),
        ("other", ("192.168.1.5",), "", None),
        ("worker", (), "nobody", None),
    ],
)
def test_which_node_this_machine_is(name: str, addresses: tuple[str, ...], asked: str, node: str | None) -> None:
    if node is None:
        with pytest.raises(UsageError):
            choose(LAB, name, addresses, asked)
    else:
        assert choose(LAB, name, addresses, asked).name == node


def test_a_lab_seen_from_one_node_knows_the_others_as_machines() -> None:
    lab = localise(LAB, "worker", "static")
    assert [each.name for each in lab.nodes] == ["worker"]
    assert [each.name for each in lab.cluster] == ["master", "worker"]
    # The container that a runtime makes is called alike, wherever one looks from.
    assert lab.guest(lab.nodes[0]).name == LAB.guest(LAB.node("worker")).name
    assert lab.is_beyond("10.244.0.7")
    assert lab.is_beyond(str(lab.internet))
    assert not lab.is_beyond("10.244.1.7")
    assert not LAB.is_beyond("10.244.0.7")
    with pytest.raises(UsageError, match="master is another machine"):
        lab.node("master")
