"""A monitor that falls again and again is one incident, open until it has been calm for a while. Pure."""

from __future__ import annotations

from checker.model import Kind, MonitorSpec, MonitorState
from checker.schedule import Every
from healthkit.durations import humanize

FALLS = 4  # within the window: flapping
WINDOW = 900.0  # seconds at most; `CYCLES` of its own for what is looked at more often
CALM = 300.0  # seconds without a fall or recovery at most, or `CALM_CYCLES` of its own, that end it
CYCLES, CALM_CYCLES = 30, 10


def is_flapping(spec: MonitorSpec, state: MonitorState, now: float) -> bool:
    """Tell whether a monitor fell so often lately that its next recovery means little."""
    if len(state.falls) < FALLS:
        return False
    cycle = _cycle(spec)
    latest = max(state.falls[-1], state.since)
    often = state.falls[-1] - state.falls[-FALLS] <= _span(WINDOW, CYCLES, cycle)
    return often and 0 <= now - latest < _span(CALM, CALM_CYCLES, cycle)


def said(state: MonitorState) -> str:
    """Return that it flaps, and what it last said."""
    span = humanize(state.falls[-1] - state.falls[0])
    return f"flapping: fell {len(state.falls)} times within {span}" + (
        f"; now: {state.reason}" if state.reason else ""
    )


def _span(usual: float, cycles: int, cycle: float) -> float:
    """Return `usual` seconds, less for what is looked at very often, more for what is seldom."""
    return max(min(usual, cycles * cycle), cycles / 2 * cycle) if cycle else usual


def _cycle(spec: MonitorSpec) -> float:
    if spec.kind is not Kind.HEARTBEAT:
        return spec.every
    return spec.schedule.seconds if isinstance(spec.schedule, Every) else 0.0
