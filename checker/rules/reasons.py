"""The sentences that say why a heartbeat is where it is. Pure."""

from __future__ import annotations

from checker.model import Cause, MonitorSpec, MonitorState, Ping
from checker.rules.text import ago, clean, last_line, output, when
from checker.rules.usual import limit_of, usual
from checker.schedule import local_time
from healthkit.durations import humanize


def fallen(spec: MonitorSpec, state: MonitorState, cause: Cause, now: float) -> str:
    """Return why a monitor fell by itself: the sign was missed, a run hangs, or the work stands still."""
    if cause is Cause.OVERRUN:
        return _overrun(spec, state, now)
    return _stalled(state, now) if cause is Cause.STALLED else _missed(spec, state, now)


def failed(ping: Ping) -> str:
    """Return what the job said: `exit 3: last line of its output`."""
    word = f"exit {ping.exit_code}" if ping.exit_code is not None else "the job reported a failure"
    line = last_line(output(ping.body))
    return f"{word}: {line}" if line else word


def too_fast(duration: float, least: float) -> str:
    """Return that a run ended sooner than it can have done its work."""
    return f"finished after {humanize(duration)}, which is too fast (at least {humanize(least)} expected)"


def too_often(since: float, least: float) -> str:
    """Return that a job ran again sooner than it should."""
    return f"ran again {humanize(since)} after its last success (at least {humanize(least)} apart expected)"


def paused(by: str) -> str:
    """Return who paused."""
    return f"paused by {clean(by, 100)}" if by else "paused"


def _overrun(spec: MonitorSpec, state: MonitorState, now: float) -> str:
    limit = humanize(limit_of(spec, state) or 0.0)
    known = usual(state.durations)
    told = f"usually {humanize(known)}, limit {limit}" if known is not None else f"limit {limit}"
    if spec.extend_on_progress and (state.progressed_at or 0.0) > state.runs[0][1]:
        told = f"no progress for {ago(state.progressed_at or now, now)}; {told}"
    return f"started {ago(state.runs[0][1], now)} ago and not finished ({told})"


def _stalled(state: MonitorState, now: float) -> str:
    since = state.progressed_at if state.progressed_at is not None else now
    return f"{state.backlog or 0:g} waiting and no progress for {ago(since, now)}"


def _missed(spec: MonitorSpec, state: MonitorState, now: float) -> str:
    due = state.due_at if state.due_at is not None else now
    expected = f"expected by {local_time(spec.schedule, due)}"
    expected += f" plus {humanize(spec.grace)} grace" if spec.grace else ""
    if state.runs:
        return f"started {when(spec.schedule, state.runs[-1][1], now)} and never finished; {expected}"
    if state.last_seen is None:
        return f"no sign yet; {expected}"
    return f"did not run: no sign since {when(spec.schedule, state.last_seen, now)}; {expected}"
