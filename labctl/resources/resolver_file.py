"""What a container finds in /etc/resolv.conf: whom to ask for names, and how to complete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.resolver import pod_resolver, read_resolver, resolver_path, spell_resolver
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Pipe, Redirect, Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Container
    from labctl.model.ports import Kernel
    from labctl.model.resolver import ResolverConfiguration
    from labctl.model.shell import Dialect


class ResolverFile(Value):
    """The file on the node that stands for a pod's /etc/resolv.conf, as the kubelet writes it (ip-netns(8))."""

    pod: Container
    namespace: str
    nameserver: str

    @property
    def key(self) -> str:
        """`resolver:master/a`."""
        return f"resolver:{self.pod.place}"

    @property
    def at(self) -> str:
        """On which node its commands are typed."""
        return self.pod.node

    @property
    def path(self) -> str:
        """Where it is."""
        return resolver_path(self.pod.name)

    @property
    def _folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def _wanted(self) -> ResolverConfiguration:
        return pod_resolver(self.namespace, self.nameserver)

    def observe(self, kernel: Kernel) -> Seen:
        """Read it as the C library does; comments and other options are no matter."""
        files = kernel.files(self.pod.node)
        info = files.info(self.path)
        if info is None:
            return Absent(f"{self.pod.place} has no resolv.conf of its own ({self.path})")
        if info.kind != "file":
            return Foreign(f"{self.path} on {self.pod.node} is a {info.kind}, not a file")
        found, wanted = read_resolver(files.read(self.path) or ""), self._wanted
        pairs = (
            ("the nameserver", " ".join(found.nameservers), " ".join(wanted.nameservers)),
            ("the search list", " ".join(found.search) or "empty", " ".join(wanted.search)),
            ("the option ndots", str(found.ndots), str(wanted.ndots)),
        )
        return Present(
            tuple(f"{what} of {self.pod.place} is {got}; expected {want}" for what, got, want in pairs if got != want)
        )

    def apply(self, kernel: Kernel) -> None:
        """Write it."""
        files = kernel.files(self.pod.node)
        files.make_folder(self._folder)
        files.write(self.path, spell_resolver(self._wanted))

    def revert(self, kernel: Kernel) -> None:
        """Remove it, and its folder if nothing else is in there."""
        if isinstance(self.observe(kernel), Foreign):
            return
        files = kernel.files(self.pod.node)
        files.remove(self.path)
        info = files.info(self._folder)
        if info is not None and info.kind == "folder" and not files.names(self._folder):
            files.remove(self._folder)

    def shell(self, dialect: Dialect) -> Shell:
        """`printf` and `tee`."""
        del dialect  # both say it alike
        lines = spell_resolver(self._wanted).splitlines()
        write = Pipe((Run(("printf", r"%s\n", *lines)), Run(("sudo", "tee", self.path))))
        return Shell(
            do=(
                Run(("sudo", "mkdir", "-p", self._folder), f"{self.pod.name} is in {self.namespace}"),
                Redirect(write, "/dev/null"),
            ),
            undo=(
                Run(("sudo", "rm", "-f", self.path), f"{self.pod.name} knows no nameserver any more"),
                Run(("sudo", "rmdir", "--ignore-fail-on-non-empty", self._folder)),
            ),
            look=(Run(("cat", self.path)),),
        )
