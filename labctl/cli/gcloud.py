"""The world's own `gcloud`, on the nodes' PATH: the real one told to ask the lab's vpc, or the small one where none is.

A composition root of its own. Both ask from the vpc's network namespace: a node whose loopback is down, or whose rules
drop everything, can still be helped, and a container has no loopback at all.
"""

from __future__ import annotations

import os
import sys

from labctl.errors import LabError
from labctl.kernel.marker import is_inside


def main(real: str = "") -> int:
    """Answer one gcloud command line and give its exit code; `real` is the path of a real gcloud, if there is one."""
    from labctl.kernel.process import become
    from labctl.world.gcloud.place import SETTINGS

    if not is_inside():
        print("ERROR: (gcloud) this gcloud works inside the lab only; hint: labctl shell", file=sys.stderr)
        return 1
    try:
        _go_to_service()
        # The person may set another project, or another service.
        os.environ.update(SETTINGS | os.environ)
        if real and os.access(real, os.X_OK):
            become((real, *sys.argv[1:]))
        return _answer()
    except LabError as error:
        hint = f"; hint: {error.hint}" if error.hint else ""
        print(f"ERROR: (gcloud) {error.what}{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n\nCommand killed by keyboard interrupt\n", file=sys.stderr)
        return 1


def _go_to_service() -> None:
    """Be in the vpc's network namespace, and have the vpc attend callers, if somebody has ended what did."""
    from labctl.cli.session import Session
    from labctl.kernel.http_client import is_attended
    from labctl.kernel.inside import join_network
    from labctl.model.compute import ADDRESS, PORT
    from labctl.model.lab import VPC
    from labctl.world.gcloud.place import attend_compute

    session = Session()
    world = session.world()
    join_network(world.record, VPC)
    if not is_attended(ADDRESS, PORT):
        agent = session.sandbox.enter(world)
        try:
            attend_compute(agent.kernel, world.lab)
        finally:
            agent.close()


def _answer() -> int:
    from labctl.kernel.http_client import JsonCaller
    from labctl.model.compute import ADDRESS, PORT
    from labctl.world.gcloud.client import answer

    caller = JsonCaller(ADDRESS, PORT)
    try:
        reply = answer(sys.argv[1:], caller.ask, os.environ, stdin_is_terminal=sys.stdin.isatty(), ask=_ask)
    finally:
        caller.close()
    sys.stderr.write(reply.err)
    sys.stdout.write(reply.out)
    return reply.code


def _ask(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline()
