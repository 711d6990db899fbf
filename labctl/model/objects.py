"""What the lab's API server has from the notes: the pod at `/api/v1/namespaces/default/pods/my-pod`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import Container

if TYPE_CHECKING:
    from labctl.model.lab import Lab

MY_POD = "my-pod"
MY_POD_PATH = f"/api/v1/namespaces/default/pods/{MY_POD}"


def my_pod(lab: Lab) -> Container:
    """The pod, which the lab's own runtime makes on the first node."""
    return Container(MY_POD, lab.nodes[0].name)
