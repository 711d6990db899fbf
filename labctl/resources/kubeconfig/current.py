"""The current context of a kubeconfig: the one that kubectl uses when it is told none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.kubeconfig import KUBECONFIG
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value
from labctl.resources.kubeconfig.file import edit_kubeconfig, read_kubeconfig

if TYPE_CHECKING:
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect


class CurrentContext(Value):
    """The context of this name is the current one."""

    node: str
    name: str

    @property
    def key(self) -> str:
        """`kubeconfig:master/current-context`."""
        return f"kubeconfig:{self.node}/current-context"

    def observe(self, kernel: Kernel) -> Seen:
        """Look which one is."""
        document = read_kubeconfig(kernel, self.node)
        if isinstance(document, Absent | Foreign):
            return document
        if not document.current:
            return Absent(f"{KUBECONFIG} on {self.node} has no current context")
        if document.current == self.name:
            return Present()
        return Present((f"the current context of {self.node} is {document.current}; expected {self.name}",))

    def apply(self, kernel: Kernel) -> None:
        """Make it the current one."""
        edit_kubeconfig(kernel, self.node, lambda document: document.use(self.name))

    def revert(self, kernel: Kernel) -> None:
        """Have none."""
        document = read_kubeconfig(kernel, self.node)
        if not isinstance(document, Absent | Foreign) and document.current:
            edit_kubeconfig(kernel, self.node, lambda document: document.use(""))

    def shell(self, dialect: Dialect) -> Shell:
        """`kubectl config use-context`."""
        del dialect  # both say it alike
        return Shell(
            do=(Run(("kubectl", "config", "use-context", self.name), "start using it"),),
            undo=(Run(("kubectl", "config", "unset", "current-context"), "use none"),),
            look=(Run(("kubectl", "config", "current-context")),),
        )
