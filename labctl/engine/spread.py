"""Asks who answers behind an address, by many connections, and whether each got its share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labctl.errors import KernelRefused
from labctl.model.probe import Answer, share_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labctl.model.lab import Place
    from labctl.model.ports import Packets
    from labctl.model.probe import Spread
    from labctl.model.values import Heard


def ask_spread(packets: Packets, questions: Mapping[int, Spread]) -> dict[int, Answer]:
    """Ask all side by side: one connection each, and the others only where that one was answered."""
    if not questions:
        return {}
    heard = dict(zip(questions, packets.fetch_all([_ask(each) for each in questions.values()]), strict=True))
    answers = {number: _judge(questions[number], [each], 1) for number, each in heard.items()}
    more = [number for number, answer in answers.items() if answer.yes and questions[number].connections > 1]
    asks = [_ask(questions[number]) for number in more for _ in range(questions[number].connections - 1)]
    rest = iter(packets.fetch_all(asks) if asks else ())
    for number in more:
        question = questions[number]
        every = [heard[number], *(next(rest) for _ in range(question.connections - 1))]
        answers[number] = _judge(question, every, question.connections)
    return answers


def _ask(question: Spread) -> tuple[Place, str, int]:
    return question.source, question.target, question.port


def _judge(question: Spread, heard: Sequence[Heard | KernelRefused], connections: int) -> Answer:
    where = f"{question.target} port {question.port}"
    said: list[Heard] = []
    for each in heard:
        if isinstance(each, KernelRefused):
            return Answer(None, each.what, each.hint)
        said.append(each)
    if silent := [each for each in said if not each.text]:
        many = f" ({len(silent)} of {connections})" if connections > 1 else ""
        return Answer(yes=False, why=f"{where} does not answer{many}: {silent[0].why or 'silence'}")
    counts = Counter(each.text for each in said)
    if strangers := [name for name in counts if name not in question.among]:
        return Answer(yes=False, why=f"{where} was answered by {strangers[0]}; expected {' or '.join(question.among)}")
    if connections == 1:
        return Answer(yes=True)
    low, high = share_bounds(connections, len(question.among))
    shares = ", ".join(f"{name} {counts[name]}" for name in question.among)
    unfair = [name for name in question.among if not low <= counts[name] <= high]
    return Answer(not unfair, f"{shares}; expected {low} to {high} each" if unfair else shares)
