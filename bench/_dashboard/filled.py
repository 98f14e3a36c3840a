"""Fills a store: endpoints with four components each, heartbeats, and all that a year leaves behind.

What is large is written by the database itself, from its list of monitors; a year of sketches is made for a
few monitors and lent to all. Rows lie as a year would have left them: by time, days on SQLite by monitor.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, insert, text

from checker.model import Kind, MonitorSpec, MonitorState, State
from checker.schedule import Every
from checker.store import Store, codec, monitors, rollups
from checker.store.history_tables import history_day, history_hour, progress
from checker.store.sketch import Sketch
from checker.store.tables import incident, member, monitor, outbox, ping, poll, state

DAY, HOUR = 86_400, 3_600
NOW = 20_000.0 * DAY + 15 * HOUR
PARTS = ("database:write", "queue:depth", "worker:age", "stripe:responseTime")
ROWS = 20_000  # in one transaction
KINDS = 25  # different years, of the first monitors
Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is filled in."""

    endpoints: int = 2_000
    heartbeats: int = 8_000
    down: int = 30
    days: int = 365
    hours: int = 10 * 24
    raw_hours: int = 3
    pings: int = 100  # of each heartbeat
    changes: int = 30  # of each
    incidents: int = 5_000

    @property
    def tops(self) -> int:
        """Endpoints and heartbeats together; their ids are the first."""
        return self.endpoints + self.heartbeats


def fill(store: Store, size: Size, told: Callable[[str], None]) -> None:
    """Fill a migrated, empty store."""
    _monitors(store, size)
    count = size.tops + size.endpoints * len(PARTS)
    _put(store, state, _states(size, count))
    told(f"{count:,} monitors with components")
    for write, what in (
        (_days, "days"),
        (_hours, "hours"),
        (_polls, "looks"),
        (_pings, "pings"),
        (_changes, "changes"),
        (_incidents, "incidents"),
    ):
        before = _bytes(store)
        write(store, size)
        told(f"{what}: {(_bytes(store) - before) / 1e6:,.0f} MB")
    store.write_now(_marks)
    if store.dialect == "postgresql":
        store.write_now(lambda conn: conn.exec_driver_sql("ANALYZE"))


def _monitors(store: Store, size: Size) -> None:
    names = [f"service-{n:05}" for n in range(size.endpoints)]
    jobs = [f"job-{n:05}" for n in range(size.heartbeats)]
    every = Every(300.0)
    specs = [MonitorSpec(Kind.ENDPOINT, name, url=f"https://{name}.example/health") for name in names]
    specs += [MonitorSpec(Kind.HEARTBEAT, name, slug=name, schedule=every, tags=("batch",)) for name in jobs]
    store.write_now(lambda conn: monitors.sync(conn, specs, NOW - size.days * DAY))
    _put(store, monitor, _components(size))
    store.write_now(lambda conn: conn.execute(state.delete()))


def _put(store: Store, table: Table, rows: Rows) -> None:
    batch: list[dict[str, Any]] = []

    def write() -> None:
        if batch:
            store.write_now(lambda conn: conn.execute(insert(table), batch))
        batch.clear()

    for row in rows:
        batch.append(row)
        if len(batch) == ROWS:
            write()
    write()


def _components(size: Size) -> Rows:
    for endpoint in range(1, size.endpoints + 1):
        for part in PARTS:
            yield {"kind": "component", "name": part, "parent_id": endpoint, "slug": "", "source": "auto",
                   "spec": {}, "created_at": NOW - size.days * DAY}  # fmt: skip


def _states(size: Size, count: int) -> Rows:
    for number in range(1, count + 1):
        bad = number <= size.down
        found = MonitorState(
            state=State.DOWN if bad else State.UP,
            since=NOW - 600 - number,
            reason="HTTP 503" if bad else "",
            latency=0.05,
            last_seen=NOW - 5,
            due_at=NOW + 200,
            durations=(4.0, 5.0, 6.0),
        )
        yield {"monitor_id": number, "state": str(found.state), "since": found.since, "deadline": NOW + 500,
               "data": codec.state_to(found)}  # fmt: skip


def _sketch(around: float, values: int) -> bytes:
    return Sketch.of(around * 1.02 ** random.gauss(0, 8) for _ in range(values)).pack()


def _days(store: Store, size: Size) -> None:
    _put(store, history_day, _first_days(size))
    _lend(store, history_day, "day", size.tops, int(NOW // DAY), size.days)


def _first_days(size: Size) -> Rows:
    today = int(NOW // DAY)
    looks = [_sketch(0.05, 2880) for _ in range(20)]
    for number in range(1, KINDS + 1):
        for day in range(today - size.days, today):
            down = 60.0 * random.randrange(30) if random.random() < 0.05 else 0.0
            yield {"monitor_id": number, "day": day, "looks": 2880, "failures": int(down / 30),
                   "sketch": random.choice(looks), "up": DAY - down, "warn": 0.0, "down": down, "blind": 0.0,
                   "paused": 0.0, "maintenance": 0.0, "falls": int(down > 0)}  # fmt: skip


def _hours(store: Store, size: Size) -> None:
    _put(store, history_hour, _first_hours(size))
    _lend(store, history_hour, "hour", size.endpoints, int(NOW // HOUR), size.hours)


def _first_hours(size: Size) -> Rows:
    now = int(NOW // HOUR)
    looks = [_sketch(0.05, 120) for _ in range(20)]
    for number in range(1, KINDS + 1):
        for hour in range(now - size.hours, now):
            yield {"monitor_id": number, "hour": hour, "looks": 120, "failures": 0,
                   "sketch": random.choice(looks)}  # fmt: skip


def _lend(store: Store, table: Table, key: str, last: int, end: int, length: int) -> None:
    """Give all monitors up to the id `last` what the first `KINDS` of them have before `end`."""
    rest = ", ".join(column.name for column in table.columns if column.name != "monitor_id")
    # PostgreSQL keeps rows as they come: day by day. SQLite keeps these by their key.
    by = f"theirs.{key}, monitor.id" if store.dialect == "postgresql" else f"monitor.id, theirs.{key}"
    lent = text(
        f"INSERT INTO {table.name} (monitor_id, {rest})"
        f" SELECT monitor.id, {', '.join(f'theirs.{each.strip()}' for each in rest.split(','))}"
        f" FROM monitor JOIN {table.name} theirs ON theirs.monitor_id = 1 + monitor.id % {KINDS}"
        f" WHERE monitor.id > :first AND monitor.id <= :last AND theirs.{key} >= :start"
        f" AND theirs.{key} < :end"
        f" ORDER BY {by}"
    )
    for first, until, start, stop in _blocks(store.dialect, last, end, length):
        given = {"first": first, "last": until, "start": start, "end": stop}
        store.write_now(lambda conn, given=given: conn.execute(lent, given))  # type: ignore[misc]


def _blocks(dialect: str, last: int, end: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Return (after id, up to id, from, before): some monitors at a time, or all for some days."""
    if dialect == "postgresql":
        step = max(1, 3 * ROWS // last)
        for start in range(end - length, end, step):
            yield KINDS, last, start, min(start + step, end)
    else:
        step = max(1, 3 * ROWS // length)
        for first in range(KINDS, last, step):
            yield first, min(first + step, last), end - length, end


_POLLS = text(
    "INSERT INTO poll (monitor_id, at, verdict, http_status, latency)"
    " SELECT id, :at + id % 60, 'pass', 200, 0.05 FROM monitor WHERE kind = 'endpoint' ORDER BY id"
)
_PINGS = text(
    "INSERT INTO ping"
    " (monitor_id, n, at, received_at, kind, duration, scheme, method, user_agent, remote, body)"
    " SELECT id, :n, :at, :at, 'success', 5.0, 'https', 'POST', 'curl/8', '192.0.2.1', :body"
    " FROM monitor WHERE kind = 'heartbeat' ORDER BY id"
)
_CHANGES = text(
    "INSERT INTO change (monitor_id, at, old, new, cause, reason, evidence, judged_at)"
    " SELECT id, :at + id, :old, :new, '', '', '{}', :at + id"
    " FROM monitor WHERE parent_id IS NULL ORDER BY id"
)


def _polls(store: Store, size: Size) -> None:
    for minute in range(size.raw_hours * 60):
        at = NOW - size.raw_hours * HOUR + minute * 60
        store.write_now(lambda conn, at=at: conn.execute(_POLLS, {"at": at}))  # type: ignore[misc]


def _pings(store: Store, size: Size) -> None:
    for n in range(1, size.pings + 1):
        given = {"n": n, "at": NOW - (size.pings - n) * 300.0 - 10, "body": b"42 invoices sent"}
        store.write_now(lambda conn, given=given: conn.execute(_PINGS, given))  # type: ignore[misc]


def _changes(store: Store, size: Size) -> None:
    step = size.days * DAY / size.changes
    for n in range(size.changes):
        old, new, later = ("down", "up", 60) if n % 2 == 0 else ("up", "down", 0)
        given = {"at": NOW - size.days * DAY + n * step + later, "old": old, "new": new}
        store.write_now(lambda conn, given=given: conn.execute(_CHANGES, given))  # type: ignore[misc]


def _incidents(store: Store, size: Size) -> None:
    _put(store, incident, _causes(size))
    _put(store, member, _members(size))
    _put(store, outbox, _told(size))


def _causes(size: Size) -> Rows:
    for number in range(1, size.incidents + 1):
        resolved = None if number > size.incidents - size.down else NOW - number
        yield {"group": f"g{number}", "dedup_key": f"k{number}", "title": f"service-{number:05} is down",
               "cause": "503", "severity": "critical", "since": NOW - 3_000_000 + number * 500,
               "opened_at": NOW, "resolved_at": resolved, "suppressed": []}  # fmt: skip


def _members(size: Size) -> Rows:
    for number in range(1, size.incidents + 1):
        yield {"incident_id": number, "monitor_id": 1 + number % size.tops,
               "name": f"service-{number:05}", "state": "down", "cause": "http", "reason": "HTTP 503",
               "since": NOW - 900, "resolved_at": None, "evidence": {}}  # fmt: skip


def _told(size: Size) -> Rows:
    for number in range(1, size.incidents + 1):
        for channel in ("ops", "mail"):
            yield {"incident_id": number, "channel": channel, "dedup_key": f"k{number}", "event": "opened",
                   "notification": {}, "created_at": NOW - 900, "not_before": 0.0, "attempts": 1,
                   "lease_epoch": 0, "sent_at": NOW - 899}  # fmt: skip


def _marks(conn: Connection) -> None:
    """All but the last hour is rolled up, and every day counted."""
    for source in (rollups.POLLS, rollups.PINGS):
        last = rollups.head(conn, source)
        column = {"poll": poll.c.at, "ping": ping.c.received_at}[source.name]
        table = {"poll": poll, "ping": ping}[source.name]
        first = conn.execute(
            table.select()
            .with_only_columns(table.c.id)
            .where(column > NOW - HOUR)
            .order_by(table.c.id)
            .limit(1)
        ).scalar()
        rollups.set_mark(conn, source, rollups.Mark(done=int(first or last), at=NOW - HOUR))
    conn.execute(progress.delete().where(progress.c.name == "days"))
    rollups.save(conn, "days", {"day": int(NOW // DAY), "cursor": 0, "blind": 0})


def _bytes(store: Store) -> int:
    if store.dialect == "sqlite":
        text_ = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        text_ = "SELECT pg_database_size(current_database())"
    return int(store.read_now(lambda conn: conn.exec_driver_sql(text_).scalar_one()))
