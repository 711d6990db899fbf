"""Both families at once: a range of IPv4 and one of IPv6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.cni.conformance.check import Failed, NotApplicable, must, should
from labctl.cni.conformance.checks.add import pings
from labctl.cni.conformance.checks.result import entries

if TYPE_CHECKING:
    from labctl.cni.conformance.attachment import Attached
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check
    from labctl.cni.conformance.network import Network


def _network(bench: Bench, prefixes: tuple[int, int]) -> Network:
    """A network with a range of each family."""
    bench.standing()
    network = bench.other_network(prefixes[0], prefixes[1])
    # A new IPv6 address is none for a second or two, until nobody else on the link has claimed it (RFC 4862). Here
    # nobody can, and nobody should have to wait.
    bench.do("sysctl -qw net.ipv6.conf.default.accept_dad=0")
    return network


def _attach(bench: Bench, prefixes: tuple[int, int] = (24, 64)) -> Attached:
    attachment = bench.container(_network(bench, prefixes))
    bench.do(f"nsenter --net={attachment.netns} sysctl -qw net.ipv6.conf.default.accept_dad=0")
    answer = bench.call("ADD", attachment)
    attached = bench.keep(attachment, answer)
    if answer.code != 0:
        raise NotApplicable(f"the plug-in refuses a configuration with ranges of both families: {answer}")
    return attached


def _both(bench: Bench) -> Attached:
    """An attachment that stands, with an address of each family.

    Raises:
        NotApplicable: the plug-in refuses such a configuration, or gives an address of one family.
    """
    attached = bench.once("both families", lambda: _attach(bench))
    if _families(attached) != {4, 6}:
        raise NotApplicable("the plug-in gave no address of both families (see DUA-01)")
    return attached


def _families(attached: Attached) -> set[int]:
    return {6 if ":" in each else 4 for each in attached.addresses}


@should("DUA-01", "5 Success", "A configuration with a range of each family gets an address of each, or is refused.")
def _gives_both(bench: Bench) -> None:
    attached = bench.once("both families", lambda: _attach(bench))
    if _families(attached) != {4, 6}:
        raise Failed(f"ips has {', '.join(attached.addresses) or 'no address'}: {attached.answer}")


@must(
    "DUA-02", "5 Success", "The addresses of both families are on the interface, with the prefix lengths of the result."
)
def _has_both(bench: Bench) -> None:
    attached = _both(bench)
    found = bench.view(attached.attachment.netns).interface(attached.attachment.interface)
    has = found.addresses if found else ()
    for entry in entries(attached, "ips"):
        if str(entry.get("address")) not in has:
            raise Failed(f"eth0 has {', '.join(has) or 'no address'}, not {entry.get('address')}: {attached.answer}")


@must("DUA-03", "5 Success", "The routes of both families that the result lists are in the container.")
def _has_routes(bench: Bench) -> None:
    attached = _both(bench)
    routes = {destination for destination, _, _ in bench.view(attached.attachment.netns).routes}
    listed = [str(each.get("dst")) for each in entries(attached, "routes")]
    if not listed:
        raise NotApplicable("the result lists no routes")
    if missing := [each for each in listed if each not in routes]:
        raise Failed(f"there is no route to {', '.join(missing)} in the container: {attached.answer}")


@should("DUA-04", "2 Overview", "The interface has connectivity in both families: each gateway of the result answers.")
def _reaches_both(bench: Bench) -> None:
    attached = _both(bench)
    gateways = [str(each["gateway"]) for each in entries(attached, "ips") if each.get("gateway")]
    if not gateways:
        raise NotApplicable("the result names no gateway")
    for gateway in gateways:
        if not pings(bench, attached, gateway):
            raise Failed(f"the container gets no answer from its gateway {gateway}: {attached.answer}")


@should("DUA-05", "2 CHECK", "CHECK returns an error when the address of one family is gone from the interface.")
def _checks_both(bench: Bench) -> None:
    bench.need_version("0.4.0", "CHECK")
    _both(bench)
    for family in ("-4", "-6"):
        attached = _attach(bench)
        bench.check(attached).expect_success("CHECK failed right after ADD")
        bench.do(f"nsenter --net={attached.attachment.netns} ip {family} addr flush dev eth0 scope global")
        bench.check(attached).expect_error(f"CHECK succeeded though the address of IPv{family[1]} is gone")


@should("DUA-06", "2 DEL", "DEL releases the addresses of both families, and leaves nothing.")
def _frees_both(bench: Bench) -> None:
    _both(bench)
    network = _network(bench, (30, 126))
    # The rules that all containers of a network share may stay: they are there before anything is compared.
    bench.delete(bench.attach(network)).expect_success("DEL failed")
    # The smallest range of IPv6 that every IPAM plug-in takes has two addresses: the third ADD tells.
    for _ in range(2):
        attachment = bench.container(network)
        before = bench.snapshot()
        answer = bench.call("ADD", attachment).expect_success("an address was not free after DEL")
        attached = bench.keep(attachment, answer)
        bench.expect_nothing_left(before, attached, bench.delete(attached).expect_success("DEL failed"))


CHECKS: tuple[Check, ...] = (_gives_both, _has_both, _has_routes, _reaches_both, _checks_both, _frees_both)
