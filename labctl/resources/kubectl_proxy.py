"""`kubectl proxy` on a node: the way to the API server without a token. Without kubectl, nothing is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.model.kubeconfig import API_ADDRESS, PROXY_CONTEXT, PROXY_PORT, PROXY_WORDS
from labctl.model.lab import Place
from labctl.model.resource import Absent, Present, Seen
from labctl.model.value import Value
from labctl.resources.server import Server

if TYPE_CHECKING:
    from labctl.model.ports import Kernel, ProgramStart
    from labctl.model.shell import Dialect, Shell


class KubectlProxy(Value):
    """The proxy of the notes, as the user of one context: which one is current is the learner's affair."""

    node: str

    @property
    def key(self) -> str:
        """`server:master/kubectl-proxy`."""
        return self._server.key

    @property
    def _server(self) -> Server:
        return Server(
            Place(self.node),
            "kubectl-proxy",
            (*PROXY_WORDS, f"--port={PROXY_PORT}", f"--context={PROXY_CONTEXT.name}"),
            PROXY_PORT,
            address=API_ADDRESS,
            program=PROXY_WORDS,
            purpose="a door to the API server that adds the token by itself",
        )

    @property
    def starts(self) -> ProgramStart:
        """How it is started."""
        return self._server.starts

    def observe(self, kernel: Kernel) -> Seen:
        """Look who listens; without kubectl nobody can, and the step does without."""
        seen = self._server.observe(kernel)
        if isinstance(seen, Absent) and not _has_kubectl(kernel, self.node):
            note = f"{self.node} has no kubectl: nobody plays the proxy, and the API server is asked with a token only"
            return Present(note=note, shared=True)
        return seen

    def apply(self, kernel: Kernel) -> None:
        """Start it."""
        self._server.apply(kernel)

    def revert(self, kernel: Kernel) -> None:
        """End it."""
        self._server.revert(kernel)

    def shell(self, dialect: Dialect) -> Shell:
        """`kubectl proxy`, detached."""
        return self._server.shell(dialect)


def _has_kubectl(kernel: Kernel, node: str) -> bool:
    return kernel.programs(Place(node)).look(("sh", "-c", 'test -x "$(command -v kubectl)"')).code == 0
