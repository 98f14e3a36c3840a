"""The runs of a job that are under way: begun by a start, ended by a success or fail. Pure.

What the pairs mean where they do not match:

- start without end: under way until `max_runtime` (overrun), or until the sign is missed;
- end without start: counts as an end, has no duration, closes nothing;
- overlapping runs: told apart by `rid`; an end without `rid` closes the latest start without one;
- the same start twice (a retry): the first one counts;
- a start older than the last end: arrived late, and is not under way.
"""

from __future__ import annotations

from checker.model import Cause, MonitorSpec, MonitorState, State

Runs = tuple[tuple[str, float], ...]
MOST = 16


def begin(runs: Runs, rid: str, at: float) -> Runs:
    """Return the runs with one more; beyond `MOST`, the oldest (first to overrun) and the newest stay."""
    if rid and any(known == rid for known, _ in runs):
        return runs
    more = tuple(sorted((*runs, (rid, at)), key=lambda run: run[1]))
    return more if len(more) <= MOST else more[:1] + more[1 - MOST :]


def end(runs: Runs, rid: str) -> tuple[float | None, Runs]:
    """Return when the run that ends had started (None: it never said), and the runs that go on."""
    for index in range(len(runs) - 1, -1, -1):
        if runs[index][0] == rid:
            return runs[index][1], runs[:index] + runs[index + 1 :]
    return None, runs


def forget(
    spec: MonitorSpec, state: MonitorState, runs: Runs, at: float, due: float | None, limit: float | None
) -> Runs:
    """Return the runs that still matter after another one ended at `at`.

    One that was told as overrun is lost and would be told again and again. Without a `limit` nothing else
    ends a lost run: it goes once a whole cycle and its grace have passed it by.
    """
    if not runs:
        return runs
    if limit is None:
        cycle = (due - at if due is not None else 0.0) + spec.grace
        return tuple(run for run in runs if run[1] > at - cycle)
    if state.state is State.DOWN and state.cause is Cause.OVERRUN:
        return tuple(run for run in runs if run[1] + limit + state.allowance > at)
    return runs
