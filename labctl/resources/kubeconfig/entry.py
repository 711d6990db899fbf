"""What the three kinds of named entries of a kubeconfig have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from labctl.model.kubeconfig import KUBECONFIG
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.value import Value
from labctl.resources.kubeconfig.file import edit_kubeconfig, read_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.model.ports import Kernel
    from labctl.resources.kubeconfig.document import Kind


class Entry(Value):
    """An entry in the kubeconfig of a node; `kind` says in which list. Each kind judges and spells for itself."""

    node: str
    kind: ClassVar[Kind]

    @property
    def name(self) -> str:
        """What it is called."""
        raise NotImplementedError

    @property
    def fields(self) -> Mapping[str, str | None]:
        """What apply sets in it; None for what must not be there."""
        raise NotImplementedError

    def judge(self, found: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
        """Hold what was found against what is wanted: the drift, and why something that was typed otherwise counts."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """`kubeconfig:master/context/my-context`."""
        return f"kubeconfig:{self.node}/{self.kind}/{self.name}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look for it by its name."""
        document = read_kubeconfig(kernel, self.node)
        if isinstance(document, Absent | Foreign):
            return document
        found = document.find(self.kind, self.name)
        if found is None:
            return Absent(f"{KUBECONFIG} on {self.node} has no {self.kind} {self.name}")
        drift, note = self.judge(found)
        return Present(drift, "" if drift else note)

    def apply(self, kernel: Kernel) -> None:
        """Set its fields; those that it has beside them stay."""
        edit_kubeconfig(kernel, self.node, lambda document: document.put(self.kind, self.name, self.fields))

    def revert(self, kernel: Kernel) -> None:
        """Drop it."""
        if not isinstance(read_kubeconfig(kernel, self.node), Foreign):
            edit_kubeconfig(kernel, self.node, lambda document: document.drop(self.kind, self.name))
