"""A certificate that vouches for itself, and its key: by it a client knows a server of its own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.lab import Place
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.ports import Kernel, ProgramLook, Programs
    from labctl.model.shell import Dialect
    from labctl.resources.kubectl_proxy import KubectlProxy
    from labctl.resources.server import Server

_DAYS = "365"


class Certificate(Value):
    """For a server at one address of `node`: `path` is the certificate, `key_path` the key that belongs to it.

    `readers` read it when they are started: those that run while it is made anew are started again.
    """

    node: str
    path: str
    key_path: str
    owner: str
    address: str
    readers: tuple[Server | KubectlProxy, ...] = ()

    @property
    def key(self) -> str:
        """`certificate:master/etc/kubernetes/pki/ca.crt`."""
        return f"certificate:{self.node}{self.path}"

    def observe(self, kernel: Kernel) -> Seen:
        """Have openssl look at both: one made otherwise is as good, if it is for the address and has its key."""
        kinds = self._kinds(kernel)
        odd = next((path for path, kind in kinds.items() if kind not in ("", "file", "link")), None)
        if odd is not None:
            return Foreign(f"{odd} on {self.node} is a {kinds[odd]}, not a file")
        if not any(kinds.values()):
            return Absent(f"{self.node} has no certificate {self.path}")
        lacking = next((path for path, kind in kinds.items() if not kind), None)
        if lacking is not None:
            return Present((f"{self.node} has no {lacking}; expected a certificate and its key",))
        kernel.look_ahead(self.program_looks(kernel))
        return Present(tuple(self._drift(kernel.programs(Place(self.node)))))

    def _kinds(self, kernel: Kernel) -> dict[str, str]:
        files = kernel.files(self.node)
        return {path: info.kind if (info := files.info(path)) else "" for path in (self.path, self.key_path)}

    @property
    def _looks(self) -> tuple[tuple[str, ...], ...]:
        """What it is and for whom; whether it is still valid; what the key belongs to (openssl-x509(1))."""
        read = ("openssl", "x509", "-in", self.path, "-noout")
        return (
            (*read, "-pubkey", "-checkip", self.address),
            (*read, "-checkend", "0"),
            ("openssl", "pkey", "-in", self.key_path, "-pubout", "-passin", "pass:"),
        )

    def program_looks(self, kernel: Kernel) -> tuple[ProgramLook, ...]:
        """openssl, which takes most of its time to start."""
        is_there = all(kind in ("file", "link") for kind in self._kinds(kernel).values())
        return tuple((Place(self.node), argv, "") for argv in self._looks) if is_there else ()

    def _drift(self, programs: Programs) -> list[str]:
        shown, valid, held = (programs.look(argv) for argv in self._looks)
        if shown.code != 0:
            return [f"{self.path} on {self.node} is no certificate"]
        drift = []
        if "does match" not in shown.out:
            drift.append(f"{self.path} is not for {self.address}")
        if valid.code != 0:
            drift.append(f"{self.path} is no longer valid")
        if held.code != 0 or held.out.strip() not in shown.out:
            drift.append(f"{self.key_path} is not the key of {self.path}")
        return drift

    def apply(self, kernel: Kernel) -> None:
        """Make both anew; where there is a link, what it leads to stays as it is."""
        files = kernel.files(self.node)
        for path in (self.path, self.key_path):
            if (info := files.info(path)) is not None and info.kind == "link":
                files.remove(path)
        done = kernel.programs(Place(self.node)).run(self._making)
        if done.code != 0:
            said = (done.err.strip() or f"exit code {done.code}").splitlines()[-1]
            raise KernelRefused(f"openssl could not make {self.path}: {said}", "see: labctl status")
        for reader in self.readers:
            seen = reader.observe(kernel)
            # One that is only done without (`shared`) is not running.
            if isinstance(seen, Present) and not seen.shared:
                try:
                    reader.revert(kernel)
                    reader.apply(kernel)
                except KernelRefused as error:
                    raise KernelRefused(f"{reader.key} was not started again: {error.what}", error.hint) from error

    @property
    def _making(self) -> tuple[str, ...]:
        """One command (openssl-req(1)): an elliptic key, which is made at once, and a certificate signed by it."""
        return (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", _DAYS, "-subj", f"/CN={self.owner}"),
            *("-addext", f"subjectAltName=IP:{self.address},DNS:localhost"),
            *("-keyout", self.key_path, "-out", self.path),
        )

    def revert(self, kernel: Kernel) -> None:
        """Remove both."""
        if not isinstance(self.observe(kernel), Foreign):
            for path in (self.path, self.key_path):
                kernel.files(self.node).remove(path)

    def shell(self, dialect: Dialect) -> Shell:
        """`openssl req -x509`."""
        del dialect  # both say it alike
        return Shell(
            do=(Run(("sudo", *self._making), f"a key for {self.owner}, and a certificate that vouches for itself"),),
            undo=(Run(("sudo", "rm", "-f", self.path, self.key_path), f"forget the certificate of {self.owner}"),),
            look=(Run(("openssl", "x509", "-in", self.path, "-noout", "-text")),),
        )
