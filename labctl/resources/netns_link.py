"""The link by which `ip netns` finds a container's namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.lab import NETNS_FOLDER
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell, Var
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect


class NetnsLink(Value):
    """/var/run/netns/NAME leads to the container's network namespace."""

    container: Container

    @property
    def key(self) -> str:
        """`netns_link:master/a`."""
        return f"netns_link:{self.container.place}"

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{NETNS_FOLDER}/{self.container.name}"

    def observe(self, kernel: Kernel) -> Seen:
        """Follow it; whatever leads to the right namespace counts, a mount (`ip netns attach`) too."""
        files = kernel.files(self.container.node)
        info = files.info(self.path)
        if info is None:
            return Absent(f"{self.container.node} has no {self.path}")
        if files.same_namespace(self.path, self.container.place):
            return Present(
                note="" if info.kind == "link" else f"{self.path} is a mount of the namespace, which is as good"
            )
        expected = f"expected the namespace of {self.container.name} ({kernel.namespace_path(self.container.place)})"
        if info.kind == "link":
            return Present((f"{self.path} leads to {info.target}; {expected}",))
        return Foreign(f"{self.path} is a {info.kind} (made by `ip netns add`?); {expected}")

    def apply(self, kernel: Kernel) -> None:
        """Make or turn it, as `ln -sfT`."""
        target = kernel.namespace_path(self.container.place)
        kernel.files(self.container.node).link(self.path, target)

    def revert(self, kernel: Kernel) -> None:
        """Remove it; the namespace stays."""
        if not isinstance(self.observe(kernel), Foreign):
            kernel.files(self.container.node).remove(self.path)

    def shell(self, dialect: Dialect) -> Shell:
        """`ln -sfT`, in the notes' own words."""
        del dialect  # both say it alike
        path = (f"{NETNS_FOLDER}/", Var("CNI_CONTAINERID"))
        return Shell(
            do=(
                Run(
                    ("sudo", "ln", "-sfT", Var("CNI_NETNS"), path),
                    f"let `ip netns` know the namespace of {self.container.name} by its name",
                ),
            ),
            undo=(Run(("sudo", "rm", "-f", path), f"forget the name of {self.container.name}'s namespace"),),
            look=(Run(("sudo", "ip", "netns", "exec", Var("CNI_CONTAINERID"), "ip", "link")),),
        )
