"""Asks probes: all pings side by side, all connections, all programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.engine.names import ask_names
from labctl.engine.programs import ask_programs
from labctl.engine.spread import ask_spread
from labctl.errors import KernelRefused, WorldGone
from labctl.model.lab import NETNS_FOLDER, Container, Place
from labctl.model.probe import (
    Answer,
    Ping,
    Prints,
    Probe,
    Reserved,
    Resolves,
    RouteVia,
    SeenFrom,
    Shows,
    Spread,
    Succeeds,
)
from labctl.model.store import reserved_address
from labctl.model.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.engine.programs import ProgramQuestion
    from labctl.model.lab import Lab
    from labctl.model.ports import Kernel
    from labctl.model.values import EchoResult

_BRIDGE_FILTER = "net.bridge.bridge-nf-call-iptables"
_ASK_THERE = "is that machine up, and has it come as far? on it: sudo labctl --world host status"


class Prober:
    """Asks, of one lab."""

    def __init__(self, kernel: Kernel, lab: Lab) -> None:
        """Ask through this kernel."""
        self._kernel, self._lab = kernel, lab
        self._born = {container.place for container in lab.containers}

    def ask(self, probes: Sequence[Probe]) -> tuple[Answer, ...]:
        """Ask all; the answers come in the order of the probes."""
        answers: dict[int, Answer] = {}
        targets: dict[int, Ping] = {}
        talks: dict[int, SeenFrom] = {}
        homes: dict[int, Reserved] = {}
        spreads: dict[int, Spread] = {}
        names: dict[int, Resolves] = {}
        programs: dict[int, ProgramQuestion] = {}
        for number, probe in enumerate(probes):
            if self._is_unborn(probe.question.source):
                answers[number] = Answer(yes=False, why=f"there is no container {probe.question.source.container} yet")
                continue
            match probe.question:
                case Ping() as question:
                    targets[number] = question
                case SeenFrom() as question:
                    talks[number] = question
                case Spread() as question:
                    spreads[number] = question
                case Reserved() as question:
                    homes[number] = question
                case Resolves() as question:
                    names[number] = question
                case RouteVia(source, target, device):
                    answers[number] = self._ask_route(source, target, device)
                case Succeeds() | Prints() | Shows() as question:
                    programs[number] = question
        addresses = {number: self._address(question.target) for number, question in targets.items()}
        answers |= {number: address for number, address in addresses.items() if isinstance(address, Answer)}
        pings = {number: (targets[number].source, each) for number, each in addresses.items() if isinstance(each, str)}
        answers |= ask_programs(self._kernel, programs)
        answers |= self._ping(pings) | self._converse(talks) | self._ask_reserved(homes)
        answers |= self._doubt({number: answer for number, answer in answers.items() if not answer.yes}, pings, talks)
        answers |= ask_spread(self._kernel.packets, spreads)
        answers |= ask_names(self._kernel, self._lab, names)
        return tuple(self._judge(probe, answers[number]) for number, probe in enumerate(probes))

    def _doubt(
        self, failed: dict[int, Answer], pings: dict[int, tuple[Place, str]], talks: dict[int, SeenFrom]
    ) -> dict[int, Answer]:
        """Silence from another machine proves something only if the node itself gets an answer from there."""
        lost = {number: each for number, each in pings.items() if number in failed and self._lab.is_beyond(each[1])}
        unheard = {
            number: each for number, each in talks.items() if number in failed and self._lab.is_beyond(each.target)
        }
        controls = self._ping({number: (Place(source.node), address) for number, (source, address) in lost.items()})
        controls |= self._converse(
            {number: replace(each, source=Place(each.source.node)) for number, each in unheard.items()}
        )
        targets = {number: each[1] for number, each in lost.items()}
        targets |= {number: each.target for number, each in unheard.items()}
        why = "{0}; nor has this machine itself an answer from {1}: perhaps nobody is there"
        return {
            number: Answer(None, why.format(failed[number].why, targets[number]), _ASK_THERE)
            for number, control in controls.items()
            if not control.yes
        }

    def _is_unborn(self, place: Place) -> bool:
        """Tell whether a place is a container that the lab's own runtime is yet to make."""
        if not place.container or place in self._born:
            return False
        return self._kernel.files(place.node).info(f"{NETNS_FOLDER}/{place.container}") is None

    def _address(self, target: Container | str) -> str | Answer:
        """The address behind a target: a container's is the one that its node has reserved for it."""
        if isinstance(target, str):
            return target
        try:
            found = reserved_address(self._kernel, target, self._lab.network)
        except WorldGone:
            raise
        except KernelRefused as error:
            return Answer(yes=False, why=error.what)
        return found or Answer(yes=False, why=f"no address is reserved for {target.name}")

    def _ping(self, pings: dict[int, tuple[Place, str]]) -> dict[int, Answer]:
        if not pings:
            return {}
        results = self._kernel.packets.ping(tuple(pings.values()))
        return {number: _of_echo(result) for number, result in zip(pings, results, strict=True)}

    def _converse(self, talks: dict[int, SeenFrom]) -> dict[int, Answer]:
        if not talks:
            return {}
        asks = tuple((each.source, each.target, each.port) for each in talks.values())
        heard = self._kernel.packets.converse_all(asks)
        return {number: _of_talk(question, line) for (number, question), line in zip(talks.items(), heard, strict=True)}

    def _ask_route(self, source: Place, target: str, device: str) -> Answer:
        try:
            route = self._kernel.net(source).route_to(target)
        except WorldGone as error:
            return Answer(None, error.what, error.hint)
        except KernelRefused as error:
            return Answer(yes=False, why=error.what)
        if route is None:
            return Answer(yes=False, why=f"{source} has no route to {target}")
        return Answer(route.device == device, "" if route.device == device else f"it leaves by {route.device}")

    def _ask_reserved(self, homes: dict[int, Reserved]) -> dict[int, Answer]:
        """Who answers for an address must have it in its own namespace; nobody answering is fine too."""
        answers: dict[int, Answer] = {}
        pings: dict[int, tuple[Place, str]] = {}
        owners = self._owners({question.container.node for question in homes.values()})
        for number, question in homes.items():
            container = question.container
            address = self._address(container)
            if isinstance(address, Answer):
                answers[number] = address
            elif self._has(question.source, address):
                why = f"{question.source} itself has {address}, which is reserved for {container.name}"
                answers[number] = Answer(yes=False, why=why)
            elif others := owners.get(address, set()) - {container.name}:
                why = f"{', '.join(sorted(others))} has {address}, which is reserved for {container.name}"
                answers[number] = Answer(yes=False, why=why)
            elif self._has(container.place, address):
                answers[number] = Answer(yes=True)
            else:
                pings[number] = (question.source, address)
        for number, answer in self._ping(pings).items():
            _, address = pings[number]
            name = homes[number].container.name
            taken = Answer(yes=False, why=f"somebody else answers for {address}, which is reserved for {name}")
            answers[number] = {True: taken, False: Answer(yes=True), None: answer}[answer.yes]
        return answers

    def _owners(self, nodes: set[str]) -> dict[str, set[str]]:
        """Which containers of these nodes have an address: where two have it, a ping does not tell who answers."""
        owners: dict[str, set[str]] = {}
        for container in (each for node in nodes for each in self._lab.node(node).containers):
            for held in self._kernel.net(container.place).addresses():
                owners.setdefault(held.cidr.partition("/")[0], set()).add(container.name)
        return owners

    def _has(self, place: Place, address: str) -> bool:
        return any(each.cidr.partition("/")[0] == address for each in self._kernel.net(place).addresses())

    def _judge(self, probe: Probe, answer: Answer) -> Answer:
        """Where a bridge by-passes the packet filter, a yes proves nothing; nor does a no where replies need it."""
        telling = not isinstance(probe.question, Spread)
        if not probe.through_firewall or answer.yes is not telling:
            return answer
        node = probe.question.source.node
        value = self._kernel.setting(Place(node), _BRIDGE_FILTER)
        if value == "1":
            return answer
        said = "it does, but only because" if telling else f"{answer.why}, as"
        why = f"{said} the bridge of {node} by-passes iptables ({_BRIDGE_FILTER} is {value or 'missing'})"
        hint = (
            f"labctl exec {node} -- sysctl -w {_BRIDGE_FILTER}=1" if value is not None else "sudo modprobe br_netfilter"
        )
        return Answer(None, why, hint)


def _of_echo(result: EchoResult) -> Answer:
    return Answer(result.answered if result.measured else None, result.why)


def _of_talk(question: SeenFrom, line: str | KernelRefused) -> Answer:
    if isinstance(line, KernelRefused):
        return Answer(None, line.what, line.hint)
    if not line:
        return Answer(yes=False, why=f"no connection to {question.target} port {question.port} came about")
    return Answer(line == question.address, "" if line == question.address else f"it saw {line}")
