"""The program `kube-apiserver` of the lab's first node: a composition root of its own, started with a step."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from labctl.api.app import Api
from labctl.api.gate import MOST_HEAD
from labctl.api.store import Store
from labctl.api.view import View
from labctl.api.wire import BoundedProtocol
from labctl.engine.journal import read_events
from labctl.errors import LabError, UsageError
from labctl.kernel.machine import LinuxMachine
from labctl.kernel.marker import is_inside
from labctl.model.kubeconfig import API_ADDRESS, API_PORT, AUTHORITY_FILE, KEY_FILE, USERS
from labctl.world.sandbox import Sandbox
from labctl.world.state import State, world_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labctl.api.kind import Json, Kind
    from labctl.model.ports import Kernel
    from labctl.world.host.world import HostWorld
    from labctl.world.sandbox import World

_RELEASE = "37"
"""The minor version of Kubernetes whose kubectl is in the lock file: that asks for nothing that is not here."""


def main() -> int:
    """Serve until told to stop; 2 for a wrong option, 1 without a certificate, 5 where it cannot otherwise."""
    options = _read(sys.argv[1:])
    try:
        sandbox, state = _find_lab()
        world = sandbox.find()
        if world is None:
            raise UsageError("the lab has no world", "labctl up")
        _check_certificate(options.tls_cert_file, options.tls_private_key_file)
        # Before anything starts a thread: it forks.
        agent = sandbox.enter(world)
        try:
            _serve(options, agent.kernel, world, state)
        finally:
            agent.close()
    except LabError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        print(f"kube-apiserver: {error.what}{hint}", file=sys.stderr)  # noqa: T201 (a program of its own)
        return error.exit_code
    return 0


def _find_lab() -> tuple[Sandbox | HostWorld, State]:
    """The lab in which this was started: a sandbox that we are inside of, or the machine itself.

    Raises:
        UsageError: neither.
    """
    if is_inside():
        state = State.find(os.environ, inside=True)
        return Sandbox(state, LinuxMachine(), os.environ), state
    if os.environ.get("LABCTL_WORLD") != "host":
        raise UsageError("kube-apiserver works inside the lab only", "labctl shell")
    from labctl.world.host.world import HostWorld  # a tenth of all that is imported, and a sandbox needs none of it

    state = State.find(os.environ, inside=False, host=True)
    return HostWorld(state, LinuxMachine(), os.environ, lambda _said: None), state


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("kube-apiserver", description="The lab's world as Kubernetes objects, read-only.")
    parser.add_argument("--bind-address", default=API_ADDRESS)
    parser.add_argument("--secure-port", type=int, default=API_PORT)
    parser.add_argument("--tls-cert-file", default=AUTHORITY_FILE)
    parser.add_argument("--tls-private-key-file", default=KEY_FILE)
    parser.add_argument("--patience", type=float, default=10.0, help="seconds that a slow caller has")
    return parser.parse_args(arguments)


def _check_certificate(certificate: str, key: str) -> None:
    """Say in one line why there could be no TLS (ssl names no file).

    Raises:
        LabError: with exit code 1, as a server that does not come up has.
    """
    try:
        for path in (certificate, key):
            Path(path).read_bytes()
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password="")
    except OSError as error:
        what = f"{certificate} and {key} are no certificate and its key"
        if error.filename:
            what = f"{error.filename} cannot be read: {(error.strerror or str(error)).lower()}"
        failure = LabError(what, "which step makes it, and what stands: labctl status")
        failure.exit_code = 1
        raise failure from None


def _serve(options: argparse.Namespace, kernel: Kernel, world: World, state: State) -> None:
    hands = ThreadPoolExecutor(1)  # the agent answers one at a time
    address = f"{options.bind_address}:{options.secure_port}"
    store = Store(_Looker(hands, _views(kernel, world, state)), int(time.time() * 1000))
    api = Api(store, tuple(user.token for user in USERS), _version(), address, options.patience)
    protocol = type("Protocol", (BoundedProtocol,), {"patience": options.patience})
    config = uvicorn.Config(
        api,
        host=options.bind_address,
        port=options.secure_port,
        loop="asyncio",
        http=protocol,
        ssl_certfile=options.tls_cert_file,
        ssl_keyfile=options.tls_private_key_file,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=MOST_HEAD,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    finally:
        hands.shutdown(cancel_futures=True)


class _Looker:
    """Looks, in the one thread that may, and finds the objects of a kind."""

    def __init__(self, hands: ThreadPoolExecutor, view: Callable[[], View]) -> None:
        self._hands, self._view = hands, view

    async def __call__(self, kind: Kind) -> list[Json]:
        return await asyncio.get_running_loop().run_in_executor(self._hands, lambda: kind.find(self._view()))


def _views(kernel: Kernel, world: World, state: State) -> Callable[[], View]:
    """A view of what is there now, each time."""
    name = world_id(world)
    root = kernel.standings([world.lab.nodes[0].place])[0]
    born = root.born if root else time.time()
    path = state.open_journal_file()

    def look() -> View:
        kernel.refresh()
        return View(kernel, world.lab, name, born, lambda: read_events(path, name))

    return look


def _version() -> Json:
    return {
        "major": "1",
        "minor": _RELEASE,
        "gitVersion": f"v1.{_RELEASE}.0+labctl",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{platform.machine()}",
    }
