"""A server under load: the checker or the bare prototype as a process, and what it costs and keeps."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.servers import PostgresServer, free_port

ROOT = Path(__file__).parents[2]
KEY = "benchkey0123456789ab"
PATH = f"/ping/{KEY}/hb-{{n}}"
TICKS = os.sysconf("SC_CLK_TCK")
START = 60.0  # seconds a subject may take to listen


@dataclass(frozen=True, slots=True)
class Result:
    """What callers saw of a subject in one run, and what it cost: seconds, and the most bytes of memory."""

    ok: int
    refused: int  # 503
    other: int  # any other answer, or none
    seconds: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float
    callers_cpu: float
    memory: int

    @property
    def rate(self) -> float:
        """Pings a second that were answered 200."""
        return self.ok / self.seconds

    @property
    def cpu_each(self) -> float:
        """CPU seconds of the subject (not of a database server) for 1,000 of them."""
        return self.cpu / max(1, self.ok) * 1000


class Subject:
    """A running process that answers pings: "checker" or "bare"."""

    def __init__(self, name: str, command: list[str], database: str, server: PostgresServer | None) -> None:
        self.name, self.database, self.server = name, database, server
        self.process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            self.process.kill()
            raise RuntimeError(f"{command[1]} did not start: {line}{self.process.communicate()[1][-2000:]}")
        self.port = int(found[1])

    def load(self, kind: str, clients: int, seconds: float, *, fresh: bool, monitors: int) -> Result:
        """Return what so many callers saw in so many seconds."""
        before, database = self._cpu(), self._database_cpu()
        told = load(self.port, PATH, kind, clients, seconds, fresh=fresh, monitors=monitors)
        statuses: dict[str, int] = told["statuses"]
        ok, refused = statuses.get("200", 0), statuses.get("503", 0)
        return Result(
            ok, refused, sum(statuses.values()) - ok - refused + told["broken"], told["seconds"], told["p50"],
            told["p99"], self._cpu() - before, self._database_cpu() - database, told["cpu"], self._memory(),
        )  # fmt: skip

    def kept(self) -> int:
        """Return how many pings are in the store."""
        query = f"SELECT count(*) FROM {'ping' if self.name == 'checker' else 'bare_ping'}"
        if self.server is None:
            with contextlib.closing(sqlite3.connect(self.database.removeprefix("sqlite:///"))) as conn:
                return int(conn.execute(query).fetchone()[0])
        import psycopg

        with psycopg.connect(self.database.replace("+psycopg", "")) as conn:
            counted: Any = conn.execute(query.encode()).fetchone()
            return int(counted[0])

    def stop(self) -> None:
        """End it in order."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _cpu(self) -> float:
        return cpu_of(self.process.pid)

    def _database_cpu(self) -> float:
        if self.server is None:
            return 0.0
        below = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        return sum(cpu_of(each) for each in [self.server.pid, *map(int, below)])

    def _memory(self) -> int:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process so far; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def load(
    port: int, path: str, kind: str, clients: int, seconds: float, *, fresh: bool, monitors: int
) -> dict[str, Any]:
    """Run the callers in a process of their own and return what they saw."""
    command = [sys.executable, "-m", "bench._ingest.load", "--port", str(port), "--path", path]
    command += ["--kind", kind, "--clients", str(clients), "--seconds", str(seconds)]
    command += ["--monitors", str(monitors), *(["--fresh"] if fresh else [])]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=seconds + 60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def running(name: str, folder: Path, server: PostgresServer | None, monitors: int) -> Iterator[Subject]:
    """Run "checker" or "bare" on SQLite in a folder of its own, or on a database of a PostgreSQL server."""
    folder.mkdir()
    database = f"sqlite:///{folder}/pings.db" if server is None else fresh_database(server, name)
    if name == "bare":
        command = ["-m", "bench._ingest.bare", database.replace("+psycopg", ""), str(monitors)]
        subject = Subject(name, command, database, server)
    else:
        config = folder / "checker.toml"
        config.write_text(
            f'[server]\nlisten = "127.0.0.1:{free_port()}"\ndatabase = "{database}"\nping_key = "{KEY}"\n'
            'log_level = "error"\n'
            + "".join(f'[[heartbeat]]\nname = "hb-{n}"\nevery = "1h"\n' for n in range(monitors))
        )
        subject = Subject(name, ["-m", "checker", "run", "--config", str(config)], database, server)
    try:
        yield subject
    finally:
        subject.stop()


def fresh_database(server: PostgresServer, name: str) -> str:
    """Make an empty database and return its URL."""
    import psycopg

    made = f"{name}_{time.time_ns()}"
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{made}"'.encode())
    return server.url_for(made)
