"""What DNS answers for one Service: a file in the folder that the nameserver reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.naming import SERVICES_FOLDER, Endpoint, Entry, EntryPort, read_entry, spell_entry
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Pipe, Redirect, Run, Shell
from labctl.model.store import reserved_address
from labctl.model.value import Value
from labctl.resources.reserved_words import address_variable, capture_address

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab
    from labctl.model.ports import Kernel
    from labctl.model.service import Service
    from labctl.model.shell import Dialect, Word


class ServiceEntry(Value):
    """The entry of a Service, on the node of the DNS pod. Those behind it are named only where it is headless."""

    lab: Lab
    node: str
    service: Service

    @property
    def key(self) -> str:
        """`name:master/my-svc.mystuff`."""
        return f"name:{self.node}/{self._name}"

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{SERVICES_FOLDER}/{self._name}"

    @property
    def _name(self) -> str:
        return f"{self.service.name}.{self.service.namespace}"

    @property
    def _named(self) -> tuple[Container, ...]:
        return () if self.service.cluster_ip else self.service.endpoints

    def _entry(self, endpoints: tuple[Endpoint, ...]) -> Entry:
        headless = not self.service.cluster_ip
        # Who gets the address of a pod, and not of the Service, needs the port of the pod.
        ports = tuple(
            EntryPort(each.name, each.target_port if headless else each.port, each.protocol)
            for each in self.service.ports
        )
        return Entry(self.service.namespace, self.service.name, self.service.cluster_ip, ports, endpoints)

    def _wanted(self, kernel: Kernel) -> Entry:
        """The entry, with the addresses that are reserved now.

        Raises:
            KernelRefused: one has no address.
        """
        endpoints = []
        for container in self._named:
            address = reserved_address(kernel, container, self.lab.network)
            if address is None:
                raise KernelRefused(f"no address is reserved for {container.name}", "labctl step 1 --apply --node all")
            endpoints.append(Endpoint(address, container.name))
        return self._entry(tuple(endpoints))

    def observe(self, kernel: Kernel) -> Seen:
        """Read it as the nameserver does."""
        files = kernel.files(self.node)
        info = files.info(self.path)
        if info is None:
            return Absent(f"DNS knows no {self._name}: {self.node} has no {self.path}")
        if info.kind != "file":
            return Foreign(f"{self.path} on {self.node} is a {info.kind}, not a file")
        try:
            found, wanted = read_entry(self._name, files.read(self.path) or ""), self._wanted(kernel)
        except ValueError as error:
            return Present((f"{self.path} on {self.node} is no entry: {error}",))
        except KernelRefused as refused:
            return Present((f"{self.path} on {self.node} is there, but {refused.what}",))
        return Present(tuple(_find_faults(self._name, found, wanted)))

    def apply(self, kernel: Kernel) -> None:
        """Write it whole: the nameserver may be reading."""
        kernel.files(self.node).write(self.path, spell_entry(self._wanted(kernel)))

    def revert(self, kernel: Kernel) -> None:
        """Remove it."""
        if not isinstance(self.observe(kernel), Foreign):
            kernel.files(self.node).remove(self.path)

    def shell(self, dialect: Dialect) -> Shell:
        """`printf` and `tee`; addresses are read where they are reserved."""
        del dialect  # both say it alike
        captures = tuple(capture_address(container, self.lab.network) for container in self._named)
        lines: list[Word] = [*spell_entry(self._entry(())).splitlines()]
        lines += [("endpoint ", address_variable(container), f" {container.name}") for container in self._named]
        write = Pipe((Run(("printf", r"%s\n", *lines)), Run(("sudo", "tee", self.path))))
        return Shell(
            do=(*captures, Redirect(write, "/dev/null", comment=f"what DNS is to know of {self._name}")),
            undo=(Run(("sudo", "rm", "-f", self.path), f"let DNS forget {self._name}"),),
            look=(Run(("cat", self.path)),),
        )


def _find_faults(name: str, found: Entry, wanted: Entry) -> list[str]:
    """What is answered otherwise than it should be; further ports are no matter."""
    faults = []
    if (found.cluster_ip, found.external_name) != (wanted.cluster_ip, ""):
        what = f"another name, {found.external_name}" if found.external_name else found.cluster_ip or "headless"
        faults.append(f"DNS has {name} as {what}; expected {wanted.cluster_ip or 'headless'}")
    faults += [
        f"DNS knows no port {port.name} {port.number} {port.protocol.upper()} of {name}; expected it"
        for port in wanted.ports
        if port not in found.ports
    ]
    listed = {each: f"{each.address} {each.hostname}".strip() for each in (*found.endpoints, *wanted.endpoints)}
    faults += [
        f"DNS does not know {listed[each]} behind {name}; expected it"
        for each in wanted.endpoints
        if each not in found.endpoints
    ]
    faults += [
        f"DNS has {listed[each]} behind {name}; expected nobody there"
        for each in found.endpoints
        if each not in wanted.endpoints
    ]
    return faults
