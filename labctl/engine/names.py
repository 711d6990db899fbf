"""Asks DNS what a program at a place would ask, and says whether the answer is the expected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labctl.errors import KernelRefused, WorldGone
from labctl.model.probe import Answer, Resolves
from labctl.model.resolver import LOCAL_NAMESERVER, RESOLVER_FILE, ResolverConfiguration, read_resolver, resolver_path
from labctl.model.store import reserved_address
from labctl.model.values import NameAsk

if TYPE_CHECKING:
    from labctl.model.lab import Container, Lab, Place
    from labctl.model.ports import Kernel
    from labctl.model.values import NameAnswer

_PORT = 53


def ask_names(kernel: Kernel, lab: Lab, questions: dict[int, Resolves]) -> dict[int, Answer]:
    """Ask them all side by side."""
    prepared = {number: _prepare(kernel, question) for number, question in questions.items()}
    answers = {number: each for number, each in prepared.items() if isinstance(each, Answer)}
    asks = {number: each for number, each in prepared.items() if isinstance(each, NameAsk)}
    heard = kernel.packets.ask_names(tuple(asks.values())) if asks else ()
    for number, answer in zip(asks, heard, strict=True):
        answers[number] = _judge(kernel, lab, questions[number], answer)
    return answers


def _prepare(kernel: Kernel, question: Resolves) -> NameAsk | Answer:
    """Find out whom to ask; where there is nobody, that is the answer."""
    source = question.source
    try:
        resolver = find_resolver(kernel, source)
        server = resolver.nameservers[0]
        if server == LOCAL_NAMESERVER and not _is_nameserver(kernel, source):
            return Answer(yes=False, why=f"{source} knows no nameserver but itself, and is none")
    except WorldGone:
        raise
    except KernelRefused as error:
        return Answer(None, error.what, error.hint)
    return NameAsk(source, server, resolver.candidates(question.name), question.kind)


def _is_nameserver(kernel: Kernel, place: Place) -> bool:
    return any((each.protocol, each.port) == ("udp", _PORT) for each in kernel.net(place).listeners())


def find_resolver(kernel: Kernel, place: Place) -> ResolverConfiguration:
    """What a program that is started at a place finds in /etc/resolv.conf."""
    files = kernel.files(place.node)
    own = files.read(resolver_path(place.container)) if place.container else None
    return read_resolver((files.read(RESOLVER_FILE) or "") if own is None else own)


def _judge(kernel: Kernel, lab: Lab, question: Resolves, heard: NameAnswer | KernelRefused) -> Answer:
    if isinstance(heard, KernelRefused):
        return Answer(None, heard.what, heard.hint)
    if not heard.code:
        return Answer(yes=False, why=heard.why)
    expected = {_spell(kernel, lab, each) for each in question.expected}
    if (heard.code, set(heard.data)) == (question.code, expected):
        return Answer(yes=True)
    why = f"the answer is {_say(heard.code, heard.data)}; expected {_say(question.code, expected)}"
    return Answer(yes=False, why=why)


def _spell(kernel: Kernel, lab: Lab, expected: Container | str) -> str:
    if isinstance(expected, str):
        return expected
    return reserved_address(kernel, expected, lab.network) or f"the address of {expected.name}, which has none"


def _say(code: str, data: tuple[str, ...] | set[str]) -> str:
    if data:
        return ", ".join(sorted(data))
    return "that there are no such records" if code == "NOERROR" else code
