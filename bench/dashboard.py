"""How long does the server need for each page with 10,000 monitors and a year of history?

`python -m bench.dashboard [--quick] [--postgres] [--write]`. A store is filled, then every page is asked for,
by calls into the application as its HTTP server makes them; a row tells the median and the slowest.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench._dashboard.filled import NOW, Size, fill
from bench._page import keep_headed
from checker.config import load
from checker.process import settle_garbage
from checker.record import Recorder
from checker.registry import Registry
from checker.store import Store
from checker.store.windows import Windows
from checker.web.app import app
from checker.web.context import Context
from checker.web.ping import App
from examples.servers import PostgresServer, children
from healthkit.health import Health
from tests.checker.web.asgi import call

GOAL = 0.1  # seconds
ALL = "all of them: "
QUICK = Size(endpoints=100, heartbeats=400, days=60, hours=200, raw_hours=2, pings=20, incidents=300)
TOKEN = "bench-admin-token-0123456789abcdef"
HEADERS = [("Authorization", f"Bearer {TOKEN}"), ("X-Api-Key", TOKEN)]
CONFIG = """
[server]
listen = "127.0.0.1:8765"
database = "{database}"
admin_token = "{token}"

[[channel]]
name = "ops"
kind = "webhook"
url = "http://127.0.0.1:9/"

[[maintenance]]
name = "sunday"
schedule = "0 3 * * SUN"
duration = "1h"
monitors = ["service-*"]
"""
PAGES = (
    ("overview", "/", ""),
    ("overview, page 9 of the jobs", "/", "jobs=9"),
    ("overview, by name", "/", "q=0042"),
    ("overview, by tag", "/", "tag=batch"),
    ("an endpoint that is down", "/monitors/service-00003", ""),
    ("an endpoint", "/monitors/service-00090", ""),
    ("a heartbeat", "/monitors/job-00050", ""),
    ("incidents", "/incidents", ""),
    ("an incident", "/incidents/7", ""),
    ("public status page", "/status", ""),
    ("status URL of one", "/status/job-00050", ""),
    ("badge of one", "/badge/service-00050.svg", ""),
    ("all of them: metrics", "/metrics", ""),
    ("all of them: API, status", "/api/status", ""),
    ("API: monitors, 100", "/api/monitors", "limit=100"),
    ("API: monitors, the last 100", "/api/monitors", "limit=100&offset=9900"),
    ("API: components, 100", "/api/components", "limit=100"),
    ("API: those down", "/api/monitors", "state=down&limit=100"),
    ("API: incidents", "/api/incidents", "limit=100"),
    ("API: a monitor in numbers", "/api/monitors/service-00050/history", ""),
    ("API: uptime of 100 over 90 days", "/api/uptime", "days=90&limit=100"),
    ("all of them: management API, checks", "/api/v3/checks/", ""),
)


def context_of(store: Store, folder: Path) -> Context:
    """Return what the application works on."""
    path = folder / "checker.toml"
    path.write_text(CONFIG.format(database=f"sqlite:///{folder}/other.db", token=TOKEN))
    config = load(path, {})
    registry = Registry(store)
    registry.reload_now()
    return Context(
        store=store,
        clock=lambda: NOW,
        config=lambda: config,
        health=Health("checker"),
        monitors=registry,
        recorder=Recorder(store, registry, lambda: NOW),
        windows=Windows(store, lambda: NOW),
        url="http://127.0.0.1:8765",
    )


@dataclass(frozen=True, slots=True)
class Row:
    """The seconds of some requests, by the clock and of CPU (ours, the database's), and the answer's size."""

    label: str
    took: list[float]
    cpu: float
    database: float
    size: int

    @property
    def missed(self) -> bool:
        """Whether the median is beyond the goal; an answer that names all monitors has none."""
        return statistics.median(self.took) > GOAL and not self.label.startswith(ALL)

    def __str__(self) -> str:
        median, slowest = statistics.median(self.took) * 1000, max(self.took) * 1000
        mark = " (missed)" if self.missed else ""
        return (
            f"| {self.label}{mark} | {median:.0f} ms | {slowest:.0f} ms | {self.cpu * 1000:.0f} ms |"
            f" {self.database * 1000:.0f} ms | {self.size / 1000:.0f} |"
        )


async def measure(
    target: App, label: str, path: str, query: str, times: int, server: PostgresServer | None = None
) -> Row:
    """Return what some requests took, after two more."""
    took, size, cpu, theirs = [], 0, 0.0, 0.0
    for number in range(times + 2):
        if number == 2:
            cpu, theirs = time.process_time(), spent(server)
        began = time.perf_counter()
        reply = await call(target, path, query=query, headers=HEADERS)
        took.append(time.perf_counter() - began)
        if reply is None or reply.status not in (200, 503):
            raise SystemExit(f"{path}: {reply and reply.status} {reply and reply.text[:200]}")
        size = len(reply.body)
    ours = (time.process_time() - cpu) / times
    return Row(label, took[2:], ours, (spent(server) - theirs) / times, size)


def spent(server: PostgresServer | None) -> float:
    """Return the seconds of CPU that a database server's processes have taken."""
    pids = () if server is None else (server.pid, *children(server.pid))
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError):  # a session that has ended
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def filled(folder: Path, size: Size, postgres: bool) -> Iterator[tuple[Store, PostgresServer | None]]:
    """Give a filled store, and the server it is on."""
    if postgres:
        with PostgresServer() as server, _open(server.url, size) as store:
            yield store, server
    else:
        with _open(f"sqlite:///{folder}/checker.db", size) as store:
            yield store, None


@contextmanager
def _open(url: str, size: Size) -> Iterator[Store]:
    store = Store(url, timeout=60.0)
    try:
        store.migrate()
        fill(store, size, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
        yield store
    finally:
        store.close()


def main(arguments: list[str] | None = None) -> int:
    """Fill, measure, print the table; return 1 where a median missed the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="500 monitors and two months")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--write", action="store_true", help="write bench/results/dashboard-<date>.md too")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else Size()
    rows = []
    with tempfile.TemporaryDirectory() as name, filled(Path(name), size, given.postgres) as (store, server):
        target = app(context_of(store, Path(name)))
        settle_garbage()
        for label, path, query in PAGES:
            rows.append(asyncio.run(measure(target, label, path, query, 5 if given.quick else 15, server)))
    database = "PostgreSQL" if given.postgres else "SQLite"
    head = (
        f"{size.endpoints:,} endpoints with four components each, {size.heartbeats:,} heartbeats, "
        f"{size.down} down, {size.days} days of history, {database}. {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, load average {os.getloadavg()[0]:.0f}. "
        "Goal: a median under 100 ms; an answer that names all of them has none. CPU is what an answer "
        "takes where nothing else runs, the checker's and the database's (SQLite's is the checker's)."
    )
    table = [
        "| page | median | slowest | CPU | database's CPU | kB |",
        "|---|---|---|---|---|---|",
        *map(str, rows),
    ]
    text = "\n".join([head, "", *table, ""])
    print(text)
    if given.write:
        kind, flag = ("-postgres", " --postgres") if given.postgres else ("", "")
        keep_headed(f"dashboard{kind}", "Pages at scale", f"dashboard{flag}", text)
    return 1 if any(each.missed for each in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
