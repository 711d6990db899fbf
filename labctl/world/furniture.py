"""What the sandbox's file system holds of its own: scratch folders, windows, and the small programs on PATH."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.model.world import Scratch, Text, Window
from labctl.world.state import INSIDE, SHARED_INSIDE

if TYPE_CHECKING:
    from collections.abc import Iterable

BIN = INSIDE / "bin"
BASHRC = INSIDE / "bashrc"
# Bounds are for the whole world: someone who fills a disk in there fills at most this much memory.
WORLD_SCRATCH = (
    Scratch("/tmp", 64, "1777"),  # noqa: S108 (the world's own)
    Scratch("/opt", 64),
    Scratch("/var/log", 16),
    Scratch("/root", 64, "0700"),
    Scratch("/home", 64),
)
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/etc", "/dev", "/proc", "/sys", "/var/lib", "/run")
# Plug-ins and their configurations are a node's own: its pod range stands in them. So are its containers' own files.
HOST_SCRATCH = (
    Scratch("/run", 16),
    Scratch("/var/lib", 16),
    Scratch("/etc/cni", 1),
    Scratch("/etc/netns", 1),
    Scratch("/opt/cni", 16),
)
# Container runtimes keep images and containers in /var/lib, and in /run what runs.
_FOR_RUNTIMES = {"/run": 64, "/var/lib": 512}

_SUDO = """\
#!/bin/sh
# In the lab you are root already: this only runs its arguments.
while [ $# -gt 0 ]; do
  case $1 in
    -u|-g|-C|-p|--user|--group) shift 2 ;;
    -i|-s|--login|--shell) shift; [ $# -gt 0 ] || set -- bash ;;
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "usage: sudo command ..." >&2; exit 1; }
exec env "$@"
"""

_BASHRC = r"""\
[ -f /etc/bash.bashrc ] && . /etc/bash.bashrc
PS1='root@${LABCTL_PLACE:-\h}:\w\$ '
alias ls='ls --color=auto'
"""


def host_scratch(*, privileged: bool) -> tuple[Scratch, ...]:
    """The folders that each host has of its own; in a privileged world large enough for a container runtime."""
    if not privileged:
        return HOST_SCRATCH
    return tuple(replace(each, megabytes=_FOR_RUNTIMES.get(each.path, each.megabytes)) for each in HOST_SCRATCH)


def scratch_folders(home: Path, needed: Iterable[Path], *, as_root: bool) -> tuple[Scratch, ...]:
    """The folders that get a memory file system: the usual ones, the person's home, and, for root, private folders.

    A private folder on the way to labctl's own code (one that only root may enter) would lock the world's uid 0 out;
    hidden by a scratch folder, the code appears in it through a window.
    """
    folders = list(WORLD_SCRATCH)
    if not _is_system(home) and home.is_dir() and not any(_covers(each, home) for each in folders):
        folders.append(Scratch(str(home), 64, "0700"))
    if as_root:
        for path in needed:
            for parent in reversed(path.parents):
                if any(_covers(each, parent) for each in (*folders, *HOST_SCRATCH)):
                    break
                if not parent.stat().st_mode & 0o001:
                    folders.append(Scratch(str(parent), 1))
                    break
    return tuple(folders)


def _is_system(home: Path) -> bool:
    """Some users of the machine itself live in /, /usr/sbin and the like; hidden, there would be no programs."""
    return any(home.is_relative_to(each) or Path(each).is_relative_to(home) for each in _SYSTEM)


def windows(scratch: tuple[Scratch, ...], needed: Iterable[Path], shared: Path) -> tuple[Window, ...]:
    """Keep labctl's own code and environment visible where a scratch folder would hide them, and the journal."""
    hidden = [path for path in dict.fromkeys(needed) if any(_covers(each, path) for each in (*scratch, *HOST_SCRATCH))]
    code = tuple(Window(str(path), str(path)) for path in hidden)
    return (*code, Window(str(shared), str(SHARED_INSIDE), writable=True))


def _covers(scratch: Scratch, path: Path) -> bool:
    return path.is_relative_to(scratch.path)


def needed_paths(code: Path) -> tuple[Path, ...]:
    """What a labctl inside needs to start: the code, the environment and the Python below it."""
    return tuple(dict.fromkeys((code, Path(sys.prefix), Path(sys.base_prefix), *_link_chain(Path(sys.executable)))))


def real_gcloud(path: str | None) -> Path | None:
    """The real client that a link on PATH leads to, `…/google-cloud-sdk/bin/gcloud`; one of another make is not ours.

    A snap's, for one, is a link to a program that needs a running system around it.
    """
    found = Path(path).resolve() if path else None
    return found if found and found.name == "gcloud" and (found.parents[1] / "lib/gcloud.py").is_file() else None


def _link_chain(path: Path) -> tuple[Path, ...]:
    """The folders through which the interpreter's links lead."""
    folders = []
    while path.is_symlink():
        path = path.parent / path.readlink()
        folders.append(Path(os.path.normpath(path)).parent.parent)
    return tuple(folder for folder in folders if folder not in (Path("/"), Path("/usr")))


def texts(code: Path, backend: str, gcloud: str = "") -> tuple[Text, ...]:
    """The small programs of the world, in front of its PATH; `gcloud` is where a real one lies that is to be used."""
    programs = {
        "sudo": _SUDO,
        "labctl": _launcher(code, "labctl.__main__"),
        "gcloud": _launcher(code, "labctl.cli.gcloud", *filter(None, (gcloud,))),
        "labnet": plugin_launcher(code),
        "kubedns": _server_launcher(code, "labctl.kernel.kubedns", with_packages=True),
        "serve-hostname": _server_launcher(code, "labctl.kernel.hostname_server"),
        "kube-apiserver": _server_launcher(code, "labctl.api.server", with_packages=True),
        "vpc-compute": _server_launcher(code, "labctl.compute.server", with_packages=True),
        "attend": f"#!{Path(sys.executable).resolve()} -IS\n{(code / 'labctl/kernel/inetd.py').read_text('utf-8')}",
        "measure-lookups": _server_launcher(code, "labctl.kernel.lookup_meter"),
    }
    # The wheel's, where ./lab could install it; without it the world has the machine's own, if there is one.
    kubectl = Path(sys.executable).with_name("kubectl")
    if kubectl.is_file():
        programs["kubectl"] = f'#!/bin/sh\nexec {shlex.quote(str(kubectl))} "$@"\n'
    if backend:
        for name in ("iptables", "iptables-save", "iptables-restore"):
            own = name.replace("iptables", f"iptables-{backend}")
            programs[name] = f'#!/bin/sh\nexec {own} "$@"\n'
    scripts = tuple(Text(str(BIN / name), content, 0o755) for name, content in programs.items())
    return (*scripts, Text(str(BASHRC), _BASHRC))


def plugin_launcher(code: Path) -> str:
    """The CNI plug-in as an executable: an absolute interpreter that hears nothing of its caller's environment."""
    interpreter = Path(sys.executable).resolve()
    lines = (
        f"#!{interpreter} -ISB",
        "import gc, sys",
        "gc.disable()  # from the start: what is imported stays, and the call is over before it would be worth it",
        f"sys.path.insert(0, {str(code)!r})",
        "from labctl.cni.plugin import run",
        "",
        "run()",
    )
    return "".join(f"{line}\n" for line in lines)


def _server_launcher(code: Path, module: str, *, with_packages: bool = False) -> str:
    """A program that goes on running: as an executable of its own, so that the list of processes names it.

    One that needs more than Python's own library finds the packages of labctl's environment by their folder: that
    environment's own interpreter may lie at a path with a space, of which a first line like this makes two words.
    """
    folders = (str(code), *(dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib"))) if with_packages else ()))
    lines = (
        f"#!{Path(sys.executable).resolve()} -ISB",
        "import gc, sys",
        "gc.disable()  # what is imported stays: to look through it again and again takes a tenth of a start",
        f"sys.path[:0] = {list(folders)!r}",
        f"from {module} import main",
        "gc.freeze()",
        "gc.enable()",
        "",
        "sys.exit(main())",
    )
    return "".join(f"{line}\n" for line in lines)


def _launcher(code: Path, module: str, *arguments: str) -> str:
    call = f"main({', '.join(map(repr, arguments))})"
    start = f"import sys; sys.path.insert(0, {str(code)!r}); from {module} import main; sys.exit({call})"
    quoted = start.replace("'", "'\\''")
    return f"#!/bin/sh\nexec '{sys.executable}' -P -B -c '{quoted}' \"$@\"\n"
