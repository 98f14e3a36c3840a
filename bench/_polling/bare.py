"""The bare prototype: as little as can poll and keep a row of each answer; nothing is judged, nobody is told.

`python -m bench._polling.bare JSON` prints a `Measured` as JSON. pycurl's own asyncio loop, `json.loads`, the
document's status, and one INSERT a poll, in transactions of all that came within a fifth of a second.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sqlite3
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pycurl

from bench._polling.plan import Measured, Plan, files, peak_mb, percentile, urls

COMMIT_EVERY = 0.2


class Bare:
    """The poller, with the rows that wait for their transaction."""

    def __init__(self, plan: Plan, database: sqlite3.Connection) -> None:
        self.plan = plan
        self.database = database
        self.multi = pycurl.AsyncCurlMulti()
        self.multi.setopt(pycurl.M_MAXCONNECTS, 4_000)
        self.idle: list[pycurl.Curl] = []
        self.rows: list[tuple[int, float, str, int, float]] = []
        self.late: list[float] = []
        self.tasks: set[asyncio.Task[None]] = set()

    async def poll(self, number: int, url: str, planned: float) -> None:
        """Ask once."""
        self.late.append(time.monotonic() - planned)
        curl = self.idle.pop() if self.idle else pycurl.Curl()
        chunks: list[bytes] = []
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.WRITEFUNCTION, chunks.append)
        await self.multi.add_handle(curl)
        status = json.loads(b"".join(chunks))["status"]
        code, took = curl.getinfo(pycurl.RESPONSE_CODE), curl.getinfo(pycurl.TOTAL_TIME)
        self.rows.append((number, time.time(), status, code, took))
        self.idle.append(curl)

    async def run(self) -> None:
        """Poll for ever, each endpoint at its own moment of the interval."""
        begin, every = time.monotonic(), self.plan.every
        due = [(begin + every * n / self.plan.endpoints, n, url) for n, url in enumerate(urls(self.plan))]
        heapq.heapify(due)
        while True:
            now = time.monotonic()
            while due[0][0] <= now:
                planned, number, url = due[0]
                heapq.heapreplace(due, (planned + every, number, url))
                task = asyncio.create_task(self.poll(number, url, planned))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(max(0.005, due[0][0] - now))

    async def commit(self) -> None:
        """Write what came, all that came together in one transaction, off the loop as the checker does."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(COMMIT_EVERY)
            rows, self.rows = self.rows, []
            if rows:
                await loop.run_in_executor(None, self._insert, rows)

    def _insert(self, rows: list[tuple[int, float, str, int, float]]) -> None:
        with self.database:
            self.database.executemany("INSERT INTO poll VALUES (?, ?, ?, ?, ?)", rows)


async def measure(plan: Plan, database: sqlite3.Connection) -> Measured:
    """Poll until all is warm, and then for as long as is asked."""
    bare = Bare(plan, database)
    working = [asyncio.create_task(bare.run()), asyncio.create_task(bare.commit())]
    await asyncio.sleep(plan.every + 1)
    before, wall, cpu = _count(database), time.monotonic(), time.process_time()
    bare.late.clear()
    await asyncio.sleep(plan.seconds)
    cpu, took, late = time.process_time() - cpu, time.monotonic() - wall, sorted(bare.late)
    rows = _count(database) - before
    for task in (*working, *bare.tasks):
        task.cancel()
    await asyncio.gather(*working, *bare.tasks, return_exceptions=True)
    await bare.multi.aclose()
    return Measured(
        polls=len(late),
        expected=plan.answering * took / plan.every,
        rows=rows,
        cpu=cpu,
        drift_p50=percentile(late, 50),
        drift_p99=percentile(late, 99),
        peak_mb=peak_mb(),
    )


def _count(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM poll").fetchone()[0])


def main() -> None:
    """Measure what the argument asks for, and print it."""
    plan = Plan(**json.loads(sys.argv[1]))
    files()
    with TemporaryDirectory(prefix="healthkit-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "bare.db", check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE poll (monitor_id, at, verdict, http_status, latency)")
        database.execute("CREATE INDEX poll_at ON poll (monitor_id, at)")
        print(json.dumps(asdict(asyncio.run(measure(plan, database)))))
        database.close()


if __name__ == "__main__":
    main()
