"""One app behind a real server, and the callers that measure it."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
GUNICORN = ["-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1", "-k", "gthread", "--threads", "8"]
UVICORN = ["-m", "uvicorn", "--port", "0", "--log-level", "info", "--no-access-log"]


class Answer(NamedTuple):
    """An answer's status (0: none within the patience) and how many seconds it took."""

    status: int
    took: float


class Served:
    """A server process; its own folder holds the lock, the database and the count of touches."""

    def __init__(self, python: str, app: str, folder: Path, **environ: str) -> None:
        folder.mkdir()
        self.lock, self.touches, self.log = folder / "lock", folder / "touches", folder / "log"
        self.lock.touch()
        self.touches.touch()
        server = UVICORN if "fastapi" in app else GUNICORN
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, *server, app], cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "BENCH_FOLDER": str(folder), **environ},
            )  # fmt: skip
        self.port = 0

    def __enter__(self) -> Self:
        end = time.monotonic() + 30
        while not self._is_up():
            if time.monotonic() > end or self.process.poll() is not None:
                self.__exit__()
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def _is_up(self) -> bool:
        found = re.search(r"127\.0\.0\.1:([1-9]\d*)", self.log.read_text())
        self.port = int(found[1]) if found else 0
        return bool(found) and self.get("/").status == 200

    def get(self, path: str, patience: float = 30.0) -> Answer:
        """Return the answer to a GET over a fresh connection, as most pollers make it."""
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return Answer(answer.status, time.perf_counter() - start)
        except OSError:
            return Answer(0, time.perf_counter() - start)
        finally:
            connection.close()

    def get_many(self, path: str, callers: int, each: int, patience: float = 60.0) -> list[Answer]:
        """Return what so many callers at once got, each asking `each` times."""
        with ThreadPoolExecutor(callers) as pool:
            asked = pool.map(lambda _: [self.get(path, patience) for _ in range(each)], range(callers))
            return [answer for answers in asked for answer in answers]

    def timed(self, path: str, count: int) -> list[float]:
        """Return the seconds of GETs in turn over one kept connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            connection.request("GET", path)
            connection.getresponse().read()
            seconds.append(time.perf_counter() - start)
        connection.close()
        return seconds

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Make one check hang while the block runs."""
        with self.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
