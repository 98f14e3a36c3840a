"""What a look at an endpoint or at one component does to its state. Pure.

Down after `fail_after` looks in a row that failed, or where `fail_when` is given, once m of the last n did;
warn after as many that did not pass; out of either after `recover_after` looks in a row that did not fail, or
passed. A brief blip below the threshold changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from checker.model import NOTHING, Cause, Command, MonitorSpec, MonitorState, Poll, State, Verdict
from checker.rules import reasons
from checker.rules.changed import replace
from checker.rules.text import clean, plain
from checker.rules.transition import BAD, Step, change

MAX_FIGURES = 12
MAX_INSTANCE = 100  # characters of an instance's name


def on_poll(spec: MonitorSpec, state: MonitorState, poll: Poll, now: float) -> Step:
    """Return what one look makes of the state; it changes nothing when paused, or older than the last one."""
    at = min(poll.at, now) if math.isfinite(poll.at) else now
    if state.state is State.PAUSED or (state.last_seen is not None and at < state.last_seen <= now):
        return state, ()
    counted = _counted(spec, state, poll, at)
    into = _next(spec, counted, poll.verdict)
    new = replace(counted, state=into)
    if into not in BAD:
        new = replace(new, cause=Cause.NONE, reason="")
    if state.state in BAD and into is State.UP:
        new = replace(new, first_failure=None)
    elif state.state is State.DOWN and into is State.WARN:
        new = replace(new, first_failure=at)
    if into in BAD and _speaks_for(into, poll.verdict):
        new = replace(new, cause=_cause(poll), reason=clean(poll.reason))
    if into is state.state:
        return new, ()
    return change(
        state, new, now, own=not _parts_fall(poll), http_status=poll.http_status, latency=poll.latency,
        value=new.value, unit=new.unit, failures=new.failures or None, figures=_figures(poll) or None,
    )  # fmt: skip


def on_command(state: MonitorState, command: Command, now: float) -> Step:
    """Pause, or resume as new: the next look decides."""
    new = state
    if command.verb == "pause" and state.state is not State.PAUSED:
        new = replace(_fresh(state, State.PAUSED), cause=Cause.OPERATOR, reason=reasons.paused(command.by))
    elif command.verb == "resume" and state.state is State.PAUSED:
        new = _fresh(state, State.NEW)
    return change(state, new, now, cause=Cause.OPERATOR)


def _parts_fall(poll: Poll) -> bool:
    """Tell whether an endpoint is not well because components of it are not."""
    return any(part.verdict is not Verdict.PASS for _, part in poll.components)


def _figures(poll: Poll) -> dict[str, Any]:
    """Return the plain values among a component's details: a queue's depth by state, its oldest job, ..."""
    found = {
        clean(key, 60): value for key, value in poll.details.items() if isinstance(value, int | float | str)
    }
    return {key: plain(value) for key, value in list(found.items())[:MAX_FIGURES]}


def _fresh(state: MonitorState, into: State) -> MonitorState:
    return replace(
        state, state=into, cause=Cause.NONE, reason="", failures=0, successes=0, warnings=0, passes=0,
        first_failure=None, looks=0,
    )  # fmt: skip


def _counted(spec: MonitorSpec, state: MonitorState, poll: Poll, at: float) -> MonitorState:
    failed, passed = poll.verdict is Verdict.FAIL, poll.verdict is Verdict.PASS
    return replace(
        state,
        failures=state.failures + 1 if failed else 0,
        successes=0 if failed else state.successes + 1,
        warnings=0 if passed else state.warnings + 1,
        passes=state.passes + 1 if passed else 0,
        first_failure=_first_failure(state, poll.verdict, at),
        last_good=state.last_good if failed else at,
        last_seen=at,
        latency=poll.latency if poll.latency is not None else state.latency,
        value=plain(poll.value),
        unit=clean(poll.unit, 40) if poll.unit else None,
        **told_by(state, poll),
        looks=((state.looks << 1) | failed) & ((1 << spec.fail_when[1]) - 1) if spec.fail_when else 0,
    )


def told_by(state: MonitorState, poll: Poll) -> Mapping[str, Any]:
    """Return which process answered last, and with which of its readings, where the answer tells it."""
    if poll.origin is None:
        return NOTHING
    same = poll.origin.instance == state.instance
    name = state.instance if same else clean(poll.origin.instance, MAX_INSTANCE)
    return {"instance": name, "sequence": poll.origin.sequence}


def _first_failure(state: MonitorState, verdict: Verdict, at: float) -> float | None:
    """Return when the present row began; while down, a single good look in between does not end it."""
    if state.state is State.DOWN and state.first_failure is not None:
        return state.first_failure
    if verdict is Verdict.PASS:
        return state.first_failure if state.state is State.WARN else None
    if verdict is Verdict.FAIL and state.failures == 0:
        return at
    return at if state.first_failure is None else state.first_failure


def _next(spec: MonitorSpec, counted: MonitorState, verdict: Verdict) -> State:
    if _is_down(spec, counted):
        return State.DOWN
    if counted.state is State.DOWN:
        recovered = counted.successes >= spec.recover_after
        return _level(verdict) if recovered else State.DOWN
    if counted.warnings >= (spec.fail_when[0] if spec.fail_when else spec.fail_after):
        return State.WARN
    if counted.state is State.WARN:
        return State.UP if counted.passes >= spec.recover_after else State.WARN
    return State.UP if verdict is Verdict.PASS else counted.state


def _is_down(spec: MonitorSpec, counted: MonitorState) -> bool:
    if spec.fail_when is None:
        return counted.failures >= spec.fail_after
    return counted.looks.bit_count() >= spec.fail_when[0]


def _level(verdict: Verdict) -> State:
    return State.UP if verdict is Verdict.PASS else State.WARN


def _speaks_for(state: State, verdict: Verdict) -> bool:
    """Whether a look of this verdict gives the reason for being in this state."""
    return verdict is (Verdict.FAIL if state is State.DOWN else Verdict.WARN) or (
        state is State.WARN and verdict is Verdict.FAIL
    )


def _cause(poll: Poll) -> Cause:
    if poll.cause is not Cause.NONE:
        return poll.cause
    return Cause.FAILING if poll.verdict is Verdict.FAIL else Cause.DEGRADED
