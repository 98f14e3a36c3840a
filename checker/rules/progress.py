"""Stalled is not idle: what a ping's `processed` and `backlog` say. Pure."""

from __future__ import annotations

import math

from checker.model import MonitorState, Ping
from checker.rules.changed import replace
from checker.rules.expectation import stuck


def counted(state: MonitorState, ping: Ping, at: float) -> MonitorState:
    """Return the state with the ping's figures; `progressed_at` moves with progress, and while no work waits.

    A `processed` that falls is a restarted counter: a new base line, and no progress. A backlog seen for the
    first time, or after an idle while, starts the clock.
    """
    processed, backlog = _figure(ping.processed), _figure(ping.backlog)
    if processed is None and backlog is None:
        return state
    advanced = processed is not None and state.processed is not None and processed > state.processed
    new = replace(
        state,
        processed=state.processed if processed is None else processed,
        backlog=state.backlog if backlog is None else backlog,
    )
    if processed is not None and state.processed is not None and not advanced and new.backlog is None:
        return new  # a figure that stands still, and nobody knows whether work waits
    if advanced or not stuck(new) or not stuck(state) or state.progressed_at is None:
        return replace(new, progressed_at=at)
    return new


def finished(state: MonitorState, ping: Ping, at: float) -> MonitorState:
    """Return the state after a run ended well: unless the ping says otherwise, no work is left waiting."""
    if ping.backlog is not None or state.backlog is None:
        return state
    return replace(state, backlog=None, progressed_at=at)


def moved(old: MonitorState, new: MonitorState) -> bool:
    """Whether work advanced, or none waits, since the old state."""
    return not stuck(new) or new.progressed_at != old.progressed_at


def _figure(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
