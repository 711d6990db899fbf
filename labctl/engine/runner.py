"""Carries plans out: apply with roll-back; then looks again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labctl.engine.course import nodes_of, where
from labctl.engine.events import AskedBefore, Did, Doing, Finished, Planned, Started, TookBack
from labctl.engine.look import look_at
from labctl.engine.planner import Item, Plan, make_plan
from labctl.errors import LabError
from labctl.model.resource import Absent, Action, own_view, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labctl.engine.events import Event, Listener
    from labctl.engine.hands import Hands
    from labctl.engine.look import Survey
    from labctl.engine.report import Checked, StepReport
    from labctl.model.lab import Node
    from labctl.model.step import Lesson

# Some drift shows only when what hid it is mended (an address on an interface of another name).
_ROUNDS = 3


@dataclass
class Runner:
    """Does steps of one lab, and tells a listener."""

    survey: Survey
    hands: Hands
    listener: Listener
    probing: bool = True
    _made: dict[str, Item] = field(default_factory=dict)

    def apply(self, lesson: Lesson, nodes: tuple[Node, ...]) -> tuple[StepReport, ...]:
        """Do a step on these nodes, one after the other; what is there already is kept.

        The probes of all of them are asked side by side, before anything is done and after all is: a probe that gets
        no answer has to wait for it, and the waits of many cost no more than one.

        Raises:
            MissingStep: an earlier step is missing; nothing was changed.
            ForeignObject, CannotTell: the plan cannot be carried out; nothing was changed.
            KernelRefused: it failed in the middle of a node. What had been made there was taken back, what could not
                be is named; the nodes before it stand, and the listener has heard so.
        """
        plans = {node: self._insist(lesson, node) for node in nodes_of(lesson, self.survey.lab, nodes)}
        before = self._ask_before(lesson, tuple(node for node, plan in plans.items() if plan.pending))
        self.hands.prepare(item.resource for plan in plans.values() for item in plan.pending)
        changed: dict[Node, int] = {}
        try:
            for node, plan in plans.items():
                self.listener(Started(lesson, where(lesson, node)))
                if node in before:
                    self.listener(AskedBefore(before[node]))
                self.listener(Planned(plan.items))
                changed[node] = self._carry_out(lesson, node, plan)
        except LabError as error:
            # A step of the whole lab has but one place: where that failed, nothing is finished.
            with suppress(LabError):
                if changed:
                    self._finish(lesson, changed)
            if len(plans) > 1:
                failed = next(node.name for node in plans if node not in changed)
                stands = f"; done before, step {lesson.number} on {', '.join(node.name for node in changed)} stands"
                error.what = f"on {failed}: {error.what}{stands if changed else ''}"
            raise
        return self._finish(lesson, changed)

    def _insist(self, lesson: Lesson, node: Node) -> Plan:
        """Plan a step, or refuse it."""
        self.survey.require(lesson, node)
        plan = self._plan(lesson, node)
        plan.refuse()
        return plan

    def _plan(self, lesson: Lesson, node: Node) -> Plan:
        return make_plan(self.survey.resources(lesson, node))

    def _ask_before(self, lesson: Lesson, nodes: tuple[Node, ...]) -> dict[Node, tuple[Checked, ...]]:
        if not self.probing:
            return {}
        return dict(zip(nodes, self.survey.ask_before(lesson, nodes), strict=True))

    def _carry_out(self, lesson: Lesson, node: Node, plan: Plan) -> int:
        self._made = {}
        try:
            for _ in range(_ROUNDS):
                if not plan.pending:
                    break
                for items in self.hands.gather(plan.pending):
                    self._make(items, node)
                self.survey.forget(lesson, node)
                plan = self._plan(lesson, node)
                plan.refuse()
        except BaseException as error:
            try:
                self._take_back(error)
            except KeyboardInterrupt:
                # Ctrl-C in the middle of that. It comes once; now it is gone through with.
                self._take_back(error)
                raise
            raise
        return len(self._made)

    def _make(self, items: Sequence[Item], node: Node) -> None:
        for item in items:
            self.listener(Doing(item.resource, str(item.action)))
            # Noted before it is done, for half of it may be there when it fails; and once: what was there at first
            # counts.
            self._made.setdefault(item.resource.key, item)
        self.hands.make(items, node)
        for item in items:
            self.listener(Did(item.resource, str(item.action)))

    def _take_back(self, error: BaseException) -> None:
        """Undo what this run made, the last first; what was mended cannot be unmended, and is named."""
        made = tuple(reversed(self._made.values()))
        troubles = {item.resource.key: self._revert(item) for item in made if item.action is Action.CREATE}
        self.survey.refresh()
        left = []
        for item in made:
            why = self._say_left(item, troubles.get(item.resource.key, ""))
            self._tell_quietly(TookBack(item.resource, why))
            left += [why] if why else []
        if isinstance(error, LabError):
            outcome = f"not taken back: {'; '.join(left)}" if left else "everything was taken back"
            error.what = f"{error.what}; {outcome}"

    def _revert(self, item: Item) -> str:
        """Take one back; say what went wrong."""
        try:
            item.resource.revert(own_view(self.survey.kernel))
        except LabError as trouble:
            return trouble.what
        return ""

    def _say_left(self, item: Item, trouble: str) -> str:
        """Look whether a resource is again as it was before the run; empty if it is."""
        now = look_at(item.resource, self.survey.kernel)
        state, why = state_of(now)
        if trouble:
            return f"{item.resource.key} ({trouble}; it is {state} now)"
        if isinstance(now, Absent) if item.action is Action.CREATE else now == item.seen:
            return ""
        return f"{item.resource.key} (before: {item.reason}; now: {why or state})"

    def _tell_quietly(self, event: Event) -> None:
        # What cannot be told (a full disk, a closed pipe) must not keep the rest from being taken back.
        with suppress(Exception):
            self.listener(event)

    def _finish(self, lesson: Lesson, changed: dict[Node, int]) -> tuple[StepReport, ...]:
        nodes = tuple(changed)
        if not nodes:
            return ()  # it failed on the first one; a step of the whole lab would be looked at all the same
        if self.probing:
            reports = self.survey.reports((lesson,), nodes)
        else:
            reports = tuple(self.survey.bare(lesson, node) for node in nodes)
        for report, count in zip(reports, changed.values(), strict=True):
            self.listener(Finished(report, count))
        return reports
