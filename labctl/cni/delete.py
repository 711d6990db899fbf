"""DEL: takes an attachment away, whatever of it is there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.cni.attachment import forget_name, pull_cable
from labctl.cni.failure import failure_of
from labctl.cni.store import has_others
from labctl.errors import LabError

if TYPE_CHECKING:
    from labctl.cni.attachment import Attachment
    from labctl.cni.call import Call


def delete(call: Call) -> None:
    """Take it away; a namespace that is gone has taken its end along, and what is gone already is success.

    Raises:
        CniFailure: something could not be taken away; the runtime will ask again.
    """
    attachment = call.attachment()
    try:
        if not pull_cable(attachment, call.kernel):
            _delete_inside(call, attachment)
        if call.configuration.ipam:
            call.delegate("DEL")
        had_others = _has_others(call)
        if not had_others:
            forget_name(attachment, call.kernel)
        call.forget()  # last: as long as it is noted, GC knows of it
        if had_others and not _has_others(call):  # another DEL of this container came in between
            forget_name(attachment, call.kernel)
    except LabError as error:
        raise failure_of(error) from None


def _has_others(call: Call) -> bool:
    """Tell whether the container has another interface, of any network: the name of its namespace stays then."""
    return has_others(call.configuration.folder, call.request.container, {call.request.attachment})


def _delete_inside(call: Call, attachment: Attachment) -> None:
    """Take the container's end away where it is there without the node's: somebody has moved or renamed that.

    Only if it has an address of ours: after an ADD that was refused because of another's interface, the runtime sends
    DEL; and the path of a container that is gone (`/proc/PID/ns/net`) may be another's by now.
    """
    ours = _addresses(call)
    if not call.request.netns or not ours:
        return
    if not call.files.same_namespace(attachment.link.path, attachment.container.place):
        return
    if call.is_own_netns():
        return
    net = call.kernel.net(attachment.container.place)
    with suppress(LabError):  # a link that leads nowhere any more
        end = net.link(attachment.interface)
        held = {each.cidr.partition("/")[0] for each in net.addresses() if each.device == attachment.interface}
        if end and end.kind == "veth" and held & ours:
            net.delete_link(attachment.interface)


def _addresses(call: Call) -> set[str]:
    """The addresses of the attachment, as far as they are known: from the store, and from what ADD answered."""
    told = (call.configuration.previous or {}).get("ips", ())
    return {*call.store.of(call.request.attachment), *(str(each.get("address")).partition("/")[0] for each in told)}
