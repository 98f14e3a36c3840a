"""Fills a store: endpoints with four components each, heartbeats, and all that a year leaves behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, insert

from checker.model import Kind, MonitorSpec, MonitorState, State
from checker.schedule import Every
from checker.store import Store, codec, monitors, rollups
from checker.store.history_tables import history_day, history_hour, progress
from checker.store.sketch import Sketch
from checker.store.tables import change, incident, member, monitor, outbox, ping, poll, state

DAY, HOUR = 86_400, 3_600
NOW = 20_000.0 * DAY + 15 * HOUR
PARTS = ("database:write", "queue:depth", "worker:age", "stripe:responseTime")
ROWS = 20_000  # in one transaction
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


def fill(store: Store, size: Size, told: Callable[[str], None]) -> None:
    """Fill a migrated, empty store."""
    names = [f"service-{n:05}" for n in range(size.endpoints)]
    jobs = [f"job-{n:05}" for n in range(size.heartbeats)]
    every = Every(300.0)
    specs = [MonitorSpec(Kind.ENDPOINT, name, url=f"https://{name}.example/health") for name in names]
    specs += [MonitorSpec(Kind.HEARTBEAT, name, slug=name, schedule=every, tags=("batch",)) for name in jobs]
    store.write_now(lambda conn: monitors.sync(conn, specs, NOW - size.days * DAY))
    _put(store, monitor, _components(size))
    count = size.endpoints * (1 + len(PARTS)) + size.heartbeats
    store.write_now(lambda conn: conn.execute(state.delete()))
    _put(store, state, _states(size, count))
    told(f"{count:,} monitors with components")
    for table, rows in (
        (history_day, _days(size)),
        (history_hour, _hours(size)),
        (poll, _polls(size)),
        (ping, _pings(size)),
        (change, _changes(size, count)),
        (incident, _incidents(size)),
        (member, _members(size)),
        (outbox, _told(size)),
    ):
        before = _bytes(store)
        made = _put(store, table, rows)
        told(f"{table.name}: {made:,} rows, {(_bytes(store) - before) / max(1, made):.0f} bytes each")
    store.write_now(_marks)
    if store.dialect == "postgresql":
        store.write_now(lambda conn: conn.exec_driver_sql("ANALYZE"))


def _put(store: Store, table: Table, rows: Rows) -> int:
    made = 0
    batch: list[dict[str, Any]] = []

    def write() -> None:
        if batch:
            store.write_now(lambda conn: conn.execute(insert(table), batch))
        batch.clear()

    for row in rows:
        batch.append(row)
        made += 1
        if len(batch) == ROWS:
            write()
    write()
    return made


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


def _days(size: Size) -> Rows:
    today = int(NOW // DAY)
    looks = [_sketch(0.05, 2880) for _ in range(20)]
    for number in range(1, size.endpoints + size.heartbeats + 1):
        for day in range(today - size.days, today):
            down = 60.0 * random.randrange(30) if random.random() < 0.05 else 0.0
            yield {"monitor_id": number, "day": day, "looks": 2880, "failures": int(down / 30),
                   "sketch": random.choice(looks), "up": DAY - down, "warn": 0.0, "down": down, "blind": 0.0,
                   "paused": 0.0, "maintenance": 0.0, "falls": int(down > 0)}  # fmt: skip


def _hours(size: Size) -> Rows:
    now = int(NOW // HOUR)
    looks = [_sketch(0.05, 120) for _ in range(20)]
    for number in range(1, size.endpoints + 1):
        for hour in range(now - size.hours, now):
            yield {"monitor_id": number, "hour": hour, "looks": 120, "failures": 0,
                   "sketch": random.choice(looks)}  # fmt: skip


def _polls(size: Size) -> Rows:
    for minute in range(size.raw_hours * 60):
        at = NOW - size.raw_hours * HOUR + minute * 60
        for number in range(1, size.endpoints + 1):
            yield {"monitor_id": number, "at": at + number % 60, "verdict": "pass", "http_status": 200,
                   "latency": 0.05, "reason": None}  # fmt: skip


def _pings(size: Size) -> Rows:
    for n in range(1, size.pings + 1):
        at = NOW - (size.pings - n) * 300.0 - 10
        for number in range(size.endpoints + 1, size.endpoints + size.heartbeats + 1):
            yield {"monitor_id": number, "n": n, "at": at, "received_at": at, "kind": "success",
                   "duration": 5.0, "scheme": "https", "method": "POST", "user_agent": "curl/8",
                   "remote": "192.0.2.1", "body": b"42 invoices sent"}  # fmt: skip


def _changes(size: Size, count: int) -> Rows:
    step = size.days * DAY / size.changes
    for n in range(size.changes):
        for number in range(1, min(count, size.endpoints + size.heartbeats) + 1):
            new = "up" if n % 2 == 0 else "down"
            at = NOW - size.days * DAY + n * step + number + (60 if new == "up" else 0)
            yield {"monitor_id": number, "at": at, "old": "down", "new": new, "cause": "", "reason": "",
                   "evidence": {}, "judged_at": at}  # fmt: skip


def _incidents(size: Size) -> Rows:
    for number in range(1, size.incidents + 1):
        resolved = None if number > size.incidents - size.down else NOW - number
        yield {"group": f"g{number}", "dedup_key": f"k{number}", "title": f"service-{number:05} is down",
               "cause": "503", "severity": "critical", "since": NOW - 3_000_000 + number * 500,
               "opened_at": NOW, "resolved_at": resolved, "suppressed": []}  # fmt: skip


def _members(size: Size) -> Rows:
    for number in range(1, size.incidents + 1):
        yield {"incident_id": number, "monitor_id": 1 + number % (size.endpoints + size.heartbeats),
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
        text = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    else:
        text = "SELECT pg_database_size(current_database())"
    return int(store.read_now(lambda conn: conn.exec_driver_sql(text).scalar_one()))
