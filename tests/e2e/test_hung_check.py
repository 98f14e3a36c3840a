"""One check hung for ever, under real servers: bounded answers, other routes unharmed, recovery by itself."""

from __future__ import annotations

import fcntl
import http.client
import json
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

import pytest

from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
TIMEOUT = 0.5  # as in hung_apps
SLACK = 1.5  # seconds that a loaded machine may add
GUNICORN = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1"]
FLASK = "tests.e2e.hung_apps:flask_app"
UVICORN = [sys.executable, "-m", "uvicorn", "--port", "0", "tests.e2e.hung_apps:fastapi_app"]


@dataclass(frozen=True)
class Kind:
    """A way to serve, and a way to hang."""

    command: list[str]
    hangs: str = "sync"
    check_early: bool = False


KINDS = {
    "uvicorn": Kind(UVICORN),
    "uvicorn-async-check": Kind(UVICORN, hangs="async"),
    "gunicorn-sync": Kind([*GUNICORN, FLASK]),
    "gunicorn-sync-async-check": Kind([*GUNICORN, FLASK], hangs="async"),
    "gunicorn-gthread": Kind([*GUNICORN, "-k", "gthread", "--threads", "4", FLASK]),
    "gunicorn-gthread-preload": Kind(
        [*GUNICORN, "-k", "gthread", "--threads", "4", "--preload", FLASK], hangs="async", check_early=True
    ),
    "gunicorn-gevent": Kind([*GUNICORN, "-k", "gevent", FLASK]),
    "gunicorn-gevent-async-check": Kind([*GUNICORN, "-k", "gevent", FLASK], hangs="async"),
}


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
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(kind.command, stdout=log, stderr=log, cwd=ROOT, env=environ)
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
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def _announced(self) -> Any:
        assert self.process.poll() is None, self.log.read_text()
        return re.search(r"https?://127\.0\.0\.1:(\d+)", self.log.read_text())

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


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with Server(request.param, tmp_path) as found:
        yield found


def status_of_hung(body: bytes) -> tuple[str, str]:
    checks = json.loads(body)["checks"]
    entries = [checks["hung:status"][0], checks["hung-async:status"][0]]
    bad = next((entry for entry in entries if entry["status"] != "pass"), entries[0])
    return bad["status"], bad.get("output", "")


def test_a_hung_check_harms_nothing_and_recovers(server: Server) -> None:
    server.get_many("/", 40, at_once=8)  # the server's own threads are started by now
    assert server.get("/health")[0] == 200
    usual = server.threads()
    with server.hanging():
        first = server.get("/health")
        assert first[0] == 503
        assert status_of_hung(first[1]) == ("fail", "no answer within 0.5 s (limit 0.5 s)")
        assert first[2] < TIMEOUT + SLACK
        answers = server.get_many("/health", 50, at_once=5)
        assert {answer[0] for answer in answers} == {503}
        assert all(status_of_hung(answer[1])[1].startswith("still running for") for answer in answers)
        assert max(answer[2] for answer in answers) < TIMEOUT + SLACK
        pages = server.get_many("/", 50, at_once=5)
        assert {page[0] for page in pages} == {200}
        assert max(page[2] for page in pages) < SLACK
        assert server.get("/health/live")[0] == 200
        assert server.threads() <= usual + 1
    wait_for(lambda: server.get("/health")[0] == 200, what="recovery")
    wait_for(lambda: server.threads() <= usual, what="no thread left behind")


def test_the_server_stops_at_once_with_a_hung_check(server: Server) -> None:
    with server.hanging():
        assert server.get("/health")[0] == 503
        start = time.monotonic()
        server.process.terminate()
        server.process.wait(10)
        assert time.monotonic() - start < 2


def test_two_hundred_callers_at_once_cause_one_run_a_freshness_period(server: Server) -> None:
    before = len(server.runs.read_text().splitlines())
    answers = server.get_many("/health/checks/counted", 200, at_once=200)
    assert {answer[0] for answer in answers} == {200}
    assert len(server.runs.read_text().splitlines()) == before + 1
