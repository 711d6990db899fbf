"""ADD: makes an attachment, or leaves nothing behind."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from labctl.cni.attachment import Attachment, Given, ensure_shared, faults_of, forget_name
from labctl.cni.failure import NAME_TAKEN, REFUSED, CniFailure
from labctl.cni.store import locked
from labctl.errors import LabError
from labctl.kernel.plugin_kernel import HERE

if TYPE_CHECKING:
    from labctl.cni.call import Call


def add(call: Call) -> dict[str, Any]:
    """Make the attachment; on failure nothing of it is left.

    Raises:
        CniFailure: whatever went wrong.
    """
    call.check_netns()
    bare = call.attachment()
    had_link = call.files.info(bare.link.path) is not None
    attachment = bare
    try:
        _make_link(call, bare)
        _refuse_second(call, bare)
        attachment = call.attachment(_give(call))
        return _make(call, attachment)
    except CniFailure as failure:
        if failure.code != NAME_TAKEN or attachment is not bare:
            _take_back(call, attachment)
        _forget_link(call, bare, keep=had_link)
        raise
    except LabError as error:
        _take_back(call, attachment)
        _forget_link(call, bare, keep=had_link)
        raise CniFailure(REFUSED, f"{error.what}; everything was taken back", error.hint) from None


def _make_link(call: Call, attachment: Attachment) -> None:
    """Let `ip netns` know the container's namespace: by this name everything else is done in it."""
    call.files.make_folder(os.path.dirname(attachment.link.path))
    if faults_of((attachment.link,), call.kernel):
        attachment.link.apply(call.kernel.port)
    if faults := faults_of((attachment.link,), call.kernel):
        raise CniFailure(NAME_TAKEN, faults[0])


def _refuse_second(call: Call, attachment: Attachment) -> None:
    if call.kernel.net(attachment.container.place).link(attachment.interface):
        what = f"{attachment.container_id} has an interface {attachment.interface} already; it was not touched"
        raise CniFailure(NAME_TAKEN, what)


def _give(call: Call) -> tuple[Given, ...]:
    """Find addresses for the attachment."""
    if call.configuration.ipam:
        from labctl.cni.delegate import read_given

        return read_given(call.delegate("ADD"))
    answering = _find_answering(call)
    with locked(call.configuration.folder):
        store = call.store
        store.take(call.request.attachment, call.configuration.range_sets, answering)
        return tuple(call.dress(store.of(call.request.attachment)))


def _find_answering(call: Call) -> frozenset[str]:
    """Who answers in the ranges (step 1's question), if the configuration wants to know."""
    if not call.configuration.scan:
        return frozenset()
    from labctl.cni.scan import find_answering

    return find_answering(str(each.subnet) for ranges in call.configuration.range_sets for each in ranges)


def _make(call: Call, attachment: Attachment) -> dict[str, Any]:
    from labctl.cni.result import build_result

    with locked(call.configuration.folder):
        _forward(call, attachment)
        ensure_shared(attachment.of_node(), call.kernel)
        call.kernel.net(HERE).flush()
    for resource in attachment.of_container()[1:]:
        resource.apply(call.kernel.port)
    result = build_result(attachment, call.kernel)
    call.kernel.refresh()
    return result


def _forward(call: Call, attachment: Attachment) -> None:
    """Have the node forward at all."""
    names = {6: "net.ipv6.conf.all.forwarding", 4: "net.ipv4.ip_forward"}
    for family in {6 if ":" in each.cidr else 4 for each in attachment.given}:
        if (call.kernel.setting(HERE, names[family]) or "").strip() == "0":
            call.kernel.set_setting(names[family], "1")


def _take_back(call: Call, attachment: Attachment) -> None:
    """After a failure: the cable takes addresses and routes along."""
    with suppress(LabError, OSError):
        call.kernel.net(HERE).delete_link(attachment.cable.host_name)
    with suppress(LabError, OSError, CniFailure):
        call.give_back()


def _forget_link(call: Call, attachment: Attachment, *, keep: bool) -> None:
    if not keep:
        with suppress(LabError, OSError):
            forget_name(attachment, call.kernel)
