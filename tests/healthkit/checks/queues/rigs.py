"""One rig for each adapter: how its app sends, how its worker is started, and which checks watch it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis as redis_library
from rq import Queue

from tests.healthkit.checks.queues import apps

ROOT = Path(__file__).parents[4]
PACKAGE = "tests.healthkit.checks.queues"


class Process:
    """One worker and its children, in a process group of its own; ended whatever happens."""

    def __init__(self, command: list[str], **environ: str) -> None:
        self._command = command
        self._environ = {**os.environ, "PYTHONPATH": str(ROOT), **environ}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self._command], cwd=ROOT, env=self._environ, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def freeze(self) -> None:
        """Stop it (SIGSTOP)."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Rig:
    """What the contract needs of an adapter."""

    silent = frozenset({"silent"})  # states in which a worker that is stopped or killed may be reported
    hung = frozenset({"stalled"})  # and one that hangs in a job
    names_job = False  # whether the reason names the job that it hangs in
    has_workers = True

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.url, self.folder = redis_url, folder
        self.gate = str(folder / "gate")

    def quick(self) -> None:
        """Send a job that does nothing much."""
        raise NotImplementedError

    def hang(self) -> None:
        """Send a job that hangs until the gate is there."""
        raise NotImplementedError

    def worker(self) -> Process:
        """Return a worker that does one job at a time, not started yet."""
        raise NotImplementedError

    def depth(self, **options: Any) -> Any:
        """Return the depth check."""
        raise NotImplementedError

    def heartbeat(self, *, max_silence: float, stalled_after: float, **options: Any) -> Any:
        """Return what watches the workers: where no library keeps a list of them, what stands still."""
        return self.depth(stalled_after=stalled_after, **options)


class RQ(Rig):
    """RQ with a stock worker."""

    silent = frozenset({"dead", "frozen"})
    names_job = True

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self._queue = Queue("default", connection=redis_library.Redis.from_url(redis_url))

    def quick(self) -> None:
        self._queue.enqueue("tests.healthkit.checks.rq_jobs.quick")

    def hang(self) -> None:
        self._queue.enqueue("tests.healthkit.checks.rq_jobs.wait_until", self.gate)

    def worker(self) -> Process:
        return Process(["rq.cli", "worker", "--url", self.url, "--quiet", "default"])

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.rq import QueueDepth

        return QueueDepth("default", self.url, **options)

    def heartbeat(self, **options: Any) -> Any:
        from healthkit.checks.rq import WorkerHeartbeat

        return WorkerHeartbeat("default", self.url, **options)


class Celery(Rig):
    """Celery on Redis with the prefork pool."""

    names_job = True

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self.app = apps.celery_app(redis_url)

    def quick(self) -> None:
        self.app.send_task("shop.quick")

    def hang(self) -> None:
        self.app.send_task("shop.hang", [self.gate])

    def worker(self) -> Process:
        command = ["celery", "-A", f"{PACKAGE}.apps:app", "worker", "--concurrency=1", "--without-gossip"]
        return Process([*command, "--without-mingle"], **_environ(self.url, "celery"))

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.celery import QueueDepth

        return QueueDepth("celery", self.app, **options)

    def heartbeat(self, **options: Any) -> Any:
        from healthkit.checks.celery import WorkerHeartbeat

        return WorkerHeartbeat("celery", self.app, **options)


class Dramatiq(Rig):
    """Dramatiq on Redis."""

    silent = frozenset({"silent", "stalled"})
    names_job = True

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self.broker = apps.dramatiq_broker(redis_url)

    def quick(self) -> None:
        self.broker.get_actor("quick").send()

    def hang(self) -> None:
        self.broker.get_actor("hang").send(self.gate)

    def worker(self) -> Process:
        options = ["--processes", "1", "--threads", "1", "--worker-shutdown-timeout", "100"]
        return Process(
            ["dramatiq", f"{PACKAGE}.apps:broker", *options],
            **_environ(self.url, "dramatiq"),
            dramatiq_queue_prefetch="1",
        )

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.dramatiq import QueueDepth

        return QueueDepth("default", self.broker, **options)

    def heartbeat(self, **options: Any) -> Any:
        from healthkit.checks.dramatiq import WorkerHeartbeat

        return WorkerHeartbeat("default", self.broker, **options)


class Huey(Rig):
    """Huey on Redis."""

    silent = frozenset({"stalled"})
    has_workers = False

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self.where = self.address()
        self.huey = apps.huey_app(self.where)

    def address(self) -> str:
        """Return where it keeps its queue."""
        return self.url

    def quick(self) -> None:
        self.huey.jobs["quick"]()

    def hang(self) -> None:
        self.huey.jobs["hang"](self.gate)

    def worker(self) -> Process:
        command = ["huey.bin.huey_consumer", f"{PACKAGE}.apps.huey", "--quiet", "--workers", "1"]
        return Process(command, **_environ(self.where, "huey"))

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.huey import QueueDepth

        return QueueDepth(self.huey, **options)


class HueyPriority(Huey):
    """Huey on Redis with priorities, kept in a sorted set."""

    def address(self) -> str:
        return f"priority+{self.url}"


class HueySQLite(Huey):
    """Huey on SQLite."""

    def address(self) -> str:
        return str(self.folder / "huey.db")


class List(Rig):
    """A plain Redis list."""

    silent = frozenset({"stalled"})
    has_workers = False

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self._client = redis_library.Redis.from_url(redis_url)
        self._number = 0

    def quick(self) -> None:
        self._number += 1
        self._client.lpush("emails", f"quick {self._number}")

    def hang(self) -> None:
        self._client.lpush("emails", f"hang {self.gate}")

    def worker(self) -> Process:
        return Process([f"{PACKAGE}.consumer", "list", self.url, "emails"])

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.redis_queues import RedisList

        return RedisList("emails", self.url, **options)


class Stream(List):
    """A Redis stream with a consumer group."""

    silent = frozenset({"stalled"})

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self._client.xgroup_create("orders", "billing", mkstream=True)

    def quick(self) -> None:
        self._client.xadd("orders", {"job": "quick"})

    def hang(self) -> None:
        self._client.xadd("orders", {"job": f"hang {self.gate}"})

    def worker(self) -> Process:
        return Process([f"{PACKAGE}.consumer", "stream", self.url, "orders"])

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.redis_queues import RedisStream

        return RedisStream("orders", self.url, group="billing", **options)


class Table(Rig):
    """A table of a database, here SQLite."""

    silent = frozenset({"stalled"})
    has_workers = False

    def __init__(self, redis_url: str, folder: Path) -> None:
        super().__init__(redis_url, folder)
        self._path = str(folder / "queue.db")
        self._say("CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT, created_at REAL)")

    def _say(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute(statement, values)

    def _send(self, job: str) -> None:
        self._say("INSERT INTO outbox (job, created_at) VALUES (?, ?)", job, time.time())

    def quick(self) -> None:
        self._send("quick")

    def hang(self) -> None:
        self._send(f"hang {self.gate}")

    def worker(self) -> Process:
        return Process([f"{PACKAGE}.consumer", "table", self._path, "outbox"])

    def depth(self, **options: Any) -> Any:
        from healthkit.checks.table_queue import TableQueue

        return TableQueue(f"sqlite:///{self._path}", "outbox", age="created_at", **options)


def _environ(url: str, kind: str) -> dict[str, str]:
    return {apps.URL: url, "HEALTHKIT_TEST_QUEUE_KIND": kind}


RIGS: list[type[Rig]] = [RQ, Celery, Dramatiq, Huey, HueyPriority, HueySQLite, List, Stream, Table]
