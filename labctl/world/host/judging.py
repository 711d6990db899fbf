"""Of what was there before, which is it that a resource has met: so that a refusal can name it, and whose it looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from labctl.model.iptables_save import spell_words
from labctl.model.resource import Present
from labctl.world.host.owners import whose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.model.baseline import Baseline
    from labctl.model.resource import Resource, Seen
    from labctl.world.host.own import Hidden

Said: TypeAlias = "tuple[str, tuple[str, ...]]"


def named_address(resource: Resource, hidden: Hidden) -> Said | None:
    """An address that was there before and is the one that this resource is to be."""
    for what, address in hidden.addresses.items():
        if address.cidr.partition("/")[0] in resource.key.split("/"):
            return what, (address.device,)
    return None


def pick(resource: Resource, seen: Seen, hidden: Hidden) -> Said:
    """Of all that was left out, what this resource is about: a name, or a rule that was spelled or is of its range."""
    if hidden.named:
        return next(iter(hidden.named.items()))
    said = (*seen.drift, seen.note) if isinstance(seen, Present) else ()
    told = " ".join((resource.key, *said))
    for name, route in hidden.cloud.items():
        if name in told:
            return f"the route {name}", (route.description,)
    ranges = {word for word in told.split() if "." in word and word[:1].isdigit()}
    # The longest first: `-j ACCEPT` is part of many.
    rules = sorted(hidden.rules.items(), key=lambda each: (each[1].chain not in told, -len(each[0])))
    spelled = [what for what, rule in rules if spell_words(_without_comment(rule.words)) in told]
    alike = [what for what, rule in rules if ranges & set(rule.words)]
    for what in (*spelled, *alike):
        return what, (hidden.rules[what].chain, *hidden.rules[what].words)
    return next((each for each in said if each), resource.key), ()


def _without_comment(words: tuple[str, ...]) -> tuple[str, ...]:
    """As the reading of rules says them."""
    at = words.index("--comment") if "--comment" in words else 0
    return (*words[: at - 2], *words[at + 2 :]) if at else words


def say_old(what: str, words: Sequence[str], baseline: Baseline) -> str:
    """Say that something was there before, and whose it looks."""
    owner = whose((what, *words), baseline)
    return f"{what} was there before `labctl up`" + (f", and looks like {owner}" if owner else "")
