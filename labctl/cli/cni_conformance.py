"""`labctl cni conformance`: any CNI plug-in, held against the specification."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labctl.cli.session import Session
from labctl.cli.ticker import ticking
from labctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.check import Check, Verdict


def conformance(
    plugin: Annotated[Path, typer.Argument(metavar="PLUGIN", help="The plug-in's executable, on this machine.")],
    conf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its configuration (or list); else one that fits a bridge plug-in."),
    ] = None,
    ipam: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the IPAM plug-in is that the configuration names (host-local)."),
    ] = None,
    only: Annotated[str, typer.Option(metavar="ID,…", help="Only these checks: ADD-03, or DEL for all of DEL.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    as_junit: Annotated[bool, typer.Option("--junit", help="Answer as JUnit XML.")] = False,
) -> None:
    """Hold any CNI plug-in against the CNI specification 1.1.0, check by check.

    It runs in a world of its own that is thrown away: no root, and nothing of this machine is changed. Exit code 0 if
    no MUST fails, 1 if one does, 6 if a check could not be carried out.

    Examples:
        labctl cni conformance /usr/lib/cni/bridge --ipam /usr/lib/cni
        labctl cni conformance ./my-plugin --conf my.conflist --json
        labctl cni conformance ./my-plugin --only ADD,DEL-03
    """
    from labctl.cni.conformance import report, runner
    from labctl.cni.conformance.checks import CHECKS

    if as_json and as_junit:
        raise UsageError("--json and --junit are two answers", "choose one of them")
    chosen = runner.choose(CHECKS, only)
    try:
        with _bench(plugin, conf, ipam) as bench:
            verdicts = _ask(bench, chosen)
    except KeyboardInterrupt:
        from labctl.cli.tally import same_command

        raise KeyboardInterrupt(f"the world of the checks is gone again; once more: {same_command()}") from None
    if as_json:
        print(json.dumps(report.as_document(str(plugin), verdicts), indent=1))
    elif as_junit:
        sys.stdout.write(report.as_junit(str(plugin), verdicts))
    else:
        from labctl.cli.screen.conformance import show

        show(str(plugin), verdicts)
    raise typer.Exit(runner.exit_code(verdicts))


def _ask(bench: Bench, chosen: Sequence[Check]) -> list[Verdict]:
    from labctl.cni.conformance import runner

    with ticking("") as show:
        counted = iter(range(1, len(chosen) + 1))
        return list(runner.ask_all(bench, chosen, lambda said: show(f"{next(counted)}/{len(chosen)}  {said}")))


@contextmanager
def _bench(plugin: Path, conf: Path | None, ipam: Path | None) -> Iterator[Bench]:
    """A world of one node for this alone, with the plug-in in it; gone afterwards, however it ends."""
    from labctl.cni.conformance.bench import Bench
    from labctl.cni.conformance.network import Network, default_configuration, read_configuration
    from labctl.cni.conformance.staging import stage
    from labctl.world.topology import spread

    plugin = plugin.absolute()
    configuration = (
        read_configuration(conf, plugin.name) if conf else default_configuration(plugin.name, delegated=bool(ipam))
    )
    network = Network(configuration)
    delegate = ipam / network.delegate if ipam and network.delegate else None
    with tempfile.TemporaryDirectory(prefix="labctl-conformance-") as home:
        session = Session(Path(home), "sandbox")
        session.outside_only("cni conformance")
        try:
            world = session.sandbox.up(spread(1, 1))
            agent = session.sandbox.enter(world)
            try:
                programs = agent.kernel.programs(world.lab.nodes[0].place)
                yield Bench(agent.kernel, world.lab, stage(programs, plugin, delegate), network)
            finally:
                agent.close()
        finally:
            session.take_down()
