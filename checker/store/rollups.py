"""Rolls raw rows up into hours and days: what is read, what is added, and how far it is.

Looks and runs are added, each row once: `Mark` says up to which id, and is written in the transaction that
adds. A round takes the rows of ids in (done, until] and adds them monitor by monitor in small transactions;
`cursor` is the last monitor that has them. Whoever takes up a round that was broken off reads the same rows,
and steps over the monitors that have them already. Late rows go where their own time says.

Time (up, down, blind, ...) is counted once a day is over, from its changes; counted again it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from checker.rules.uptime import Uptime
from checker.store.bulk import Insert, among, ids, placeholder
from checker.store.history_tables import history_day, history_hour, progress
from checker.store.sketch import Sketch
from checker.store.tables import monitor

HOUR, DAY = 3_600, 86_400

_PROGRESS = Insert(progress, ("name", "data"), "ON CONFLICT (name) DO UPDATE SET data = excluded.data")
_HOURS = Insert(
    history_hour,
    ("monitor_id", "hour", "looks", "failures", "sketch"),
    "ON CONFLICT (monitor_id, hour) DO UPDATE SET looks = excluded.looks, failures = excluded.failures,"
    " sketch = excluded.sketch",
)
_DAYS = Insert(
    history_day,
    ("monitor_id", "day", "looks", "failures", "sketch"),
    "ON CONFLICT (monitor_id, day) DO UPDATE SET looks = excluded.looks, failures = excluded.failures,"
    " sketch = excluded.sketch",
)
_TIMES = Insert(
    history_day,
    ("monitor_id", "day", "up", "down", "warn", "blind", "paused", "maintenance", "falls"),
    "ON CONFLICT (monitor_id, day) DO UPDATE SET up = excluded.up, down = excluded.down,"
    " warn = excluded.warn, blind = excluded.blind, paused = excluded.paused,"
    " maintenance = excluded.maintenance, falls = excluded.falls",
)


@dataclass(frozen=True, slots=True)
class Source:
    """A table of raw rows: how to read (id, monitor, at, failed, seconds) from it, and where its mark is.

    A look at an endpoint counts with its latency; a run of a job counts where it ended, and its duration
    where it ended well. A component's looks are those of its endpoint.
    """

    name: str
    rows: str
    one: str  # the same of one monitor, of those rows that a roll-up cannot have yet


_POLL = "raw.id, raw.monitor_id, raw.at, raw.verdict = 'fail', raw.latency FROM poll raw"
_PING = (
    "raw.id, raw.monitor_id, CASE WHEN raw.at < raw.received_at THEN raw.at ELSE raw.received_at END,"
    " raw.kind = 'fail', CASE WHEN raw.kind = 'success' THEN raw.duration END FROM ping raw"
)
_OF_ENDPOINTS = " JOIN monitor ON monitor.id = raw.monitor_id AND monitor.kind = 'endpoint'"
POLLS = Source("poll", _POLL + _OF_ENDPOINTS + " WHERE", _POLL + " WHERE raw.at >= {mark} AND")
PINGS = Source(
    "ping",
    _PING + " WHERE raw.kind IN ('success', 'fail') AND",
    _PING + " WHERE raw.received_at >= {mark} AND raw.kind IN ('success', 'fail') AND",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a source is rolled up; `at` is the time of the row `done` (epoch seconds)."""

    done: int = 0
    until: int | None = None
    cursor: int = 0
    at: float = 0.0


@dataclass(slots=True)
class Bin:
    """The looks or runs of one monitor in one hour or day."""

    looks: int = 0
    failures: int = 0
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, failed: bool, seconds: float | None) -> None:
        """Take in one look or run."""
        self.looks += 1
        self.failures += bool(failed)
        if seconds is not None:
            self.sketch.add(seconds)

    def merge(self, other: Bin) -> None:
        """Take in all that another has."""
        self.looks += other.looks
        self.failures += other.failures
        self.sketch.merge(other.sketch)


Raw = tuple[int, int, float, bool, float | None]  # id, monitor, at, failed, seconds
Bins = dict[int, dict[int, Bin]]  # monitor -> hour -> bin


def head(conn: Connection, source: Source) -> int:
    """Return the highest id there is."""
    return int(conn.exec_driver_sql(f"SELECT max(id) FROM {source.name}").scalar() or 0)


def mark_of(conn: Connection, source: Source) -> Mark:
    """Return how far a source is rolled up."""
    return Mark(**load(conn, source.name))


def set_mark(conn: Connection, source: Source, mark: Mark) -> None:
    """Write down how far a source is rolled up."""
    save(conn, source.name, asdict(mark))


def load(conn: Connection, name: str) -> dict[str, Any]:
    """Return what `save` wrote under this name; nothing at first."""
    data = conn.execute(select(progress.c.data).where(progress.c.name == name)).scalar()
    return {} if data is None else dict(json.loads(data))


def save(conn: Connection, name: str, data: Mapping[str, Any]) -> None:
    """Keep how far some work is."""
    _PROGRESS(conn, [(name, json.dumps(data))])


def read(conn: Connection, source: Source, after: int, until: int, limit: int) -> list[Raw]:
    """Return the raw rows of ids in (after, until], in order."""
    mark = placeholder(conn)
    text = f"SELECT {source.rows} raw.id > {mark} AND raw.id <= {mark} ORDER BY raw.id LIMIT {int(limit)}"
    return [tuple(row) for row in conn.exec_driver_sql(text, (after, until))]


def gather(bins: Bins, rows: Iterable[Raw], beyond: int = 0) -> int:
    """Put raw rows of monitors beyond an id into bins; return how many new bins that made."""
    made = 0
    for _, monitor_id, at, failed, seconds in rows:
        if monitor_id <= beyond:
            continue
        hours = bins.setdefault(monitor_id, {})
        hour = int(at // HOUR)
        if hour not in hours:
            hours[hour] = Bin()
            made += 1
        hours[hour].add(failed, seconds)
    return made


def add(conn: Connection, bins: Bins) -> None:
    """Add bins to the hours and days that are there; of monitors that were deleted meanwhile, nothing."""
    live = _existing(conn, bins)
    hours = {(each, hour): found for each in live for hour, found in bins[each].items()}
    days: dict[tuple[int, int], Bin] = {}
    for (each, hour), found in hours.items():
        days.setdefault((each, hour * HOUR // DAY), Bin()).merge(found)
    for insert, table, key, new in (
        (_HOURS, "history_hour", "hour", hours),
        (_DAYS, "history_day", "day", days),
    ):
        for place, old in _present(conn, table, key, list(new)).items():
            new[place].merge(old)
        rows = [(*place, each.looks, each.failures, each.sketch.pack()) for place, each in new.items()]
        insert(conn, sorted(rows))


def _existing(conn: Connection, monitor_ids: Iterable[int]) -> list[int]:
    rows = conn.exec_driver_sql(
        f"SELECT id FROM monitor WHERE {among(conn, 'id')} ORDER BY id", ids(conn, monitor_ids)
    )
    return list(rows.scalars())


def _present(
    conn: Connection, table: str, key: str, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Bin]:
    """Return the bins that are there at these places, a search in the index for each."""
    if conn.dialect.name == "sqlite":
        wanted = "json_each(?) place ON monitor_id = json_extract(place.value, '$[0]')"
        found, given = f"{wanted} AND {key} = json_extract(place.value, '$[1]')", (json.dumps(places),)
    else:
        wanted = "unnest(%s::bigint[], %s::bigint[]) AS place(a, b)"
        found = f"{wanted} ON monitor_id = place.a AND {key} = place.b"
        given = ([each for each, _ in places], [at for _, at in places])  # type: ignore[assignment]
    rows = conn.exec_driver_sql(
        f"SELECT monitor_id, {key}, looks, failures, sketch FROM {table} JOIN {found}", given
    )
    return {(row[0], row[1]): Bin(row[2], row[3], Sketch.unpack(row[4])) for row in rows}


def everyone(conn: Connection, after: int, limit: int) -> list[Any]:
    """Return (id, name, parent's name, created_at, removed_at) of monitors beyond an id, removed ones too."""
    parent = monitor.alias()
    query = (
        select(
            monitor.c.id,
            monitor.c.name,
            parent.c.name.label("parent"),
            monitor.c.created_at,
            monitor.c.removed_at,
        )
        .join(parent, parent.c.id == monitor.c.parent_id, isouter=True)
        .where(monitor.c.id > after)
        .order_by(monitor.c.id)
        .limit(limit)
    )
    return list(conn.execute(query))


def first_made(conn: Connection) -> float | None:
    """Return when the oldest monitor was made."""
    found = conn.execute(select(func.min(monitor.c.created_at))).scalar()
    return None if found is None else float(found)


def put_times(conn: Connection, day: int, times: Mapping[int, Uptime]) -> None:
    """Write how monitors spent a day."""
    live = set(_existing(conn, times))
    _TIMES(
        conn,
        [
            (each, day, t.up, t.down, t.warn, t.blind, t.paused, t.maintenance, t.falls)
            for each, t in sorted(times.items())
            if each in live
        ],
    )


def forget(conn: Connection, monitor_ids: Sequence[int], hour: int, day: int) -> int:
    """Delete the hours and days of these monitors that are before an hour and a day; return how many."""
    mark = placeholder(conn)
    return sum(
        conn.exec_driver_sql(
            f"DELETE FROM {table} WHERE {among(conn, 'monitor_id')} AND {key} < {mark}",
            (*ids(conn, monitor_ids), before),
        ).rowcount
        for table, key, before in (("history_hour", "hour", hour), ("history_day", "day", day))
    )
