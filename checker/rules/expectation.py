"""When a heartbeat's next sign is expected, and when `advance` must be asked again. Pure.

Three things can pass by themselves, each with a moment of its own:

- the missed sign: `due_at` (up -> grace, nobody is told), and `due_at + grace` (-> down);
- the overrun: the oldest run under way began (or with `extend_on_progress`, moved last) more than
  `max_runtime` ago, blind time not counted;
- the stall: a backlog, and no progress for `stalled_after`.

A run that is under way within its `max_runtime` has shown up: the missed sign waits for that limit, so that a
job which hangs is told as hanging, and a job longer than its grace is not told at all.
"""

from __future__ import annotations

import math

from checker.model import Cause, MonitorSpec, MonitorState, State
from checker.rules.changed import replace
from checker.rules.usual import limit_of
from checker.schedule import Every, next_due

SETTLE = 60.0  # seconds that journaled pings are given to arrive once sight is back
Passing = tuple[float, Cause]


def due_after(spec: MonitorSpec, at: float) -> float | None:
    """Return when the sign after one at `at` is expected; None when the schedule has no more."""
    if spec.schedule is None:
        return None
    due = next_due(spec.schedule, at)
    return due if math.isfinite(due) else None


def overrun_at(spec: MonitorSpec, state: MonitorState) -> float | None:
    """Return when the oldest run under way is over its limit."""
    if not state.runs or (limit := limit_of(spec, state)) is None:
        return None
    began = state.runs[0][1]
    if spec.extend_on_progress and state.progressed_at is not None:
        began = max(began, state.progressed_at)
    return began + limit + state.allowance


def missed_at(spec: MonitorSpec, state: MonitorState) -> float | None:
    """Return when the expected sign counts as missed."""
    if state.due_at is None:
        return None
    return max(state.due_at + spec.grace, overrun_at(spec, state) or -math.inf)


def stalled_at(spec: MonitorSpec, state: MonitorState) -> float | None:
    """Return when a backlog without progress counts as a stall."""
    if spec.stalled_after is None or not stuck(state) or state.progressed_at is None:
        return None
    return state.progressed_at + spec.stalled_after


def stuck(state: MonitorState) -> bool:
    """Whether work waits, as far as the last figures tell."""
    return state.backlog is not None and state.backlog > 0


def falls(spec: MonitorSpec, state: MonitorState) -> list[Passing]:
    """Return all that can bring the monitor down by itself, earliest first; an overrun before a miss."""
    found = (
        (overrun_at(spec, state), Cause.OVERRUN),
        (stalled_at(spec, state), Cause.STALLED),
        (missed_at(spec, state), Cause.MISSED),
    )
    return sorted(((at, cause) for at, cause in found if at is not None), key=lambda passing: passing[0])


def timed(spec: MonitorSpec, state: MonitorState) -> MonitorState:
    """Return the state with the deadline that follows from it: None when nothing can pass."""
    deadline: float | None = None
    if state.state not in (State.DOWN, State.PAUSED):
        found = (
            overrun_at(spec, state),
            stalled_at(spec, state),
            missed_at(spec, state),
            state.due_at if state.state is State.UP else None,
        )
        deadline = min([at for at in found if at is not None], default=None)
    return state if deadline == state.deadline else replace(state, deadline=deadline)


def unseen(spec: MonitorSpec, state: MonitorState, start: float, end: float) -> MonitorState:
    """Return the state with every moment moved by the time in which the checker could not see.

    An interval that ended in the dark begins anew, as one sign may be lost unseen. A calendar's moment that
    is still to come stays; one that passed in the dark moves, by no more than it takes to hear of it now.
    """
    length = end - start
    return replace(
        state,
        due_at=_moved(spec, state.due_at, end, length),
        allowance=state.allowance + length if state.runs else 0.0,
        progressed_at=state.progressed_at + length
        if stuck(state) and state.progressed_at is not None
        else state.progressed_at,
    )


def _moved(spec: MonitorSpec, due: float | None, end: float, length: float) -> float | None:
    if due is None:
        return None
    if isinstance(spec.schedule, Every):
        return max(due + length, end + spec.schedule.seconds) if due < end else due + length
    return due if due >= end else min(due + length, end + max(spec.grace, SETTLE))
