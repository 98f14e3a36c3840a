"""What does history cost on the disk, a monitor and a day, and is the room of what went used again?

`python -m bench.history [--quick] [--postgres] [--write]`. Endpoints are looked at every 30 s for two weeks
of virtual time; each day is rolled up and what is old goes, by the loops that a checker runs. On PostgreSQL
each day ends with a VACUUM: what autovacuum does in a real one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine

from bench._page import keep_headed
from checker.model import Kind, MonitorSpec
from checker.registry import Registry
from checker.retention import Keep, Retention
from checker.roller import Roller
from checker.store import Store, door, monitors
from checker.store.tables import metadata
from examples.servers import PostgresServer

DAY = 86_400.0
START = 20_000 * DAY
EVERY = 30.0
RAW = 3 * DAY
TABLES = ("poll", "history_hour", "history_day")


@dataclass(frozen=True, slots=True)
class Day:
    """One day: the size of the database, its rows, our seconds of CPU for rolling up and for forgetting."""

    number: int
    bytes: int
    rows: dict[str, int]
    rolling: float
    forgetting: float


async def live(store: Store, url: str, endpoints: int, days: int) -> Iterator[Day]:
    """Return what each day left behind."""
    specs = [MonitorSpec(Kind.ENDPOINT, f"e{n}", url="http://127.0.0.1/") for n in range(endpoints)]
    await store.write(lambda conn: monitors.sync(conn, specs, START))
    registry = Registry(store)
    await registry.reload()
    now = START
    roller = Roller(store, node="bench", clock=lambda: now, pause=0.0, settle=0.0)
    retention = Retention(store, registry, lambda: now, keep=Keep(poll_age=RAW))
    found = []
    for number in range(1, days + 1):
        await _look(store, [each for each, _ in registry.endpoints()], now)
        now += DAY
        began = time.process_time()
        await roller.once(now + 600)
        rolled = time.process_time()
        await retention.once(now)
        gone = time.process_time()
        rows = await store.read(
            lambda conn: {
                name: int(conn.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one())
                for name in TABLES
                if name in metadata.tables
            }
        )
        if url.startswith("postgresql"):
            await asyncio.to_thread(_vacuum, url)
        size = await store.read(_bytes)
        found.append(Day(number, size, rows, rolled - began, gone - rolled))
    return iter(found)


async def _look(store: Store, ids: list[int], start: float) -> None:
    """Write a day of looks, as the door does, an hour at a time."""
    random_ = random.Random(start)
    steps = int(3600 / EVERY)
    for hour in range(24):
        rows = [
            (each, start + hour * 3600 + step * EVERY, "pass", 200, random_.lognormvariate(-3, 0.3), None)
            for step in range(steps)
            for each in ids
        ]
        await store.write(lambda conn, rows=rows: door.insert_polls(conn, rows))  # type: ignore[misc]


def _bytes(conn: Connection) -> int:
    text = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    if conn.dialect.name == "postgresql":
        text = "SELECT pg_database_size(current_database())"
    return int(conn.exec_driver_sql(text).scalar_one())


def _vacuum(url: str) -> None:
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as conn:
        conn.exec_driver_sql("VACUUM")


def bytes_each(store: Store, table: str) -> float | None:
    """Return the bytes that a row takes with its indexes, where the database can tell."""
    count = store.read_now(lambda conn: conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
    if store.dialect == "postgresql":
        text = f"SELECT pg_total_relation_size('{table}')"
        return int(store.read_now(lambda conn: conn.exec_driver_sql(text).scalar_one())) / int(count)
    try:
        text = (
            "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = ?)"
        )
        size = store.read_now(lambda conn: conn.exec_driver_sql(text, (table,)).scalar())
    except Exception:  # noqa: BLE001 - this SQLite was built without that table
        return None
    return None if not count or size is None else float(size) / float(count)


def main(arguments: list[str] | None = None) -> int:
    """Live two weeks, print the table; return 1 where the file still grows in the last days."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three endpoints")
    parser.add_argument("--write", action="store_true", help="write bench/results/history-<date>.md too")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    given = parser.parse_args(arguments)
    endpoints, days = (3 if given.quick else 20), 14
    with tempfile.TemporaryDirectory() as name, _database(Path(name), given.postgres) as url:
        store = Store(url, timeout=120.0)
        store.migrate()
        found = list(asyncio.run(live(store, url, endpoints, days)))
        each = {table: bytes_each(store, table) for table in TABLES}
        store.close()
    text = report(found, each, endpoints, "PostgreSQL" if given.postgres else "SQLite")
    print(text)
    if given.write:
        kind, flag = ("-postgres", " --postgres") if given.postgres else ("", "")
        keep_headed(f"history{kind}", "History on the disk", f"history{flag}", text)
    grown = found[-1].bytes - found[-5].bytes
    expected = 4 * endpoints * 24 * 300  # hours and days go on; their rows stay under 300 bytes
    return 0 if grown <= expected + 400_000 else 1


@contextmanager
def _database(folder: Path, postgres: bool) -> Iterator[str]:
    if postgres:
        with PostgresServer() as server:
            yield server.url
    else:
        yield f"sqlite:///{folder}/checker.db"


def report(found: list[Day], each: dict[str, float | None], endpoints: int, database: str) -> str:
    """Return the results as Markdown."""
    a_day = {"poll": DAY / EVERY, "history_hour": 24.0, "history_day": 1.0}
    kept = {"poll": "3 days", "history_hour": "35 days", "history_day": "5 years"}
    lines = [
        f"{endpoints} endpoints looked at every {EVERY:.0f} s, {len(found)} days, {database}. "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}.",
        "",
        "| table | bytes a row, with its indexes | rows a monitor and day | bytes a monitor and day | kept |",
        "|---|---|---|---|---|",
    ]
    for table, size in each.items():
        shown = "?" if size is None else f"{size:.0f}"
        total = "?" if size is None else f"{size * a_day[table]:,.0f}"
        lines.append(f"| {table} | {shown} | {a_day[table]:,.0f} | {total} | {kept[table]} |")
    lines += [
        "",
        "| day | database | raw looks | hours | days | rolling up, CPU | forgetting, CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for day in found:
        rows = day.rows
        lines.append(
            f"| {day.number} | {day.bytes / 1e6:.1f} MB | {rows['poll']:,} | {rows['history_hour']:,} |"
            f" {rows['history_day']:,} | {day.rolling:.2f} s | {day.forgetting:.2f} s |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
