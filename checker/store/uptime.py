"""How much of a span monitors were up: from the days that were counted, and the changes around them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select

from checker.maintenance import Window, covers
from checker.model import State
from checker.rules.uptime import Span, Uptime, shared_out
from checker.store import blind
from checker.store.bulk import among, ids, placeholder
from checker.store.history_tables import progress

DAY = 86_400.0
DAYS = "days"  # the name under which `progress` tells which day is counted next
_SUMS = "sum(up), sum(down), sum(warn), sum(blind), sum(paused), sum(maintenance), sum(falls)"


def uptimes(
    conn: Connection,
    names: Mapping[int, str],
    start: float,
    end: float,
    windows: Sequence[Window] = (),
) -> dict[int, Uptime]:
    """Return the uptime of monitors (id -> full name) from `start`, or when each was made, to `end`.

    `windows` are the openings of maintenance windows that touch the span.
    """
    first, last = math.ceil(start / DAY), min(counted(conn), math.floor(end / DAY))
    if last <= first:
        return from_changes(conn, names, start, end, windows)
    parts = [
        from_changes(conn, names, start, first * DAY, windows),
        _from_days(conn, names, first, last),
        from_changes(conn, names, last * DAY, end, windows),
    ]
    made = parts[2]
    return {each: sum((part.get(each, Uptime()) for part in parts), Uptime()) for each in made}


def counted(conn: Connection) -> int:
    """Return the first day (epoch seconds / 86400) that is not counted yet."""
    data = conn.execute(select(progress.c.data).where(progress.c.name == DAYS)).scalar()
    return 0 if data is None else int(json.loads(data)["day"])


def from_changes(
    conn: Connection, names: Mapping[int, str], start: float, end: float, windows: Sequence[Window] = ()
) -> dict[int, Uptime]:
    """Return the same, from the changes alone: exact, and dear where a span has many of them."""
    if end <= start:
        return {}
    made = _made(conn, names)
    before = states_at(conn, names, start)
    turns = _turns(conn, names, start, end)
    unseen = blind.spans(conn, start, end)
    return {
        each: shared_out(
            before.get(each, State.NEW),
            turns[each],
            min(max(start, born), end),
            end,
            unseen,
            _excused(windows, names[each]),
        )
        for each, born in made.items()
    }


def _from_days(conn: Connection, monitor_ids: Iterable[int], first: int, last: int) -> dict[int, Uptime]:
    mark = placeholder(conn)
    rows = conn.exec_driver_sql(
        f"SELECT monitor_id, {_SUMS} FROM history_day WHERE {among(conn, 'monitor_id')}"
        f" AND day >= {mark} AND day < {mark} GROUP BY monitor_id",
        (*ids(conn, monitor_ids), first, last),
    )
    return {row[0]: Uptime(*(each or 0 for each in row[1:])) for row in rows}


def _excused(windows: Sequence[Window], full_name: str) -> list[Span]:
    return [(each.start, each.end) for each in windows if covers(each.spec, full_name)]


def _made(conn: Connection, monitor_ids: Iterable[int]) -> dict[int, float]:
    rows = conn.exec_driver_sql(
        f"SELECT id, created_at FROM monitor WHERE {among(conn, 'id')}", ids(conn, monitor_ids)
    )
    return {row[0]: row[1] for row in rows}


def states_at(conn: Connection, monitor_ids: Iterable[int], start: float) -> dict[int, State]:
    """Return the states just before a moment: a search in the index for each, no more."""
    mark = placeholder(conn)
    found = conn.exec_driver_sql(
        "SELECT id, (SELECT new FROM change WHERE monitor_id = monitor.id"
        f" AND at < {mark} ORDER BY at DESC, id DESC LIMIT 1) FROM monitor WHERE {among(conn, 'id')}",
        (start, *ids(conn, monitor_ids)),
    )
    return {row[0]: State(row[1]) for row in found if row[1] is not None}


def _turns(
    conn: Connection, monitor_ids: Iterable[int], start: float, end: float
) -> dict[int, list[tuple[float, State]]]:
    mark = placeholder(conn)
    rows = conn.exec_driver_sql(
        f"SELECT monitor_id, at, new FROM change WHERE {among(conn, 'monitor_id')}"
        f" AND at >= {mark} AND at < {mark} ORDER BY monitor_id, at, id",
        (*ids(conn, monitor_ids), start, end),
    )
    turns: dict[int, list[tuple[float, State]]] = defaultdict(list)
    for row in rows:
        turns[row[0]].append((row[1], State(row[2])))
    return turns
