"""A user in a kubeconfig: as whom kubectl speaks to an API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from labctl.model.shell import Run, Shell
from labctl.resources.kubeconfig.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.model.kubeconfig import User
    from labctl.model.shell import Dialect
    from labctl.resources.kubeconfig.document import Kind


class KubeconfigUser(Entry):
    """Somebody's token."""

    user: User
    kind: ClassVar[Kind] = "user"

    @property
    def name(self) -> str:
        """What they are called, here: the API server goes by the token alone."""
        return self.user.name

    @property
    def fields(self) -> Mapping[str, str | None]:
        """The token, and no password (as `set-credentials --token` does)."""
        return {"token": self.user.token, "username": None, "password": None}

    def judge(self, found: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
        """Hold the token against ours; another is not shown: it may be a secret."""
        token = found.get("token")
        if token == self.user.token:
            return (), ""
        return (
            f"user {self.name} of {self.node} has {'another' if token else 'no'} token; expected {self.user.token}",
        ), ""

    def shell(self, dialect: Dialect) -> Shell:
        """`kubectl config set-credentials`."""
        del dialect  # both say it alike
        return Shell(
            do=(
                Run(
                    ("kubectl", "config", "set-credentials", self.name, f"--token={self.user.token}"),
                    "a user: by this token the API server knows who asks",
                ),
            ),
            undo=(Run(("kubectl", "config", "delete-user", self.name), f"forget the user {self.name}"),),
            look=(Run(("kubectl", "config", "get-users")),),
        )
