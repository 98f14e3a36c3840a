"""What a ping, a passed deadline, blind time and an operator's word do to a heartbeat. Pure.

Time: a ping counts from its own `at` (a journaled one may be old), never from the future. One that is older
than an outcome already known never moves the state backwards: a late fail is history; a late success may fill
a gap it covers. When the clock itself went back (`last_seen` is ahead of `now`), what arrives is new.
"""

from __future__ import annotations

import math

from checker.model import Blind, Cause, Command, MonitorSpec, MonitorState, Ping, PingKind, State
from checker.rules import progress, reasons, runs
from checker.rules.changed import replace
from checker.rules.expectation import due_after, falls, timed, unseen
from checker.rules.text import output
from checker.rules.transition import Step, change
from checker.rules.usual import KEPT, limit_of, usual


def on_ping(spec: MonitorSpec, state: MonitorState, ping: Ping, now: float) -> Step:
    """Return what a ping makes of the state; a paused one wakes up with a success or a start."""
    at = min(ping.at, now) if math.isfinite(ping.at) else now
    jumped = state.last_seen is not None and state.last_seen > now
    in_order = jumped or state.last_seen is None or at >= state.last_seen
    seen = replace(state, pings=state.pings + 1, last_seen=at if in_order else state.last_seen)
    if ping.kind is PingKind.IGNORED:
        return seen, ()
    if state.state is State.PAUSED and (
        spec.manual_resume or ping.kind not in (PingKind.SUCCESS, PingKind.START)
    ):
        return seen, ()
    if in_order:
        seen = progress.counted(seen, ping, at)
        if ping.metrics:
            seen = replace(seen, value=dict(ping.metrics))
    if ping.kind is PingKind.LOG:
        return _told(spec, state, _moving_again(state, seen), ping, now)
    if ping.kind is PingKind.START:
        return _told(spec, state, _started(spec, state, seen, ping, at, jumped, now), ping, now)
    return _ended(spec, state, seen, ping, at, jumped, now)


def on_deadline(spec: MonitorSpec, state: MonitorState, now: float) -> Step:
    """Return what has passed by itself at `now`: nothing, the grace time begun, or a fall with its cause."""
    if state.state in (State.DOWN, State.PAUSED):
        return timed(spec, state), ()
    passed = [(at, cause) for at, cause in falls(spec, state) if at <= now]
    if passed:
        return _fallen(spec, state, passed[0][1], now)
    if state.state is State.UP and state.due_at is not None and state.due_at <= now:
        return change(state, timed(spec, replace(state, state=State.GRACE)), now, due_at=state.due_at)
    return timed(spec, state), ()


def on_blind(spec: MonitorSpec, state: MonitorState, blind: Blind) -> Step:
    """Move every deadline by the time not seen; nothing is counted for or against the monitor."""
    if blind.number > state.told:
        state = replace(state, told=blind.number)
    if state.state is State.PAUSED or not 0 < blind.end - blind.start < math.inf:
        return state, ()
    return timed(spec, unseen(spec, state, blind.start, blind.end)), ()


def on_command(spec: MonitorSpec, state: MonitorState, command: Command, now: float) -> Step:
    """Pause, or resume as new with a fresh expectation."""
    new = state
    if command.verb == "pause" and state.state is not State.PAUSED:
        new = replace(_fresh(state, State.PAUSED), cause=Cause.OPERATOR, reason=reasons.paused(command.by))
    elif command.verb == "resume" and state.state is State.PAUSED:
        new = expecting(spec, _fresh(state, State.NEW), now)
    return change(state, timed(spec, new), now, cause=Cause.OPERATOR)


def expecting(spec: MonitorSpec, state: MonitorState, now: float) -> MonitorState:
    """Return the state with its first expectation, counted from `now`.

    One from the configuration file is expected at once: its absence is the alarm. One made by the API or by a
    ping waits for its first sign, as in Healthchecks.
    """
    if spec.source != "file" and state.last_seen is None:
        return replace(state, due_at=None)
    return replace(state, due_at=due_after(spec, now))


def _fresh(state: MonitorState, into: State) -> MonitorState:
    return replace(
        state, state=into, cause=Cause.NONE, reason="", failures=0, successes=0, first_failure=None, runs=(),
        allowance=0.0, due_at=None, backlog=None,
    )  # fmt: skip


def _fallen(spec: MonitorSpec, state: MonitorState, cause: Cause, now: float) -> Step:
    began = {
        Cause.OVERRUN: state.runs[0][1] if state.runs else None,
        Cause.STALLED: state.progressed_at,
        Cause.MISSED: state.due_at,
    }[cause]
    new = replace(
        state, state=State.DOWN, cause=cause, reason=reasons.fallen(spec, state, cause, now), successes=0,
        failures=state.failures + 1,
        first_failure=began if state.first_failure is None else state.first_failure,
    )  # fmt: skip
    return change(
        state, timed(spec, new), now, due_at=state.due_at, last_seen=state.last_seen,
        last_duration=state.last_duration, usual_duration=usual(state.durations),
        started=state.runs[0][1] if state.runs else None,
        processed=state.processed, backlog=state.backlog,
    )  # fmt: skip


def _told(spec: MonitorSpec, old: MonitorState, new: MonitorState, ping: Ping, now: float) -> Step:
    return change(old, timed(spec, new), now, processed=new.processed, backlog=new.backlog, rid=ping.rid)


def _moving_again(old: MonitorState, seen: MonitorState) -> MonitorState:
    """Return the state up again if it was down for a stall, and work moves or none is left."""
    if old.state is State.DOWN and old.cause is Cause.STALLED and progress.moved(old, seen):
        return _well(seen, seen.last_good)
    return seen


def _well(state: MonitorState, last_good: float | None) -> MonitorState:
    return replace(
        state, state=State.UP, cause=Cause.NONE, reason="", failures=0, successes=state.successes + 1,
        first_failure=None, last_good=last_good,
    )  # fmt: skip


def _started(
    spec: MonitorSpec, old: MonitorState, seen: MonitorState, ping: Ping, at: float, jumped: bool, now: float
) -> MonitorState:
    """Return the state with one more run under way; a start never moves an expectation that exists."""
    if not jumped and at < max(_or_never(old.last_good), _or_never(old.last_failure)):
        return _moving_again(old, seen)
    if old.state is State.PAUSED:
        seen = expecting(spec, _fresh(seen, State.NEW), now)
    begun = replace(
        seen,
        runs=runs.begin(seen.runs, ping.rid, at),
        allowance=seen.allowance if seen.runs else 0.0,
        last_start=at if jumped else max(at, _or_never(seen.last_start)),
        due_at=due_after(spec, at) if seen.due_at is None else seen.due_at,
    )
    return _moving_again(old, begun)


def _ended(
    spec: MonitorSpec, old: MonitorState, seen: MonitorState, ping: Ping, at: float, jumped: bool, now: float
) -> Step:
    """Return what the end of a run, or a bare sign of life, makes of the state."""
    started, going_on = runs.end(seen.runs, ping.rid)
    duration = ping.duration if started is None else max(0.0, at - started)
    due = due_after(spec, at)
    late = not jumped and at < max(_or_never(old.last_good), _or_never(old.last_failure))
    going_on = runs.forget(spec, old, going_on, at, due, limit_of(spec, old))
    learned = duration is not None and ping.kind is PingKind.SUCCESS
    ended = replace(
        seen,
        runs=going_on,
        allowance=seen.allowance if going_on else 0.0,
        last_duration=seen.last_duration if duration is None else duration,
        durations=(*seen.durations[1 - KEPT :], round(duration or 0.0, 3)) if learned else seen.durations,
        due_at=max(due, _or_never(seen.due_at)) if late and due is not None else seen.due_at if late else due,
    )
    if ping.kind is PingKind.FAIL:
        cause, reason = Cause.FAILED, reasons.failed(ping)
    elif duration is not None and spec.min_runtime is not None and duration < spec.min_runtime:
        cause, reason = Cause.TOO_FAST, reasons.too_fast(duration, spec.min_runtime)
    elif spec.min_interval is not None and 0 <= at - _or_never(old.last_good) < spec.min_interval:
        cause, reason = Cause.TOO_OFTEN, reasons.too_often(at - _or_never(old.last_good), spec.min_interval)
        ended = replace(ended, last_good=at)
    else:
        if started is not None:
            ended = progress.finished(ended, ping, at)
        new = _succeeded(spec, old, ended, at, due, jumped, now)
        return _reported(spec, old, new, ping, duration, now)
    if not late or (not jumped and at > _or_never(old.last_good)):
        ended = _failed(spec, ended, cause, reason, at)
    return _reported(spec, old, ended, ping, duration, now)


def _reported(
    spec: MonitorSpec, old: MonitorState, new: MonitorState, ping: Ping, duration: float | None, now: float
) -> Step:
    if new.state is old.state:  # the common case: the evidence would go nowhere
        return timed(spec, new), ()
    return change(
        old, timed(spec, new), now, exit_code=ping.exit_code, output=output(ping.body), duration=duration,
        last_duration=old.last_duration, usual_duration=usual(old.durations),
        processed=new.processed, backlog=new.backlog, rid=ping.rid,
        last_failure=old.last_failure,
    )  # fmt: skip


def _failed(spec: MonitorSpec, ended: MonitorState, cause: Cause, reason: str, at: float) -> MonitorState:
    """Return the state after the job said that it failed: down once it said so `fail_after` times in a row.

    It ran, so the next sign is expected anew, and a grace time is over.
    """
    counted = replace(
        ended, failures=ended.failures + 1, successes=0, last_failure=max(at, _or_never(ended.last_failure)),
        first_failure=at if ended.first_failure is None else ended.first_failure,
    )  # fmt: skip
    if counted.failures >= spec.fail_after or counted.state is State.DOWN:
        return replace(counted, state=State.DOWN, cause=cause, reason=reason)
    return replace(counted, state=State.UP) if counted.state is State.GRACE else counted


def _succeeded(
    spec: MonitorSpec,
    old: MonitorState,
    ended: MonitorState,
    at: float,
    due: float | None,
    jumped: bool,
    now: float,
) -> MonitorState:
    """Return the state after a success: up, unless it is too old to prove that, or the work does not move."""
    last_good = at if jumped else max(at, _or_never(old.last_good))
    if not jumped and at < _or_never(old.last_failure):
        return replace(ended, last_good=last_good)
    covers = due is None or due + spec.grace > now
    stalled = old.state is State.DOWN and old.cause is Cause.STALLED and not progress.moved(old, ended)
    if stalled or (not covers and old.state in (State.DOWN, State.GRACE)):
        return replace(ended, last_good=last_good)
    if old.state is State.DOWN and ended.successes + 1 < spec.recover_after:
        return replace(ended, last_good=last_good, successes=ended.successes + 1, failures=0)
    return _well(ended, last_good)


def _or_never(at: float | None) -> float:
    return -math.inf if at is None else at
