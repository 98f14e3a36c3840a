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


def since_each(
    conn: Connection,
    monitor_id: int,
    full_name: str,
    starts: Sequence[float],
    end: float,
    windows: Sequence[Window] = (),
) -> list[Uptime]:
    """Return what `uptimes` does of one monitor from each of several moments, all read together."""
    made = _made(conn, [monitor_id])
    if monitor_id not in made:
        return [Uptime()] * len(starts)
    last = min(counted(conn), math.floor(end / DAY))
    first = {start: min(math.ceil(start / DAY), last) for start in starts}
    known = days(conn, monitor_id, min(first.values()), last)
    edges = {
        start: [(start, first[start] * DAY), (last * DAY, end)] if first[start] < last else [(start, end)]
        for start in starts
    }
    pieces = list({each for several in edges.values() for each in several if each[0] < each[1]})
    unseen = blind.spans(conn, min(starts), end)
    excused = _excused(windows, full_name)
    past = zip(pieces, _pasts(conn, monitor_id, pieces), strict=True)
    times = {
        (begin, until): shared_out(
            before, turns, min(max(begin, made[monitor_id]), until), until, unseen, excused
        )
        for (begin, until), (before, turns) in past
    }
    return [
        sum((each for day, each in known.items() if day >= first[start]), Uptime())
        + sum((times.get(each, Uptime()) for each in edges[start]), Uptime())
        for start in starts
    ]


def days(conn: Connection, monitor_id: int, first: int, before: int) -> dict[int, Uptime]:
    """Return how a monitor spent the days from `first` on that were counted."""
    mark = placeholder(conn)
    rows = conn.exec_driver_sql(
        "SELECT day, up, down, warn, blind, paused, maintenance, falls FROM history_day"
        f" WHERE monitor_id = {mark} AND day >= {mark} AND day < {mark} AND up IS NOT NULL",
        (monitor_id, first, before),
    )
    return {row[0]: Uptime(*row[1:]) for row in rows}


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


def _pasts(
    conn: Connection, monitor_id: int, pieces: Sequence[Span]
) -> list[tuple[State, list[tuple[float, State]]]]:
    """Return a monitor's state before each of some spans, and its changes within: two statements for all."""
    if not pieces:
        return []
    mark = placeholder(conn)
    of_one = f"FROM change WHERE monitor_id = {mark} AND at"
    before = f"(SELECT new {of_one} < {mark} ORDER BY at DESC, id DESC LIMIT 1)"
    given = [value for start, _ in pieces for value in (monitor_id, start)]
    states = conn.exec_driver_sql(f"SELECT {', '.join([before] * len(pieces))}", tuple(given)).one()
    within = (
        f"SELECT {n} AS piece, at, id, new {of_one} >= {mark} AND at < {mark}" for n in range(len(pieces))
    )
    spans = [value for start, end in pieces for value in (monitor_id, start, end)]
    turns: dict[int, list[tuple[float, State]]] = defaultdict(list)
    for piece, at, _, new in sorted(
        tuple(row) for row in conn.exec_driver_sql(" UNION ALL ".join(within), tuple(spans))
    ):
        turns[piece].append((at, State(new)))
    return [(State(state or State.NEW), turns[n]) for n, state in enumerate(states)]


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
