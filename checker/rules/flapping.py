"""A monitor that falls again and again is one incident, open until it has been calm for a while. Pure."""

from __future__ import annotations

from checker.model import Kind, MonitorSpec, MonitorState
from checker.schedule import Every
from healthkit.durations import humanize

FALLS = 4  # within the window: flapping
WINDOW = 900.0  # seconds, or as long as `CYCLES` of its own
CALM = 300.0  # seconds without a fall or recovery, or `CALM_CYCLES` of its own, that end it
CYCLES, CALM_CYCLES = 15, 5


def is_flapping(spec: MonitorSpec, state: MonitorState, now: float) -> bool:
    """Tell whether a monitor fell so often lately that its next recovery means little."""
    if len(state.falls) < FALLS:
        return False
    cycle = _cycle(spec)
    latest = max(state.falls[-1], state.since)
    often = state.falls[-1] - state.falls[-FALLS] <= max(WINDOW, CYCLES * cycle)
    return often and 0 <= now - latest < max(CALM, CALM_CYCLES * cycle)


def said(state: MonitorState) -> str:
    """Return that it flaps, and what it last said."""
    span = humanize(state.falls[-1] - state.falls[0])
    return f"flapping: fell {len(state.falls)} times within {span}" + (
        f"; now: {state.reason}" if state.reason else ""
    )


def _cycle(spec: MonitorSpec) -> float:
    if spec.kind is not Kind.HEARTBEAT:
        return spec.every
    return spec.schedule.seconds if isinstance(spec.schedule, Every) else 0.0
