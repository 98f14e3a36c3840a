"""How long a job usually runs, learned from its own last runs. Pure.

The median tells what is usual; the limit of `max_runtime = "auto"` lies well above the longest but for the
odd one out: one slow run among twenty moves neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from checker.model import MonitorSpec, MonitorState

KEPT = 20  # runs
ENOUGH = 5  # runs from which something is learned
FACTOR = 2.0  # times the 90th percentile
LEAST_SLACK = 60.0  # seconds above it, at least


def usual(durations: Sequence[float]) -> float | None:
    """Return the usual duration in seconds; None while too little is known."""
    return median(durations) if len(durations) >= ENOUGH else None


def limit_of(spec: MonitorSpec, state: MonitorState) -> float | None:
    """Return how long a run may take (seconds): as configured, or as learned where that is asked for."""
    if not spec.learn_runtime or spec.max_runtime is not None:
        return spec.max_runtime
    if len(state.durations) < ENOUGH:
        return None
    ordered = sorted(state.durations)
    high = ordered[(len(ordered) * 9 - 1) // 10]
    return max(FACTOR * high, high + LEAST_SLACK)
