"""DEL: takes an attachment away, whatever of it is there."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from labctl.cni.attachment import forget_name
from labctl.cni.failure import REFUSED, CniFailure
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
        call.give_back()
        if not _has_others(call):
            forget_name(attachment, call.kernel)
    except LabError as error:
        raise CniFailure(REFUSED, error.what, error.hint) from None


def _delete_inside(call: Call, attachment: Attachment) -> None:
    """Take the container's end away where it is there without the node's: somebody has moved or renamed that."""
    if not call.request.netns or not call.files.same_namespace(attachment.link.path, attachment.container.place):
        return
    net = call.kernel.net(attachment.container.place)
    with suppress(LabError):  # a link that leads nowhere any more
        end = net.link(attachment.interface)
        if end and end.kind == "veth":
            net.delete_link(attachment.interface)


def _has_others(call: Call) -> bool:
    """Tell whether the container has another interface in this network: the name of its namespace stays then."""
    if call.configuration.ipam or not os.path.isdir(call.configuration.folder):
        return False
    return any(container == call.request.container for container, _ in call.store.attachments)
