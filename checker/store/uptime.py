"""How much of a span of time monitors were up, from their changes of state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from checker.model import State
from checker.store.tables import change, monitor

UNCOUNTED = (State.NEW, State.PAUSED)  # nobody knows, or nobody wants to


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds of a span by what they count as; `warn` is part of `up`; `falls`: how often it went down."""

    up: float = 0.0
    down: float = 0.0
    uncounted: float = 0.0
    warn: float = 0.0
    falls: int = 0

    @property
    def share(self) -> float | None:
        """The share of the time that counts in which it was up; None where none does."""
        counted = self.up + self.down
        return self.up / counted if counted > 0 else None


def share(before: State, turns: Sequence[tuple[float, State]], start: float, end: float) -> Uptime:
    """Return what a span counts as; `before` is the state at its start, `turns` are (at, into) in order."""
    seconds: dict[State, float] = defaultdict(float)
    falls, state, since = 0, before, start
    for at, into in turns:
        moment = min(max(at, since), end)
        seconds[state] += moment - since
        falls += into is State.DOWN and state is not State.DOWN
        state, since = into, moment
    seconds[state] += max(0.0, end - since)
    uncounted = sum(seconds[each] for each in UNCOUNTED)
    return Uptime(
        up=sum(seconds[each] for each in (State.UP, State.GRACE, State.WARN)),
        down=seconds[State.DOWN],
        uncounted=uncounted,
        warn=seconds[State.WARN],
        falls=falls,
    )


def uptimes(conn: Connection, monitor_id: int | None, start: float, end: float) -> dict[int, Uptime]:
    """Return the uptime of a monitor, or of all live ones, from `start` (or when it was made) to `end`."""
    made = {row.id: row.created_at for row in conn.execute(_made(monitor_id))}
    before = {row.monitor_id: State(row.new) for row in conn.execute(_last_before(monitor_id, start))}
    turns: dict[int, list[tuple[float, State]]] = defaultdict(list)
    for row in conn.execute(_within(monitor_id, start, end)):
        turns[row.monitor_id].append((row.at, State(row.new)))
    return {
        each: share(before.get(each, State.NEW), turns[each], min(max(start, born), end), end)
        for each, born in made.items()
    }


def _made(monitor_id: int | None) -> Select[Any]:
    query = select(monitor.c.id, monitor.c.created_at).where(monitor.c.removed_at.is_(None))
    return query if monitor_id is None else query.where(monitor.c.id == monitor_id)


def _last_before(monitor_id: int | None, start: float) -> Select[Any]:
    latest = select(func.max(change.c.id)).where(change.c.at < start).group_by(change.c.monitor_id)
    if monitor_id is not None:
        latest = latest.where(change.c.monitor_id == monitor_id)
    return select(change.c.monitor_id, change.c.new).where(change.c.id.in_(latest))


def _within(monitor_id: int | None, start: float, end: float) -> Select[Any]:
    query = select(change.c.monitor_id, change.c.at, change.c.new)
    query = query.where(change.c.at >= start, change.c.at < end).order_by(change.c.id)
    return query if monitor_id is None else query.where(change.c.monitor_id == monitor_id)
