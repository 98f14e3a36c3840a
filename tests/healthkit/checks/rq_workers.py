"""Real `rq worker` processes for the tests, ended by pid whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis as redis_library

from examples.servers import children, signal_if_alive
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]


class RealWorker:
    """One `rq worker` process on one queue; a context manager that waits until it is registered."""

    def __init__(self, url: str, queue: str = "default", kind: str = "rq.Worker", **environ: str) -> None:
        self.url, self.queue, self.kind = url, queue, kind
        self._environ = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
        self._client = redis_library.Redis.from_url(url)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "rq.cli", "worker", "--url", self.url, "--worker-class", self.kind]
        self._process = subprocess.Popen(
            [*command, "--quiet", self.queue], cwd=ROOT, env=self._environ, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._is_idle, timeout=30, what="the worker's registration")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._client.close()

    def freeze(self) -> None:
        """Stop the worker and its work-horse (SIGSTOP)."""
        for pid in (self._process.pid, *children(self._process.pid)):
            signal_if_alive(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let both go on (SIGCONT)."""
        for pid in (*children(self._process.pid), self._process.pid):
            signal_if_alive(pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the worker and its work-horse as kill -9 does."""
        signal_if_alive(self._process.pid, signal.SIGSTOP)  # so that it forks no other meanwhile
        for pid in (self._process.pid, *children(self._process.pid)):
            signal_if_alive(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End the worker in peace: it takes itself off the list."""
        self._process.terminate()
        self._process.wait(20)

    def _is_idle(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the worker ended at once with code {self._process.returncode}")
        keys: Any = self._client.smembers(f"rq:workers:{self.queue}")
        return any(self._client.hget(key, "state") == b"idle" for key in keys)
