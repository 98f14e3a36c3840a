"""The bare group commit that the checker is measured against: the same HTTP server, and almost nothing else.

`python -m bench._ingest.bare DATABASE MONITORS` answers `/ping/<key>/hb-<n>`: append a row, move a deadline,
answer after the commit. No state, no kinds of pings, no run ids, no history to look up, no limits, no errors.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from checker import server
from checker.web.ping_request import App, read_body

PERIOD = 7200.0  # seconds from a ping to the next deadline
Row = tuple[int, float, bytes | None]
Commit = Callable[[list[Row]], None]

TABLES = (
    "CREATE TABLE bare_state"
    " (monitor_id INTEGER PRIMARY KEY, last DOUBLE PRECISION, deadline DOUBLE PRECISION)",
    "CREATE INDEX bare_deadline ON bare_state (deadline)",
)


def sqlite(path: str, monitors: int) -> Commit:
    """Return what writes a batch to SQLite, as durably as the checker does."""
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        conn.execute(f"PRAGMA {pragma}")
    for table in (
        *TABLES,
        "CREATE TABLE bare_ping (id INTEGER PRIMARY KEY, monitor_id INT, at DOUBLE, body BLOB)",
    ):
        conn.execute(table)
    conn.execute("BEGIN")
    conn.executemany("INSERT INTO bare_state VALUES (?, 0, 0)", [(each,) for each in range(monitors)])
    conn.execute("COMMIT")

    def commit(rows: list[Row]) -> None:
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany("INSERT INTO bare_ping (monitor_id, at, body) VALUES (?, ?, ?)", rows)
        moved = {monitor: (at, at + PERIOD, monitor) for monitor, at, _ in rows}
        conn.executemany("UPDATE bare_state SET last = ?, deadline = ? WHERE monitor_id = ?", moved.values())
        conn.execute("COMMIT")

    return commit


def postgresql(url: str, monitors: int) -> Commit:
    """Return what writes a batch to PostgreSQL: two statements and a commit, whatever its length."""
    import psycopg

    conn = psycopg.connect(url)
    serial = (
        "CREATE TABLE bare_ping (id BIGSERIAL PRIMARY KEY, monitor_id INT, at DOUBLE PRECISION, body BYTEA)"
    )
    for table in (*TABLES, serial):
        conn.execute(table)
    conn.execute("INSERT INTO bare_state SELECT n, 0, 0 FROM generate_series(0, %s) n", (monitors - 1,))
    conn.commit()
    append = (
        "INSERT INTO bare_ping (monitor_id, at, body)"
        " SELECT * FROM unnest(%b::int[], %b::float8[], %b::bytea[])"
    )
    move = (
        "UPDATE bare_state s SET last = n.at, deadline = n.at + 7200"
        " FROM unnest(%b::int[], %b::float8[]) n(id, at) WHERE monitor_id = n.id"
    )

    def commit(rows: list[Row]) -> None:
        ids, ats, bodies = zip(*rows, strict=True)
        moved = {monitor: at for monitor, at, _ in rows}  # the last of each
        with conn.pipeline():
            conn.execute(append, (list(ids), list(ats), list(bodies)), prepare=True)
            conn.execute(move, (list(moved), list(moved.values())), prepare=True)
            conn.commit()

    return commit


class Bare:
    """Gathers what comes while a batch is being written, as the checker's door does."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def keep(self, row: Row) -> None:
        """Return once the row is durable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(0)
            batch, self._waiting = self._waiting, []
            await loop.run_in_executor(self._thread, self._commit, [row for row, _ in batch])
            for _, done in batch:
                done.set_result(None)
        self._task = None


def app(bare: Bare) -> App:
    """Return the ASGI application: a path that ends in the monitor's number."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    end = {"type": "http.response.body", "body": b"OK"}

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        body, _ = await read_body(scope, receive, 30.0)
        number = int(scope["path"].rpartition("-")[2].partition("/")[0])
        await bare.keep((number, time.time(), body or None))
        await send(start)
        await send(end)

    return answer


async def serve(commit: Commit) -> None:
    """Serve on a free port until the process is ended."""
    sock = server.listen("127.0.0.1", 0)
    print(f"listening on {server.address(sock).url}", flush=True)
    await server.serve(server.server(app(Bare(commit))), sock)


def main() -> int:
    """Run the prototype on one database."""
    database, monitors = sys.argv[1], int(sys.argv[2])
    scheme, _, rest = database.partition("://")
    commit = (
        sqlite(rest[1:], monitors) if scheme == "sqlite" else postgresql("postgresql://" + rest, monitors)
    )
    asyncio.run(serve(commit))
    return 0


if __name__ == "__main__":
    sys.exit(main())
