"""A worker for queues that have none of their own: `python -m ... list|stream|table ADDRESS KEY`."""

from __future__ import annotations

import sqlite3
import sys
import time
from typing import Any

import redis as redis_library

from tests.healthkit.checks.queues.apps import wait_for_file


def work(job: str) -> None:
    """Do a job: nothing much, or hang until the file that it names is there."""
    if job.startswith("hang "):
        wait_for_file(job.removeprefix("hang "))


def from_list(url: str, key: str) -> None:
    """Take from the right end, for ever."""
    client: Any = redis_library.Redis.from_url(url, decode_responses=True)
    while True:
        _, job = client.brpop([key])
        work(job)


def from_stream(url: str, key: str) -> None:
    """Read as the consumer `one` of the group `billing`, for ever."""
    client: Any = redis_library.Redis.from_url(url, decode_responses=True)
    while True:
        for _, rows in client.xreadgroup("billing", "one", {key: ">"}, count=1, block=0):
            for entry, fields in rows:
                work(fields["job"])
                client.xack(key, "billing", entry)


def from_table(path: str, table: str) -> None:
    """Take the oldest row, for ever."""
    while True:
        connection = sqlite3.connect(path, isolation_level=None)
        statement = f"DELETE FROM {table} WHERE id = (SELECT min(id) FROM {table}) RETURNING job"
        rows = connection.execute(statement).fetchall()
        connection.close()
        for (job,) in rows:
            work(job)
        if not rows:
            time.sleep(0.05)


if __name__ == "__main__":
    {"list": from_list, "stream": from_stream, "table": from_table}[sys.argv[1]](*sys.argv[2:])
