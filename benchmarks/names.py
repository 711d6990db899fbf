"""Measures how long a container waits for a name: each question by a fresh socket, through the DNS Service's address.

With `--write` the table goes into docs/performance.md too, between its marks.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.document import write_between  # noqa: E402 (the path is set above)
from benchmarks.figures import Figure, table  # noqa: E402 (the path is set above)
from labctl.model.naming import SERVICES_FOLDER  # noqa: E402 (as above)
from labctl.model.service import dns_service, my_service  # noqa: E402 (as above)
from tests.lab_under_test import LabUnderTest  # noqa: E402 (as above)

RUNS = 300
MANY = 1000
BOUND = 0.005
STEP = "kube_dns"
BEGIN, END = "<!-- figures of DNS -->", "<!-- end of figures of DNS -->"

# Run in the container by the machine's own Python: a question, and the answer to it, as plain bytes (RFC 1035).
_ASK = """
import socket, statistics, struct, sys, time
server, name, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
question = b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\\0" + struct.pack("!2H", 1, 1)
took = []
for number in range(runs):
    query = struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        began = time.perf_counter()
        sock.sendto(query, (server, 53))
        answer = sock.recv(4096)
        took.append(time.perf_counter() - began)
    ident, flags, _, answers, *_ = struct.unpack_from("!6H", answer)
    assert (ident, flags & 15, answers) == (number, 0, 1), answer
print(statistics.median(took))
"""


def measure() -> tuple[Figure, ...]:
    """Ask from a pod of the DNS pod's node, from one of the other, and again when there are many Services."""
    with tempfile.TemporaryDirectory() as folder, LabUnderTest(Path(folder) / "home") as lab:
        number = next(each.number for each in lab.session.course.lessons() if each.slug == STEP)
        lab.apply(range(number + 1))
        near, far = (str(node.containers[0].place) for node in lab.lab.nodes)
        figures = [
            _figure("an answer to a container of the DNS pod's node", _ask(lab, near)),
            _figure("an answer to a container of another node", _ask(lab, far)),
        ]
        entries = f"for n in $(seq {MANY}); do echo clusterIP 10.96.9.9 >{SERVICES_FOLDER}/service-$n.many; done"
        assert lab.type(lab.lab.nodes[0].name, entries).code == 0
        figures.append(_figure(f"an answer where there are {MANY:,} Services", _ask(lab, near)))
    return tuple(figures)


def _figure(what: str, took: float) -> Figure:
    return Figure(what, f"{took * 1000:.2f} ms", f"≤ {BOUND * 1000:.0f} ms", took <= BOUND)


def _ask(lab: LabUnderTest, place: str) -> float:
    service = my_service(lab.lab)
    name = f"{service.name}.{service.namespace}.svc.cluster.local"
    argv = ("python3", "-I", "-c", _ASK, dns_service(lab.lab).cluster_ip, name, str(RUNS))
    done = lab.kernel.programs(lab.lab.place(place)).run(argv)
    assert done.code == 0, done.err
    return float(done.out)


def main(arguments: list[str]) -> int:
    """Measure, print, and write if asked."""
    measured = measure()
    text = table(list(measured), RUNS)
    print(text)
    if "--write" in arguments:
        write_between("docs/performance.md", (BEGIN, END), text)
    return 0 if all(each.fine for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
