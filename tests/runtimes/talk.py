"""Containers that a runtime's own command line starts: one serves, another asks it, and what the asker saw."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab_under_test import labctl_command
from tests.runtimes.image import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labctl.model.lab import Node
    from tests.lab_under_test import LabUnderTest

_SHOW = "ip -o -4 address show dev eth0"
# httpd goes into the background once it listens; cat ends when we hang up, and the container with it.
_SERVE = ("sh", "-c", f"{_SHOW}; httpd -p 80 -h /www; echo listening; cat")
_SECONDS = 60.0


@contextmanager
def serving(lab: LabUnderTest, node: Node, run: Sequence[str]) -> Iterator[str]:
    """Run a container that serves a page until the block ends; give its address. `run` starts a command in one."""
    process = subprocess.Popen(
        (*labctl_command(), "exec", node.name, "--", *run, *_SERVE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LABCTL_HOME": str(lab.home)},
    )
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        said = ""
        for line in process.stdout:
            said += line
            if line == "listening\n":
                break
        yield _address_in(node, said)
        process.stdin.close()
        assert process.wait(_SECONDS) == 0


def ask(lab: LabUnderTest, node: Node, run: Sequence[str], address: str) -> None:
    """Run a container that pings another, fetches its page and one of the internet: all answer."""
    asks = (f"ping -c 1 -W 5 {address}", f"wget -q -O - http://{address}/", f"wget -q -O - http://{lab.lab.internet}/")
    script = " && ".join((_SHOW, *asks))
    done = lab.kernel.programs(node.place).run((*run, "sh", "-c", script))
    assert done.code == 0, done.out + done.err
    _address_in(node, done.out)
    assert "1 packets received" in done.out
    assert PAGE in done.out
    # The internet tells whom it saw: the node.
    assert str(node.address) in done.out.rpartition(PAGE)[2]


def _address_in(node: Node, said: str) -> str:
    found = re.search(r"inet ([\d.]+)/", said)
    assert found, said
    assert found[1] in {str(each) for each in node.pod_range.hosts()}
    return found[1]
