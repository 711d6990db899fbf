"""The laws of a resource, for `IptablesRule` over any table of rules; and how it spells itself."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.errors import KernelRefused, ToolMissing
from labctl.model.iptables_save import parse_save, render_save
from labctl.model.resource import Absent, Present, Resource, Unknown
from labctl.model.shell import render_script
from labctl.model.values import Rule, Ruleset
from labctl.resources.iptables import IptablesRule
from tests.iptables_memory import MemoryFirewall, OnlyFirewall
from tests.iptables_rules import FROM, NAT, PODS, TO, WANTED, firewalls

# Nothing here is about time, and a busy machine is no failure.
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CASES = st.sampled_from(WANTED).flatmap(lambda wanted: st.tuples(st.just(wanted), firewalls(wanted.table)))


@PATIENTLY
@given(CASES)
def test_apply_makes_it_present_and_a_second_apply_changes_nothing(case: tuple[IptablesRule, MemoryFirewall]) -> None:
    wanted, firewall = case
    kernel = OnlyFirewall(firewall).kernel
    wanted.apply(kernel)
    seen = wanted.observe(kernel)
    assert isinstance(seen, Present)
    assert seen.drift == ()
    changes = firewall.changes
    wanted.apply(kernel)
    assert firewall.changes == changes


@PATIENTLY
@given(CASES)
def test_revert_makes_it_absent_and_a_second_revert_changes_nothing(case: tuple[IptablesRule, MemoryFirewall]) -> None:
    wanted, firewall = case
    kernel = OnlyFirewall(firewall).kernel
    wanted.revert(kernel)
    assert isinstance(wanted.observe(kernel), Absent)
    changes = firewall.changes
    wanted.revert(kernel)
    assert firewall.changes == changes


@PATIENTLY
@given(CASES)
def test_apply_then_revert_gives_a_table_without_it_back(case: tuple[IptablesRule, MemoryFirewall]) -> None:
    wanted, firewall = case
    kernel = OnlyFirewall(firewall).kernel
    wanted.revert(kernel)
    before = firewall.save()
    wanted.apply(kernel)
    wanted.revert(kernel)
    assert firewall.save() == before


@PATIENTLY
@given(CASES)
def test_apply_changes_something_exactly_where_looking_said_so(case: tuple[IptablesRule, MemoryFirewall]) -> None:
    wanted, firewall = case
    kernel = OnlyFirewall(firewall).kernel
    seen, changes = wanted.observe(kernel), firewall.changes
    wanted.apply(kernel)
    right = isinstance(seen, Present) and not seen.drift
    assert right == (firewall.changes == changes)


@PATIENTLY
@given(CASES)
def test_absent_means_that_there_is_nothing_to_revert(case: tuple[IptablesRule, MemoryFirewall]) -> None:
    wanted, firewall = case
    kernel = OnlyFirewall(firewall).kernel
    seen, changes = wanted.observe(kernel), firewall.changes
    wanted.revert(kernel)
    assert isinstance(seen, Absent) == (firewall.changes == changes)


@pytest.mark.parametrize("before", [[], ["-p icmp -j ACCEPT", "-i docker0 ! -o docker0 -j ACCEPT"], ["-j DROP"]])
@pytest.mark.parametrize(("undone", "left"), [(FROM, TO), (TO, FROM)])
def test_undoing_one_direction_leaves_the_other(undone: IptablesRule, left: IptablesRule, before: list[str]) -> None:
    firewall = MemoryFirewall()
    firewall.set_policy("FORWARD", "DROP")
    for rule in before:
        firewall.append("filter", "FORWARD", rule.split())
    kernel = OnlyFirewall(firewall).kernel
    FROM.apply(kernel)
    TO.apply(kernel)
    undone.revert(kernel)
    assert left.observe(kernel) == Present()
    assert isinstance(undone.observe(kernel), Absent)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1)


@PATIENTLY
@given(st.lists(WORDS))
def test_what_is_spelled_is_read_back(words: list[str]) -> None:
    tables = {"filter": Ruleset((("FORWARD", "DROP"),), (Rule("FORWARD", tuple(words)),))}
    assert parse_save(render_save(tables)) == tables


def test_a_chain_of_chains_that_cannot_be_told_is_unknown() -> None:
    firewall = MemoryFirewall()
    for first in range(80):
        for second in range(80):
            words = ("-s", f"10.244.{first}.0/24", "-d", f"10.{second}.0.0/16", "-p", "tcp", "-o", f"link{first}")
            firewall.rules["filter"].append(Rule("FORWARD", (*words, "-j", "ACCEPT")))
    seen = FROM.observe(OnlyFirewall(firewall).kernel)
    assert isinstance(seen, Unknown)
    assert "too many pieces" in seen.why


class Refusing(MemoryFirewall):
    def table(self, name: str) -> Ruleset:
        raise ToolMissing(f"iptables-save is not installed ({name})", "sudo apt install iptables")


class HalfBlind(MemoryFirewall):
    def other_backend(self) -> str:
        raise KernelRefused("iptables-legacy-save: Permission denied")


def test_what_cannot_be_looked_at_is_unknown_with_the_hint() -> None:
    seen = FROM.observe(OnlyFirewall(Refusing()).kernel)
    assert seen == Unknown("iptables-save is not installed (filter)", "sudo apt install iptables")
    with pytest.raises(ToolMissing):
        FROM.apply(OnlyFirewall(Refusing()).kernel)


def test_an_aside_about_the_other_backend_never_hides_the_answer() -> None:
    assert isinstance(TO.observe(OnlyFirewall(HalfBlind()).kernel), Present)  # the policy is ACCEPT: drifted


@pytest.mark.parametrize(
    ("name", "mine", "rule", "expected"),
    [
        ("iptables-legacy", "nft", f"-s {PODS} -j ACCEPT", "iptables-legacy holds one, but iptables here is the nft"),
        ("iptables-nft", "legacy", "-j ACCEPT", "iptables-nft holds one, but iptables here is the legacy"),
        ("iptables-legacy", "nft", f"-d {PODS} -j ACCEPT", ""),
        ("iptables-legacy", "nft", f"-s {PODS} -p tcp -j ACCEPT", ""),
    ],
)
def test_absent_says_when_the_other_backend_has_it(name: str, mine: str, rule: str, expected: str) -> None:
    firewall = MemoryFirewall(elsewhere=f"# {name}\n*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD {rule}\nCOMMIT\n")
    firewall.set_policy("FORWARD", "DROP")
    seen = FROM.observe(OnlyFirewall(firewall).kernel)
    assert isinstance(seen, Absent)
    assert expected in seen.why
    assert (mine in seen.why) == bool(expected)


def test_present_says_when_the_other_backend_may_drop_it() -> None:
    firewall = MemoryFirewall(elsewhere="# iptables-legacy\n*filter\n:FORWARD DROP [0:0]\nCOMMIT\n")
    firewall.set_policy("FORWARD", "DROP")
    FROM.apply(OnlyFirewall(firewall).kernel)
    seen = FROM.observe(OnlyFirewall(firewall).kernel)
    assert isinstance(seen, Present)
    assert seen.drift == ()
    assert "iptables-legacy may drop it all the same" in seen.note


def test_the_keys_and_commands_are_the_notes_own() -> None:
    wanted = IptablesRule("master", "filter", "FORWARD", ("-s", PODS), "ACCEPT", comment="accept what pods send")
    assert isinstance(wanted, Resource)
    assert wanted.key == "iptables:master/filter/FORWARD/-s 10.244.0.0/16"
    assert NAT.key == "iptables:master/nat/POSTROUTING/-s 10.244.0.0/24 ! -o cni0"
    assert render_script(wanted.shell("notes").do) == (
        "# accept what pods send\nsudo iptables -t filter -A FORWARD -s 10.244.0.0/16 -j ACCEPT\n"
    )
    assert render_script(NAT.shell("iproute2").do) == (
        "sudo iptables -t nat -A POSTROUTING -s 10.244.0.0/24 '!' -o cni0 -j MASQUERADE\n"
    )
    assert "-D POSTROUTING -s 10.244.0.0/24" in render_script(NAT.shell("notes").undo)
    assert "iptables -t nat -S POSTROUTING" in render_script(NAT.shell("iproute2").look)
