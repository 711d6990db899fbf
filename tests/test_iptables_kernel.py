"""`IptablesFirewall` and `IptablesRule` against the real iptables, both backends, in throw-away namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from labctl.errors import KernelRefused, ToolMissing
from labctl.kernel.firewall import IptablesFirewall
from labctl.model.iptables_save import parse_save, render_save
from labctl.model.resource import Absent, Present, Unknown
from labctl.model.shell import DIALECTS, Dialect, render_script
from labctl.model.values import Completed, Rule, Ruleset
from tests.iptables_namespace import Namespace
from tests.iptables_rules import FROM, MINE, NAT, PODS, TO, WANTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labctl.model.ports import Kernel, Programs
    from labctl.resources.iptables import IptablesRule

pytestmark = [pytest.mark.machine, pytest.mark.anybody]

BACKENDS = ("nft", "legacy")
LEGACY_TABLES = "cat /proc/net/ip_tables_names 2>/dev/null || true"


@dataclass(frozen=True)
class Real:
    """The part of the port `Kernel` that the resource asks, with a real packet filter."""

    namespace: Programs

    def firewall(self, node: str) -> IptablesFirewall:
        assert node == "master"
        return IptablesFirewall(self.namespace)

    @property
    def kernel(self) -> Kernel:
        return cast("Kernel", self)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def namespace(backend: str) -> Iterator[Namespace]:
    with Namespace(backend) as namespace:
        yield namespace


def saved(namespace: Namespace) -> str:
    return render_save(parse_save(namespace.must("iptables-save")))


def test_looking_writes_nothing(namespace: Namespace) -> None:
    firewall = IptablesFirewall(namespace)
    assert firewall.table("filter") == firewall.table("nat") == Ruleset()
    assert firewall.table("filter").policy("FORWARD") == "ACCEPT"
    assert firewall.other_backend() == ""
    assert namespace.must("nft list ruleset") == ""
    assert namespace.must(LEGACY_TABLES) == ""


def test_what_is_changed_is_read(namespace: Namespace) -> None:
    firewall = IptablesFirewall(namespace)
    words = ("-s", "10.244.0.2", "-m", "comment", "--comment", 'the pods\' "own" \\ rule\nsecond line', "-j", "ACCEPT")
    kept = ("-s", "10.244.0.2/32", *words[2:])
    firewall.append("filter", "FORWARD", words)
    firewall.insert("filter", "FORWARD", ("-j", "DROP"))
    firewall.set_policy("FORWARD", "DROP")
    table = firewall.table("filter")
    assert table.of("FORWARD") == (Rule("FORWARD", ("-j", "DROP")), Rule("FORWARD", kept))
    assert table.policy("FORWARD") == "DROP"
    for _ in range(2):  # gone already is success
        firewall.delete("filter", "FORWARD", kept)
        firewall.delete("filter", "FORWARD", ("-j", "DROP"))
    assert firewall.table("filter").rules == ()


def test_delete_takes_the_first_of_equal_rules_only(namespace: Namespace) -> None:
    firewall = IptablesFirewall(namespace)
    namespace.must("iptables -A FORWARD -j ACCEPT; iptables -A FORWARD -j DROP; iptables -A FORWARD -j ACCEPT")
    firewall.delete("filter", "FORWARD", ("-j", "ACCEPT"))
    assert [rule.words[-1] for rule in firewall.table("filter").rules] == ["DROP", "ACCEPT"]


def test_reading_is_remembered_until_told(namespace: Namespace) -> None:
    firewall = IptablesFirewall(namespace)
    assert firewall.table("filter").rules == ()
    namespace.must("iptables -A FORWARD -j ACCEPT; iptables -t nat -A POSTROUTING -j MASQUERADE")
    assert firewall.table("filter").rules == ()
    firewall.forget()
    assert len(firewall.table("filter").rules) == len(firewall.table("nat").rules) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-s", "10.244.0.0/99", "-j", "ACCEPT"), "invalid mask `99' specified"),
        (("-j", "NOWHERE"), "NOWHERE"),
        (("--frobnicate",), "unknown option"),
    ],
)
def test_a_refusal_is_in_the_words_of_iptables(namespace: Namespace, words: tuple[str, ...], said: str) -> None:
    firewall = IptablesFirewall(namespace)
    for change in (firewall.append, firewall.insert, firewall.delete):
        with pytest.raises(KernelRefused) as refused:
            change("filter", "FORWARD", words)
        assert said in refused.value.what
        assert "\n" not in refused.value.what
        assert "iptables -w 5 -t filter" in refused.value.hint


def test_unknown_chains_policies_and_tables_are_refused(namespace: Namespace) -> None:
    firewall = IptablesFirewall(namespace)
    with pytest.raises(KernelRefused, match="No chain/target/match by that name"):
        firewall.append("filter", "NOWHERE", ("-j", "ACCEPT"))
    with pytest.raises(KernelRefused, match="Bad policy name"):
        firewall.set_policy("FORWARD", "MAYBE")
    with pytest.raises(KernelRefused, match="nowhere"):
        firewall.append("nowhere", "FORWARD", ("-j", "ACCEPT"))
    with pytest.raises(KernelRefused, match="not intended for filtering"):  # below a first line that says nothing
        firewall.append("nat", "POSTROUTING", ("-j", "DROP"))


def test_without_permission_looking_is_unknown(namespace: Namespace) -> None:
    class Nobody:
        def run(self, argv: Sequence[str], text: str = "") -> Completed:
            return namespace.run(("setpriv", "--bounding-set", "-net_admin", *argv), text)

    namespace.must("iptables -P FORWARD DROP")  # legacy asks for no capability while there is no table
    seen = NAT.observe(Real(Nobody()).kernel)
    assert isinstance(seen, Unknown)
    assert "Permission denied" in seen.why
    assert seen.hint == "labctl doctor"


def test_without_iptables_looking_is_unknown(namespace: Namespace) -> None:
    namespace.must("rm /run/bin/iptables-save && ln -s /nowhere /run/bin/iptables-save")

    class Without:
        def run(self, argv: Sequence[str], text: str = "") -> Completed:
            return namespace.run((argv[0].replace("iptables", "/run/bin/iptables"), *argv[1:]), text)

    with pytest.raises(ToolMissing):
        IptablesFirewall(Without()).table("filter")
    assert isinstance(FROM.observe(Real(Without()).kernel), Unknown)


def test_a_table_that_iptables_cannot_read_is_unknown() -> None:
    with Namespace("nft") as namespace:
        namespace.must("iptables -P FORWARD DROP")
        namespace.must("nft 'add rule ip filter FORWARD ct state new accept'")
        if "is incompatible" not in namespace.must("iptables-save"):
            pytest.skip("this iptables reads what nft made")
        seen = FROM.observe(Real(namespace).kernel)
        assert isinstance(seen, Unknown)
        assert seen.hint == "nft list table ip filter"
        assert isinstance(NAT.observe(Real(namespace).kernel), Absent)


def test_the_other_backend_is_named_with_what_it_holds(namespace: Namespace, backend: str) -> None:
    other = {"nft": "legacy", "legacy": "nft"}[backend]
    namespace.must(f"iptables -P FORWARD DROP; iptables-{other} -A FORWARD -s {PODS} -j ACCEPT")
    firewall = IptablesFirewall(namespace)
    text = firewall.other_backend()
    assert text.splitlines()[0] == f"# iptables-{other}"
    assert text == firewall.other_backend() == IptablesFirewall(namespace).other_backend()
    assert parse_save(text)["filter"].rules == (Rule("FORWARD", ("-s", PODS, "-j", "ACCEPT")),)
    seen = FROM.observe(Real(namespace).kernel)
    assert isinstance(seen, Absent)
    assert f"iptables-{other} holds one, but iptables here is the {backend} backend" in seen.why
    assert TO.observe(Real(namespace).kernel) == Absent(f"no rule of FORWARD accepts -d {PODS}")


def test_an_empty_table_of_the_other_backend_is_nothing(namespace: Namespace, backend: str) -> None:
    other = {"nft": "legacy", "legacy": "nft"}[backend]
    namespace.must(f"iptables-{other} -A FORWARD -j ACCEPT; iptables-{other} -D FORWARD -j ACCEPT")
    assert IptablesFirewall(namespace).other_backend() == ""


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_printed_commands_do_what_apply_does(namespace: Namespace, wanted: IptablesRule, dialect: Dialect) -> None:
    kernel = Real(namespace).kernel
    namespace.must("iptables -P FORWARD DROP")
    before = saved(namespace)
    sudo = 'sudo() { "$@"; }\n'
    namespace.must(sudo + render_script(wanted.shell(dialect).do))
    typed = saved(namespace)
    assert wanted.observe(kernel) == Present()
    assert "-j" in namespace.must(sudo + render_script(wanted.shell(dialect).look))
    namespace.must(sudo + render_script(wanted.shell(dialect).undo))
    assert saved(namespace) == before
    wanted.apply(kernel)
    assert saved(namespace) == typed
    wanted.apply(kernel)
    assert saved(namespace) == typed
    for _ in range(2):
        wanted.revert(kernel)
        assert saved(namespace) == before


def test_revert_takes_all_that_counts_whoever_made_it(namespace: Namespace) -> None:
    kernel = Real(namespace).kernel
    namespace.must(f"""
        iptables -P FORWARD DROP; iptables -N PODS; iptables -A FORWARD -j PODS; iptables -A FORWARD -p icmp -j ACCEPT
        iptables -A INPUT -j ACCEPT; iptables -t nat -A POSTROUTING -d {MINE} -j RETURN""")
    before = saved(namespace)
    namespace.must(f"""
        iptables -A PODS -s {PODS} -m comment --comment "the pods' own" -j ACCEPT
        iptables -A FORWARD -s 10.0.0.0/8 -j ACCEPT; iptables -A FORWARD -s {PODS} -j ACCEPT
        iptables -A FORWARD -s {PODS} -j ACCEPT; iptables -A FORWARD -s {MINE} -p tcp --dport 80 -j ACCEPT
        iptables -A FORWARD -d 10.244.0.2,10.244.0.3 -j ACCEPT; iptables -A FORWARD -j ACCEPT
        iptables -t nat -A POSTROUTING -s {MINE} -j SNAT --to-source 10.128.0.2
        iptables -t nat -A POSTROUTING -s {MINE} ! -o cni0 -p tcp -j MASQUERADE --to-ports 2000-3000
        iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE --random; iptables -P FORWARD ACCEPT""")
    for wanted in (FROM, TO, NAT):
        wanted.revert(kernel)
        assert isinstance(wanted.observe(kernel), Absent)
    assert saved(namespace) == before
