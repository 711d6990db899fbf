"""The world's own `gcloud`: `gcloud compute routes …` on the nodes' PATH, a composition root of its own."""

from __future__ import annotations

import sys

from labctl.errors import LabError
from labctl.kernel.marker import is_inside


def main() -> int:
    """Answer one gcloud command line and give its exit code."""
    from labctl.cli.session import Session
    from labctl.world.gcloud import answer

    if not is_inside():
        print("ERROR: (gcloud) this gcloud works inside the lab only; hint: labctl shell", file=sys.stderr)
        return 1
    try:
        session = Session()
        world = session.world()
        agent = session.sandbox.enter(world, netlink=False)
        try:
            reply = answer(
                sys.argv[1:],
                agent.kernel.cloud,
                world.lab,
                stdin_is_terminal=sys.stdin.isatty(),
                ask=_ask,
            )
        finally:
            agent.close()
    except LabError as error:
        print(f"ERROR: (gcloud) {error.what}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n\nCommand killed by keyboard interrupt\n", file=sys.stderr)
        return 1
    sys.stderr.write(reply.err)
    sys.stdout.write(reply.out)
    return reply.code


def _ask(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline()
