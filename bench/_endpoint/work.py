"""What every app checks, in every library the same: one committed database write, three waits of 50 ms.

Standard library alone: the peers' interpreter has nothing of this project's.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from pathlib import Path

FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
LOCK = FOLDER / "lock"  # while somebody holds it, the check `first` hangs, in C
TOUCHES = FOLDER / "touches"
STATIC = {"status": "pass", "service": "bench", "checks": {"database": "pass", "first": "pass"}}
_local = threading.local()


def database() -> None:
    """Commit a write, over a connection of this thread's own."""
    if not hasattr(_local, "connection"):
        _local.connection = sqlite3.connect(FOLDER / "bench.db", timeout=30)
        _local.connection.execute("CREATE TABLE IF NOT EXISTS probe (at REAL)")
    with _local.connection:
        _local.connection.execute("INSERT INTO probe VALUES (?)", (time.time(),))
    with TOUCHES.open("a") as file:
        file.write(".")


def first() -> None:
    """Take 50 ms, and hang while the lock is held."""
    with LOCK.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    time.sleep(0.05)


def second() -> None:
    """Take 50 ms."""
    time.sleep(0.05)


def third() -> None:
    """Take 50 ms."""
    time.sleep(0.05)


CHECKS = (database, first, second, third)
