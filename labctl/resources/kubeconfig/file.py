"""The file itself: the lab's own kubeconfig, where kubectl looks with nothing set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import Busy, ForeignObject, KernelRefused
from labctl.model.kubeconfig import CLUSTERS, CONTEXTS, HOME, KUBE_FOLDER, KUBECONFIG, USERS
from labctl.model.resource import Absent, Foreign, Present, Seen
from labctl.model.shell import Run, Shell, Var
from labctl.model.value import Value
from labctl.resources.kubeconfig.document import Document, Kind, NoKubeconfigError, read_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.model.ports import Kernel
    from labctl.model.shell import Dialect, Word
    from labctl.model.values import FileInfo

_FOLDER = f"{HOME}/{KUBE_FOLDER}"
_LOCK = f"{KUBECONFIG}.lock"
# The library reads some 30 KB a second.
_MOST_BYTES = 1 << 16
_TRIES = 100
_OURS: dict[Kind, tuple[str, ...]] = {
    "cluster": tuple(each.name for each in CLUSTERS),
    "user": tuple(each.name for each in USERS),
    "context": tuple(each.name for each in CONTEXTS),
}


class KubeconfigFile(Value):
    """The file, with its folder; it goes with the last that is in it."""

    node: str

    @property
    def key(self) -> str:
        """`kubeconfig:master/root/.kube/config`."""
        return f"kubeconfig:{self.node}{KUBECONFIG}"

    def observe(self, kernel: Kernel) -> Seen:
        """Look whether it can be read and is the world's own; what is in it is for others to say."""
        found = read_kubeconfig(kernel, self.node)
        if not isinstance(found, Document):
            return found
        others = found.strangers(_OURS)
        return Present(note=f"{KUBECONFIG} on {self.node} holds {', '.join(others)} too" if others else "", shared=True)

    def apply(self, kernel: Kernel) -> None:
        """Make it, with nothing in it; only its owner may read it, for tokens come into it."""
        kernel.files(self.node).make_folder(_FOLDER)
        kernel.files(self.node).write(KUBECONFIG, "", 0o600)

    def revert(self, kernel: Kernel) -> None:
        """Remove it, unless somebody else's entries are in it; and its folder, if that is empty then."""
        files = kernel.files(self.node)
        found = read_kubeconfig(kernel, self.node)
        if isinstance(found, Foreign) or (isinstance(found, Document) and found.strangers(_OURS)):
            return
        files.remove(KUBECONFIG)
        info = files.info(_FOLDER)
        if info is not None and info.kind == "folder" and not files.names(_FOLDER):
            files.remove(_FOLDER)

    def bystanders(self, kernel: Kernel) -> tuple[str, ...]:
        """Name the entries that are nobody's of this lab."""
        found = read_kubeconfig(kernel, self.node)
        others = found.strangers(_OURS) if isinstance(found, Document) else ()
        return (f"{KUBECONFIG} on {self.node} holds {', '.join(others)}",) if others else ()

    def shell(self, dialect: Dialect) -> Shell:
        """`mkdir`, `touch` and `chmod`; `rm`, unless an entry is left."""
        del dialect  # both say it alike
        folder: Word = (Var("HOME"), f"/{KUBE_FOLDER}")
        path: Word = (Var("HOME"), KUBECONFIG.removeprefix(HOME))
        return Shell(
            do=(
                Run(("mkdir", "-p", folder), "where kubectl looks for its configuration: in the home of whoever types"),
                Run(("touch", path)),
                Run(("chmod", "600", path), "tokens come into it: nobody else may read it"),
            ),
            undo=(
                Run(
                    ("sh", "-c", 'grep -q "^- " "$0" || rm -f "$0"', path),
                    "remove the file, unless entries of yours are left in it",
                ),
                Run(("rmdir", "--ignore-fail-on-non-empty", folder)),
            ),
            look=(Run(("kubectl", "config", "view")),),
        )


def read_kubeconfig(kernel: Kernel, node: str) -> Document | Absent | Foreign:
    """Read it, or say why not; a link is not followed, and what was not made in this world is not touched."""
    files = kernel.files(node)
    folder, info = files.info(_FOLDER), files.info(KUBECONFIG)
    if folder is not None and folder.kind != "folder":
        return Foreign(f"{_FOLDER} on {node} is a {folder.kind}, not a folder")
    if info is None:
        return Absent(f"{node} has no {KUBECONFIG}")
    if complaint := _complain(info):
        return Foreign(f"{KUBECONFIG} on {node} {complaint}")
    try:
        return read_document(files.read(KUBECONFIG) or "")
    except NoKubeconfigError as error:
        return Foreign(f"{KUBECONFIG} on {node} {error}")


def _complain(info: FileInfo) -> str:
    """Say why what has the name is not to be read; empty if it may be."""
    if info.kind == "link":
        return f"is a link to {info.target}, not a file"
    if info.kind != "file":
        return f"is no file but a {info.kind}" if info.kind == "folder" else "is no file"
    if info.owner != 0:
        return f"belongs to the user {info.owner}; expected root's"
    return f"has {info.size} bytes; expected at most {_MOST_BYTES}" if info.size > _MOST_BYTES else ""


def edit_kubeconfig(kernel: Kernel, node: str, edit: Callable[[Document], object]) -> None:
    """Change it as kubectl does, again where somebody else was quicker; where there is none, nothing is done.

    Raises:
        ForeignObject: it may not be touched.
        Busy: kubectl is writing it.
    """
    files = kernel.files(node)
    for _ in range(_TRIES):
        found = read_kubeconfig(kernel, node)
        if isinstance(found, Foreign):
            raise ForeignObject(f"{found.why}; nothing was changed", "move it out of the way, or: labctl reset")
        if isinstance(found, Absent):
            return
        if files.info(_LOCK) is not None:
            # clientcmd.lockFile: kubectl makes it before it writes, and refuses while it is there.
            raise Busy(f"kubectl is writing {KUBECONFIG} on {node}: there is a {_LOCK}", f"if none runs: rm {_LOCK}")
        old = files.read(KUBECONFIG) or ""
        document = Document(old)
        edit(document)
        new = document.text()
        # Nobody's file is spelled anew for nothing.
        if new == found.text() or files.exchange(KUBECONFIG, _FOLDER, old, new):
            return
        kernel.refresh()
    raise KernelRefused(f"{KUBECONFIG} on {node} keeps changing under us", "who else writes it? labctl exec … -- ps ax")
