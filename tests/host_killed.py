"""A labctl that is killed at a chosen change of a host world; run as a process of the machine that plays the host."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any

from labctl.cli.putting_back import put_back
from labctl.cli.session import Session
from labctl.engine.course import Course, builtin_folder
from labctl.engine.hands import NetlinkHands
from labctl.engine.look import Survey
from labctl.engine.runner import Runner
from labctl.engine.snapshot import spell, take
from labctl.world.host.guard import GuardedKernel
from labctl.world.topology import spread
from tests.faulty_kernel import Fault, FaultyKernel, die

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labctl.model.world import Session as Entered

# Later ones have programs that take their time to start.
FIRST_STEPS = Course(builtin_folder()).numbers[:9]


class _Doomed:
    """The port `Machine`, whose kernels kill this process after so many changes."""

    def __init__(self, real: Any, fault: Fault) -> None:  # noqa: ANN401 (the port, passed through)
        self._real, self._fault = real, fault

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (as above)
        return getattr(self._real, name)

    def enter(self, *arguments: Any, **named: Any) -> Entered:  # noqa: ANN401 (as above)
        agent = self._real.enter(*arguments, **named)
        agent.kernel = FaultyKernel(agent.kernel, self._fault)
        return agent  # type: ignore[no-any-return]  # what the real one gives, with one part in other hands


def _dies(work: Callable[[], object]) -> bool:
    """Do it in a process of its own; tell whether that was killed, or came to its end."""
    child = os.fork()
    if child == 0:
        try:
            with redirect_stdout(StringIO()):
                work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def _doomed(home: Path, at: int) -> Session:
    session = Session(home)
    session.host._machine = _Doomed(session.host._machine, Fault(at, after=True, happen=die))  # type: ignore[assignment]  # the one place where the fault gets in
    return session


def kill_in_up(home: Path, at: int) -> bool:
    """Kill `up` after so many changes; tell whether it had as many."""
    return _dies(lambda: _doomed(home, at).host.up(spread(None, None)))


def kill_in_down(home: Path, at: int) -> bool:
    """Do the whole course, and kill `down`; tell whether it had as many changes."""
    session = Session(home)
    if session.host.find() is None:
        session.host.up(spread(None, None))
        _put_back(session, FIRST_STEPS[-1])
    return _dies(_doomed(home, at).host.down)


def kill_in_step(home: Path, number: int, at: int) -> str:
    """Kill a step, then `reset`; say what differs from when nothing was killed, and `-` if it was not."""
    session = Session(home)
    session.host.up(spread(None, None))
    fresh = _put_back(session, number - 1)

    def work() -> None:
        world = session.world()
        agent = session.host._machine.enter(world.record, world.lab)
        doomed = FaultyKernel(agent.kernel, Fault(at, after=True, happen=die))
        guarded: Any = GuardedKernel(doomed, world.lab.nodes[0].name, session.host.baseline())
        survey = Survey(session.course, world.lab, guarded)
        runner = Runner(survey, NetlinkHands(guarded), lambda _event: None, probing=False)
        runner.apply(session.course.lesson(number), world.lab.nodes)

    if not _dies(work):
        return "-"
    again = _put_back(session, number - 1)
    return "" if again == fresh else f"{fresh}\n{again}"


def _put_back(session: Session, to: int) -> str:
    """`reset --to N`; the snapshot after it."""
    with redirect_stdout(StringIO()):
        put_back(session, to if to >= 0 else None, "all", as_json=False)
    world = session.world()
    agent = session.host.enter(world)
    try:
        return spell(take(agent.kernel, world.lab))
    finally:
        agent.close()
