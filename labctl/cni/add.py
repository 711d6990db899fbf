"""ADD: makes an attachment, or leaves nothing behind."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from labctl.cni.attachment import (
    Attachment,
    Given,
    ensure_shared,
    faults_of,
    forget_name,
    is_own_end,
    is_shared_there,
    mark,
    pull_cable,
    spell_destination,
)
from labctl.cni.failure import NAME_TAKEN, NO_IO, CniFailure, failure_of
from labctl.cni.store import locked
from labctl.errors import LabError
from labctl.kernel.plugin_kernel import HERE, OWN_LINK, forwarding
from labctl.model.lab import NETNS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.cni.call import Call

    Steps: TypeAlias = list[Callable[[], object]]

_SECONDS_BACK = 5  # for the IPAM plug-in's DEL of an ADD that failed: where it hangs, it has mostly hung in ADD too


def add(call: Call) -> dict[str, Any]:
    """Make the attachment; on failure nothing of it is left.

    It is noted in the store before anything of it is made: whoever finds it there after a `kill -9` knows what to look
    for. What several containers share (the bridge, its addresses, the rules) stays, whatever becomes of this one.

    Raises:
        CniFailure: whatever went wrong.
    """
    call.check_netns()
    back: Steps = []
    try:
        return _add(call, back)
    except Exception as error:
        for step in reversed(back):
            with suppress(LabError, OSError, CniFailure):
                step()
        if isinstance(error, LabError):
            raise failure_of(error, "; everything was taken back") from None
        raise


def _add(call: Call, back: Steps) -> dict[str, Any]:
    """Do it; `back` gets the way back of every step."""
    bare = call.attachment()
    is_noted = bool(call.store.of(call.request.attachment))
    if not is_noted:
        _note(call)
        back.append(call.forget)
    _make_link(call, bare, back)
    _refuse_second(call, bare)
    if is_noted:  # of an ADD that was killed, or of a container that is gone: nothing of it stands
        _note(call)
        back.append(call.forget)
    given = _give(call, back)
    routes = call.kernel.net(bare.container.place).routes()
    attachment = call.attachment(given, frozenset(spell_destination(each.destination, each.via) for each in routes))
    back.append(partial(_pull, call, attachment))
    return _make(call, attachment)


def _note(call: Call) -> None:
    """Put the attachment into the store, with its addresses if they are ours to give."""
    if call.configuration.ipam:
        with locked(call.configuration.folder):
            call.store.note(call.request.attachment)
        return
    if call.configuration.scan:
        from labctl.cni.scan import reserve_silent

        reserve_silent(call)
        return
    with locked(call.configuration.folder):
        store = call.store
        store.take(call.request.attachment, store.pick(call.request.attachment, call.configuration.range_sets))


def _give(call: Call, back: Steps) -> tuple[Given, ...]:
    """The addresses of the attachment; another plug-in is asked for them where the configuration says so."""
    if not call.configuration.ipam:
        given = tuple(call.dress(call.store.of(call.request.attachment)))
        if len(given) != len(call.configuration.range_sets):
            raise CniFailure(NO_IO, f"{call.configuration.folder} does not hold what was just written to it")
        return given
    back.append(partial(call.delegate, "DEL", _SECONDS_BACK))
    return call.adopt(call.delegate("ADD"))


def _make_link(call: Call, attachment: Attachment, back: Steps) -> None:
    """Let `ip netns` know the container's namespace: by this name everything else is done in it."""
    path = attachment.link.path
    if call.files.info(path) is None:
        call.files.make_folder(os.path.dirname(path))
        back.append(partial(forget_name, attachment, call.kernel))
        attachment.link.apply(call.kernel.port)
    elif faults := faults_of((attachment.link,), call.kernel):
        info = call.files.info(path)
        is_ours = info is not None and info.target.startswith(OWN_LINK)
        if call.kernel.net(HERE).link(attachment.cable.host_name) or (os.path.exists(path) and not is_ours):
            raise CniFailure(NAME_TAKEN, f"{attachment.container_id} is attached already: {faults[0]}")
        attachment.link.apply(call.kernel.port)
    if faults := faults_of((attachment.link,), call.kernel):
        raise CniFailure(NAME_TAKEN, faults[0])


def _refuse_second(call: Call, attachment: Attachment) -> None:
    if call.kernel.net(attachment.container.place).link(attachment.interface):
        what = f"{attachment.container_id} has an interface {attachment.interface} already; it was not touched"
        raise CniFailure(NAME_TAKEN, what)


def _make(call: Call, attachment: Attachment) -> dict[str, Any]:
    from labctl.cni.result import build_result

    node, name, bridge = call.kernel.net(HERE), attachment.cable.host_name, call.configuration.bridge
    node.aliases[name] = mark(call.configuration.name, call.request.attachment)
    _forward(call, attachment)
    node.expect(bridge, name, addresses=True)
    if not (is_shared_there(attachment.of_node(), call.kernel) and call.kernel.has_own_mac(bridge)):
        with locked(NETNS_FOLDER):  # one lock for the node: another network may have the same bridge
            call.kernel.refresh()
            ensure_shared(attachment.of_node(), call.kernel)
            node.pin_mac(bridge)
            node.flush()
    found = node.link(name)
    if found and not is_own_end(found, node.aliases[name]):
        raise CniFailure(NAME_TAKEN, f"the node has an interface {name} that is not of this attachment")
    node.watch(bridge, name)
    attachment.cable.apply(call.kernel.port)
    outside = node.link(bridge), node.link(name)
    if 6 in attachment.families:  # noqa: PLR2004 (the family)
        call.kernel.enable_ipv6(attachment.container.place, attachment.interface)
    inside = call.kernel.net(attachment.container.place)
    for given in attachment.given:
        inside.add_address(attachment.interface, given.cidr)
    for route in attachment.routes():  # there is none yet: those that were there are left out
        inside.add_route(route.destination, route.gateway)
    return build_result(attachment, call.kernel, outside)


def _forward(call: Call, attachment: Attachment) -> None:
    """Have the node forward at all."""
    for name in forwarding(attachment.families):
        if call.kernel.is_off(name):
            call.kernel.set_setting(name, "1")


def _pull(call: Call, attachment: Attachment) -> None:
    """Pull the cable: it takes addresses and routes along. What still waits to be done is not done."""
    call.kernel.drop()
    pull_cable(attachment, call.kernel)
