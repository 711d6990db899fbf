"""The CNI plug-in `labnet` on a node: its executable, and the configuration by which a runtime finds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Pipe, Redirect, Run, Shell
from labctl.model.store import PLUGIN
from labctl.model.value import Value

if TYPE_CHECKING:
    from labctl.model.lab import Lab, Node
    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect

BIN_FOLDER, CONF_FOLDER = "/opt/cni/bin", "/etc/cni/net.d"
"""Where runtimes look for plug-ins, and for the configurations that name them."""
SOURCE = "/opt/labctl/bin/labnet"
"""Where a world has the executable ready."""
_MARK = "from labctl.cni.plugin import run"
# Runtimes of today still refuse a configuration of 1.1.0: containerd 1.6, podman 4.3.
_VERSION = "1.0.0"


class PluginExecutable(Value):
    """The executable in the folder where runtimes look for it."""

    node: str
    folder: str = BIN_FOLDER

    @property
    def key(self) -> str:
        """`plugin:master/opt/cni/bin/labnet`."""
        return f"plugin:{self.node}{self.path}"

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{self.folder}/{PLUGIN}"

    def observe(self, kernel: Kernel) -> Seen:
        """Compare it with the one that the world has ready; a link to that is as good."""
        files = kernel.files(self.node)
        info = files.info(self.path)
        if info is None:
            return Absent(f"{self.node} has no {self.path}")
        text = files.read(self.path) if info.kind in ("file", "link") else None
        if text is None or _MARK not in text:
            return Foreign(f"{self.path} on {self.node} is not labctl's plug-in")
        if text != files.read(SOURCE):
            return Present((f"{self.path} on {self.node} is another version of the plug-in; expected this labctl's",))
        if info.executable or info.kind == "link":
            return Present()
        return Present((f"{self.path} on {self.node} may not be executed; expected mode 755",))

    def apply(self, kernel: Kernel) -> None:
        """Copy it there, executable."""
        files = kernel.files(self.node)
        files.make_folder(self.folder)
        files.write(self.path, files.read(SOURCE) or "", 0o755)

    def revert(self, kernel: Kernel) -> None:
        """Remove it, if it is ours."""
        if not isinstance(self.observe(kernel), Foreign):
            kernel.files(self.node).remove(self.path)

    def shell(self, dialect: Dialect) -> Shell:
        """`install -m 755`."""
        del dialect  # both say it alike
        return Shell(
            do=(
                Run(
                    ("sudo", "install", "-m", "755", SOURCE, self.path),
                    f"the plug-in, {PLUGIN}, where a runtime looks for plug-ins",
                ),
            ),
            undo=(Run(("sudo", "rm", "-f", self.path), "take the plug-in away"),),
            look=(Run(("ls", "-l", self.folder)),),
        )


class PluginConfiguration(Value):
    """The list of plug-ins that a runtime reads: one network, and labnet as its first plug-in."""

    lab: Lab
    node: Node
    folder: str = CONF_FOLDER

    @property
    def key(self) -> str:
        """`configuration:master/etc/cni/net.d/10-labnet.conflist`."""
        return f"configuration:{self.node.name}{self.path}"

    @property
    def path(self) -> str:
        """Where it is; a runtime takes the first file by name."""
        return f"{self.folder}/10-{PLUGIN}.conflist"

    @property
    def wanted(self) -> dict[str, Any]:
        """What is in it."""
        plugin = {
            "type": PLUGIN,
            "bridge": self.lab.bridge,
            "ipMasq": True,
            "clusterRange": str(self.lab.cluster_range),
            "ipam": {"ranges": [[{"subnet": str(self.node.pod_range)}]]},
        }
        return {"cniVersion": _VERSION, "name": self.lab.network, "plugins": [plugin]}

    def observe(self, kernel: Kernel) -> Seen:
        """Hold it against what is wanted, key by key; keys beside those are no matter."""
        files = kernel.files(self.node.name)
        info = files.info(self.path)
        if info is None:
            return Absent(f"{self.node.name} has no {self.path}")
        try:
            found = json.loads(files.read(self.path) or "") if info.kind == "file" else None
        except ValueError as error:
            return Foreign(f"{self.path} on {self.node.name} is not JSON, so it cannot be told whose it is: {error}")
        plugins = found.get("plugins") if isinstance(found, dict) else None
        first = plugins[0] if isinstance(plugins, list) and plugins and isinstance(plugins[0], dict) else {}
        if first.get("type") != PLUGIN or not isinstance(found, dict):
            return Foreign(f"{self.path} on {self.node.name} is not labctl's: its first plug-in is not {PLUGIN}")
        wanted = self.wanted
        if found.get("name") != wanted["name"] or len(plugins or ()) > 1:
            # Ours to read, but not to write over: somebody has made it his own.
            return Foreign(f"{self.path} on {self.node.name} is another's: it names another network or more plug-ins")
        pairs = [(found, wanted, "name"), *((first, wanted["plugins"][0], key) for key in wanted["plugins"][0])]
        return Present(
            tuple(
                f"{key} in {self.path} is {json.dumps(got.get(key))}; expected {json.dumps(want[key])}"
                for got, want, key in pairs
                if got.get(key) != want[key]
            )
        )

    def apply(self, kernel: Kernel) -> None:
        """Write it whole, in one rename: a runtime may be looking."""
        kernel.files(self.node.name).make_folder(self.folder)
        kernel.files(self.node.name).write(self.path, self._text)

    @property
    def _text(self) -> str:
        return json.dumps(self.wanted, indent=2) + "\n"

    def revert(self, kernel: Kernel) -> None:
        """Remove it, if it is ours."""
        if not isinstance(self.observe(kernel), Foreign):
            kernel.files(self.node.name).remove(self.path)

    def shell(self, dialect: Dialect) -> Shell:
        """`printf` and `tee`."""
        del dialect  # both say it alike
        write = Pipe((Run(("printf", r"%s\n", self._text.rstrip("\n"))), Run(("sudo", "tee", self.path))))
        return Shell(
            do=(Redirect(write, "/dev/null", comment="the network's configuration: last, for a runtime acts on it"),),
            undo=(Run(("sudo", "rm", "-f", self.path), "forget the network"),),
            look=(Run(("jq", ".", self.path)),),
        )
