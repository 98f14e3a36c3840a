"""The faults that `healthkit demo break NAME` causes and `heal NAME` ends. All of them are real."""

from __future__ import annotations

import fcntl
import signal
import sqlite3
import struct
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

from redis import Redis
from rq import Queue
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from examples.demo.programs import Programs

FLOOD = 2_000


class Fault(ABC):
    """One thing that can be broken; breaking twice or healing what is whole does no harm."""

    name: str
    what: str  # one line: what breaking it does

    @abstractmethod
    def break_(self) -> None:
        """Cause the fault."""

    @abstractmethod
    def heal(self) -> None:
        """End the fault."""


class ReadOnlyFile(Fault):
    """The shop's SQLite file becomes read-only, for everyone, root too, while reads go on.

    SQLite treats a file as read-only whose header asks for a newer write format than it knows
    (https://www.sqlite.org/fileformat2.html, section 1.3.3).
    """

    name = "database"
    what = "the shop's database turns read-only; every read still works"

    def __init__(self, path: Path) -> None:
        self.path = path

    def break_(self) -> None:
        """Ask for write format 3, which does not exist."""
        self._set_write_format(3)

    def heal(self) -> None:
        """Ask for write format 1 again."""
        self._set_write_format(1)

    def _set_write_format(self, version: int) -> None:
        if self.path.read_bytes()[18:19] == bytes([version]):
            return
        with closing(sqlite3.connect(self.path, timeout=10, isolation_level=None)) as guard:
            # Nobody may be writing: a commit under way would put the old header back.
            guard.execute("BEGIN IMMEDIATE" if version == 3 else "BEGIN")
            with self.path.open("r+b") as file:
                header = bytearray(file.read(100))
                header[18] = version
                (counter,) = struct.unpack_from(">I", header, 24)
                struct.pack_into(
                    ">I", header, 24, counter + 1
                )  # so that open connections read the header anew
                struct.pack_into(">I", header, 92, counter + 1)
                file.seek(0)
                file.write(header)


class ReadOnlyPostgres(Fault):
    """The shop's PostgreSQL database becomes read-only, as a replica is."""

    name = "database"
    what = ReadOnlyFile.what

    def __init__(self, url: str) -> None:
        self.url = make_url(url)

    def break_(self) -> None:
        """New sessions are read-only, and old ones are ended."""
        self._set_read_only("on")

    def heal(self) -> None:
        """New sessions may write again, and old ones are ended."""
        self._set_read_only("off")

    def _set_read_only(self, value: str) -> None:
        engine = create_engine(self.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            name = str(self.url.database)
            quoted = connection.dialect.identifier_preparer.quote(name)
            connection.execute(text(f"ALTER DATABASE {quoted} SET default_transaction_read_only = {value}"))
            end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
            connection.execute(end, {"name": name})
        engine.dispose()


class Frozen(Fault):
    """A program is stopped with SIGSTOP: it is still there, and does nothing."""

    def __init__(
        self, name: str, what: str, programs: Programs, program: str, *, alone: bool = False
    ) -> None:
        self.name, self.what = name, what
        self.programs, self.program, self.alone = programs, program, alone

    def break_(self) -> None:
        """Stop it: with all of its children, or `alone`, so that what it has started goes on."""
        self.programs.signal(self.program, signal.SIGSTOP, alone=self.alone)

    def heal(self) -> None:
        """Let it go on, or start it again where it was killed."""
        if self.program in self.programs.ended():
            self.programs.restart(self.program)
        else:
            self.programs.signal(self.program, signal.SIGCONT)


class Flood(Fault):
    """Far more jobs than the worker can do are put into its queue."""

    name = "backlog"
    what = f"{FLOOD:,} slow newsletter e-mails are queued in front of the confirmations"

    def __init__(self, redis_url: str, queue: str) -> None:
        self.queue = Queue(queue, connection=Redis.from_url(redis_url))

    def break_(self) -> None:
        """Queue them."""
        self.queue.enqueue_many(
            [
                Queue.prepare_data(
                    "examples.shop.jobs.send_newsletter",
                    args=(f"customer-{number}@example.org", 0.2),
                    job_id=f"newsletter-{number}",
                    result_ttl=0,
                )
                for number in range(FLOOD)
            ]
        )

    def heal(self) -> None:
        """Take those that still wait out again."""
        waiting = [job_id for job_id in self.queue.job_ids if job_id.startswith("newsletter-")]
        with self.queue.connection.pipeline(transaction=False) as pipeline:
            for job_id in reversed(waiting):
                pipeline.lrem(self.queue.key, -1, job_id)
                pipeline.delete(f"rq:job:{job_id}")
            pipeline.execute()


class Outage(Fault):
    """The payment provider answers 500 to everything."""

    name = "payments"
    what = "the payment provider answers 500 to every call"

    def __init__(self, url: str) -> None:
        self.url = url

    def break_(self) -> None:
        """Begin the outage."""
        self._call("POST")

    def heal(self) -> None:
        """End the outage."""
        self._call("DELETE")

    def _call(self, method: str) -> None:
        with urlopen(Request(f"{self.url}/outage", method=method), timeout=5) as answer:
            answer.read()


class Held(Fault):
    """Somebody holds the lock that the nightly job waits for, so its next run hangs halfway."""

    name = "hung-job"
    what = "the nightly job starts and then hangs, waiting for a lock that is never released"

    def __init__(self, lock: Path) -> None:
        self.lock = lock
        self._held: IO[str] | None = None

    def break_(self) -> None:
        """Take the lock."""
        if self._held is None:
            self._held = self.lock.open("a")
            fcntl.flock(self._held, fcntl.LOCK_EX)

    def heal(self) -> None:
        """Release it."""
        if self._held is not None:
            self._held.close()
            self._held = None
