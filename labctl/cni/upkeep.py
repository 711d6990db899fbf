"""CHECK, STATUS and GC: what a runtime asks of attachments that stand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from labctl.cni.attachment import (
    Attachment,
    Given,
    faults_of,
    forget_name,
    host_end,
    is_unmarked,
    mark,
    network_marks,
    spell_destination,
)
from labctl.cni.failure import BAD_CONFIGURATION, NOT_AS_IT_SHOULD_BE, NOT_READY, ONLY_IN_PART, CniFailure, failure_of
from labctl.cni.store import has_others, locked
from labctl.errors import KernelRefused, LabError, ToolMissing
from labctl.kernel import spawn
from labctl.kernel.plugin_kernel import HERE, forwarding

if TYPE_CHECKING:
    from labctl.cni.call import Call

_TOOLS = {4: ("ip", "iptables", "iptables-save"), 6: ("ip", "ip6tables", "ip6tables-save")}
_VALID = "cni.dev/valid-attachments"


def check(call: Call) -> None:
    """Hold the attachment against the kernel.

    Raises:
        CniFailure: 101, naming what is missing or wrong.
    """
    call.check_netns()
    previous = call.configuration.previous
    if previous is None:
        raise CniFailure(BAD_CONFIGURATION, "prevResult is missing; CHECK needs what ADD answered")
    from labctl.cni.previous import faults_of_previous

    given = _given_before(call, previous)
    # What ADD did not tell it did not make: another interface's route was there.
    told = [(each.get("dst"), each.get("gw")) for each in previous["routes"]]
    routes = [(spell_destination(each.destination, each.gateway), each) for each in call.attachment(given).routes()]
    attachment = call.attachment(given, frozenset(to for to, each in routes if (to, each.gateway) not in told))
    if not (faults := faults_of((attachment.link,), call.kernel)):
        likely = attachment.cable.host_name, call.configuration.bridge
        call.kernel.net(HERE).expect(*likely, addresses=True, numbers=True)
        resources = (*attachment.of_container()[1:], *attachment.of_node())
        faults = faults_of(resources, call.kernel) or faults_of_previous(previous, attachment, call.kernel)
        faults = faults or _say_not_forwarding(attachment, call)
    if faults:
        raise CniFailure(NOT_AS_IT_SHOULD_BE, faults[0], "; ".join(faults[1:]))


def _say_not_forwarding(attachment: Attachment, call: Call) -> tuple[str, ...]:
    off = [name for name in forwarding(attachment.families) if call.kernel.is_off(name)]
    return tuple(f"{name} is 0: the node forwards nothing; expected 1" for name in off)


def _given_before(call: Call, previous: dict[str, Any]) -> tuple[Given, ...]:
    if call.configuration.ipam:
        call.delegate("CHECK")
        return _given_elsewhere(call, previous)
    given = tuple(call.dress(call.store.of(call.request.attachment)))
    if not given:
        what = f"no address is reserved for {' '.join(call.request.attachment)} in {call.configuration.folder}"
        raise CniFailure(NOT_AS_IT_SHOULD_BE, what)
    return given


def _given_elsewhere(call: Call, previous: dict[str, Any]) -> tuple[Given, ...]:
    """What another plug-in gave, as far as ADD told: nobody else knows it."""
    from labctl.cni.previous import own_part

    interface = call.request.interface
    told = own_part(previous, interface)
    if not told["ips"]:
        raise CniFailure(NOT_AS_IT_SHOULD_BE, f"prevResult has no address of {interface}")
    try:
        return call.adopt(told)
    except CniFailure:
        what = f"{told['ips']!r:.80} and {told['routes']!r:.80}"
        said = f"prevResult has, for {interface}, {what}; expected addresses and routes"
        raise CniFailure(BAD_CONFIGURATION, said) from None


def status(call: Call) -> None:
    """Tell whether an ADD could succeed now.

    Raises:
        CniFailure: 50, naming what is missing.
    """
    families = call.configuration.families if call.configuration.range_sets else (4,)
    scan = ("nmap",) if call.configuration.scan else ()
    for tool in dict.fromkeys((*scan, *(each for family in families for each in _TOOLS[family]))):
        try:
            spawn.find(tool)
        except ToolMissing as missing:
            raise CniFailure(NOT_READY, missing.what) from None
    name = call.configuration.bridge
    bridge = call.kernel.net(HERE).link(name)
    if bridge and bridge.kind != "bridge":
        raise CniFailure(NOT_READY, f"{name} is not a bridge but {bridge.kind or 'something else'}")
    if call.configuration.ipam:
        _check_delegate(call)
    else:
        _check_store(call)


def _check_delegate(call: Call) -> None:
    """Whatever keeps the IPAM plug-in from saying that it is ready, that it is missing included, an ADD would meet."""
    try:
        call.delegate("STATUS")
    except CniFailure as failure:
        code = failure.code if failure.code in (NOT_READY, ONLY_IN_PART) else NOT_READY
        raise CniFailure(code, failure.msg, failure.details) from None


def _check_store(call: Call) -> None:
    folder = call.configuration.folder
    try:
        store = call.store  # without the lock, which would make the folder: asking changes nothing
    except CniFailure as failure:
        raise CniFailure(NOT_READY, failure.msg) from None
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.access(folder, os.W_OK):
        raise CniFailure(NOT_READY, f"the store {folder} cannot be written")
    if os.statvfs(folder).f_bavail == 0:
        raise CniFailure(NOT_READY, f"the disk of the store {folder} is full")
    if any(next(store.free(ranges), None) is None for ranges in call.configuration.range_sets):
        raise CniFailure(NOT_READY, f"no address is free; see {call.configuration.folder}/reserved")


def collect(call: Call) -> None:
    """Take away every attachment of the network that the runtime does not name.

    What cannot be taken away keeps nothing else from going (specification, section 2, "GC"); it stays noted, for the
    next GC.

    Raises:
        CniFailure: 7 if it names none at all, not even an empty list: then nothing is taken away. What the IPAM plug-in
            says, if that fails.
        KernelRefused: a cable could not be taken away.
    """
    valid = _read_valid(call.configuration.raw)
    stale = {each for each in call.store.attachments if each not in valid}  # first: a corrupt store is a reason to stop
    name = call.configuration.name
    kept = {mark(name, each) for each in valid}
    marks, unmarked = network_marks(name), {host_end(name, each) for each in stale}
    node = call.kernel.net(HERE)
    refused: dict[str, KernelRefused] = {}
    for link in node.links():
        is_stale = link.kind == "veth" and link.alias.startswith(marks) and link.alias not in kept
        if is_stale or (link.name in unmarked and is_unmarked(link)):
            try:
                node.delete_link(link.name)
            except KernelRefused as error:
                refused[link.name] = error
    stale = {each for each in stale if host_end(name, each) not in refused}
    for container in {name for name, _ in stale}:
        if not has_others(call.configuration.folder, container, stale):
            forget_name(Attachment(call.configuration, container, "", ()), call.kernel)
    failure = _collect_elsewhere(call)
    if stale:  # last: as long as they are noted, the next GC knows of them
        with locked(call.configuration.folder):
            call.store.release(*stale)
    if refused:
        raise KernelRefused(
            "; ".join((*(each.what for each in refused.values()), *((str(failure),) if failure else ())))
        )
    if failure:
        raise failure


def _collect_elsewhere(call: Call) -> CniFailure | None:
    """Have the IPAM plug-in do its part; give how it failed."""
    try:
        if call.configuration.ipam:
            call.delegate("GC")
    except CniFailure as failure:
        return failure
    except LabError as error:
        return failure_of(error)
    return None


def _read_valid(raw: dict[str, Any]) -> set[tuple[str, str]]:
    # The specification's text has both keys.
    entries = next((raw[key] for key in (_VALID, "cni.dev/attachments") if key in raw), "missing")
    if entries is None:  # how Go spells a list without entries
        return set()
    if not isinstance(entries, list):
        raise CniFailure(BAD_CONFIGURATION, f"{_VALID} is {entries!r:.80}; expected the list of attachments that stay")
    valid = set()
    for each in entries:
        pair = (each.get("containerID"), each.get("ifname")) if isinstance(each, dict) else (None, None)
        if not all(isinstance(part, str) for part in pair):
            raise CniFailure(BAD_CONFIGURATION, f"{_VALID} has {each!r:.80}; expected containerID and ifname")
        valid.add((str(pair[0]), str(pair[1])))
    return valid
