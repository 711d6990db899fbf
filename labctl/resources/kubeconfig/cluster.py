"""A cluster in a kubeconfig: where its API server is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from labctl.model.shell import Run, Shell
from labctl.resources.kubeconfig.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.model.kubeconfig import Cluster
    from labctl.model.shell import Dialect
    from labctl.resources.kubeconfig.document import Kind

_AUTHORITY, _AUTHORITY_DATA, _INSECURE = (
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
)


class KubeconfigCluster(Entry):
    """The URL of an API server, and, for TLS, whom to believe that it is the right one."""

    cluster: Cluster
    kind: ClassVar[Kind] = "cluster"

    @property
    def name(self) -> str:
        """What it is called."""
        return self.cluster.name

    @property
    def fields(self) -> Mapping[str, str | None]:
        """Server and authority, and nothing that says otherwise."""
        return {
            "server": self.cluster.server,
            _AUTHORITY: self.cluster.authority or None,
            _AUTHORITY_DATA: None,
            _INSECURE: None,
        }

    def judge(self, found: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
        """Any spelling of the URL will do, and so will a certificate that is carried along."""
        drift, server, said = [], str(found.get("server") or ""), f"cluster {self.name} of {self.node}"
        if _plain(server) != self.cluster.server:
            drift.append(f"{said} is at {server or 'no server'}; expected {self.cluster.server}")
        if not self.cluster.authority:
            return tuple(drift), ""
        if found.get(_INSECURE):
            drift.append(f"{said} believes any server ({_INSECURE}); expected {_AUTHORITY} {self.cluster.authority}")
        elif found.get(_AUTHORITY_DATA):
            return tuple(drift), f"{said} carries its certificate along, which is as good"
        elif found.get(_AUTHORITY) != self.cluster.authority:
            authority = found.get(_AUTHORITY) or "nobody"
            drift.append(f"{said} believes {authority}; expected {_AUTHORITY} {self.cluster.authority}")
        return tuple(drift), ""

    def shell(self, dialect: Dialect) -> Shell:
        """`kubectl config set-cluster`."""
        del dialect  # both say it alike
        secured = (f"--{_AUTHORITY}={self.cluster.authority}",) if self.cluster.authority else ()
        what = "over TLS, vouched for by this certificate" if secured else "without TLS"
        return Shell(
            do=(
                Run(
                    ("kubectl", "config", "set-cluster", self.name, f"--server={self.cluster.server}", *secured),
                    f"a cluster: where its API server is, {what}",
                ),
            ),
            undo=(Run(("kubectl", "config", "delete-cluster", self.name), f"forget the cluster {self.name}"),),
            look=(Run(("kubectl", "config", "get-clusters")),),
        )


def _plain(server: str) -> str:
    """The URL as the lab spells it."""
    return server.rstrip("/").replace("://localhost:", "://127.0.0.1:")
