"""Real servers of every kind with the apps of `hung_apps`."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from examples.servers import free_port, signal_if_alive
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
FLASK = "tests.e2e.hung_apps:flask_app"
FASTAPI = "tests.e2e.hung_apps:fastapi_app"


def program(name: str, *arguments: str) -> list[str]:
    """Return the command of a server that is a module of Python's."""
    return [sys.executable, "-m", name, *arguments]


def script(name: str, *arguments: str) -> list[str]:
    """Return the command of a server that is a script beside the interpreter."""
    return [str(Path(sys.executable).with_name(name)), *arguments]


GUNICORN = program("gunicorn", "-b", "127.0.0.1:0", "-w", "1")
UVICORN = program("uvicorn", "--port", "0", FASTAPI)


@dataclass(frozen=True)
class Kind:
    """A way to serve, and a way to hang."""

    command: list[str]
    hangs: str = "sync"
    check_early: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """A real server process with the hung apps."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.lock, self.runs, self.log = folder / "lock", folder / "runs", folder / "log"
        self.lock.touch()
        self.runs.touch()
        environ = {
            **os.environ,
            "HUNG_APPS_LOCK": str(self.lock),
            "HUNG_APPS_RUNS": str(self.runs),
            "HUNG_APPS_KIND": kind.hangs,
            "HUNG_APPS_CHECK_EARLY": "1" if kind.check_early else "",
        }
        command = [part.replace("{port}", str(free_port())) for part in kind.command]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environ)
        self.port = 0

    def __enter__(self) -> Self:
        try:
            self.port = int(wait_for(self._announced, 30, "the server's start").group(1))
            wait_for(self._answers, 30, "the first answer")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pid in [*self.workers(), self.process.pid]:
            if self.process.poll() is None or pid != self.process.pid:
                signal_if_alive(pid, signal.SIGKILL)
        self.process.wait(10)

    def _announced(self) -> Any:
        assert self.process.poll() is None, self.log.read_text()
        return re.search(r"127\.0\.0\.1:([1-9]\d*)", self.log.read_text())

    def _answers(self) -> bool:
        try:
            return self.get("/")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, bytes, float]:
        """Return status, body and seconds of a GET over a fresh connection."""
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), time.monotonic() - start
        finally:
            connection.close()

    def ask(self, path: str, **headers: str) -> Answer:
        """Return the answer to a GET with headers; `_` in their names stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={key.replace("_", "-"): headers[key] for key in headers})
            answer = connection.getresponse()
            found = {key.lower(): value for key, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def get_many(self, path: str, count: int, at_once: int) -> list[tuple[int, bytes, float]]:
        """Return the answers of many GETs, so many at once."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.get(path), range(count)))

    def workers(self) -> list[int]:
        """The pids of the server's child processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [int(pid) for pid in children.read_text().split()]
        except OSError:
            return []

    def threads(self) -> int:
        """How many threads serve: those of the workers, or of the server where it has none."""
        pids = self.workers() or [self.process.pid]
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return sum(int(status.split("Threads:")[1].split()[0]) for status in statuses)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Make the check hang while the block runs."""
        with self.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
