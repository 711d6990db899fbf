"""DEL: takes an attachment away, whatever of it is there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.cni.attachment import forget_name
from labctl.cni.failure import REFUSED, CniFailure
from labctl.cni.store import has_others
from labctl.errors import LabError
from labctl.kernel.plugin_kernel import HERE

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
        call.kernel.net(HERE).delete_link(attachment.cable.host_name)
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
        raise CniFailure(REFUSED, error.what, error.hint) from None


def _has_others(call: Call) -> bool:
    """Tell whether the container has another interface, of any network: the name of its namespace stays then."""
    return has_others(call.configuration.folder, call.request.container, {call.request.attachment})


def _delete_inside(call: Call, attachment: Attachment) -> None:
    """Take the container's end away where it is there without the node's: somebody has moved or renamed that.

    Only if it is ours: after an ADD that was refused because of another's interface, the runtime sends DEL.
    """
    if not call.request.netns or not _is_ours(call, attachment):
        return
    if not call.files.same_namespace(attachment.link.path, attachment.container.place):
        return
    if call.is_own_netns():
        return
    net = call.kernel.net(attachment.container.place)
    with suppress(LabError):  # a link that leads nowhere any more
        end = net.link(attachment.interface)
        if end and end.kind == "veth":
            net.delete_link(attachment.interface)


def _is_ours(call: Call, attachment: Attachment) -> bool:
    told = (call.configuration.previous or {}).get("interfaces", ())
    return bool(call.store.of(call.request.attachment)) or any(
        each.get("name") == attachment.cable.host_name for each in told
    )
