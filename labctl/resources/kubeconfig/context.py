"""A context in a kubeconfig: a cluster, a user and a namespace under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from labctl.model.namespaces import DEFAULT_NAMESPACE
from labctl.model.shell import Run, Shell
from labctl.resources.kubeconfig.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labctl.model.kubeconfig import Context
    from labctl.model.shell import Dialect
    from labctl.resources.kubeconfig.document import Kind


class KubeconfigContext(Entry):
    """Which cluster, as whom, in which namespace."""

    context: Context
    kind: ClassVar[Kind] = "context"

    @property
    def name(self) -> str:
        """What it is called."""
        return self.context.name

    @property
    def fields(self) -> Mapping[str, str | None]:
        """All three."""
        return {"cluster": self.context.cluster, "user": self.context.user, "namespace": self.context.namespace}

    def judge(self, found: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
        """Compare all three; no namespace means the default one."""
        said = f"context {self.name} of {self.node}"
        namespace = found.get("namespace") or ""
        wanted = {"cluster": self.context.cluster, "user": self.context.user, "namespace": self.context.namespace}
        got = {**found, "namespace": namespace or DEFAULT_NAMESPACE}
        drift = tuple(
            f"{said} has {f'the {key} {got[key]}' if got.get(key) else f'no {key}'}; expected {want or 'none'}"
            for key, want in wanted.items()
            if (got.get(key) or "") != want
        )
        return drift, "" if namespace else f"{said} has no namespace, which means {DEFAULT_NAMESPACE}"

    def shell(self, dialect: Dialect) -> Shell:
        """`kubectl config set-context`."""
        del dialect  # both say it alike
        flags = [f"--{key}={value}" for key, value in self.fields.items() if value]
        return Shell(
            do=(
                Run(
                    ("kubectl", "config", "set-context", self.name, *flags),
                    f"a context: there, {f'as {self.context.user}' if self.context.user else 'as nobody'}, "
                    f"in the namespace {self.context.namespace}",
                ),
            ),
            undo=(Run(("kubectl", "config", "delete-context", self.name), f"forget the context {self.name}"),),
            look=(Run(("kubectl", "config", "get-contexts")),),
        )
