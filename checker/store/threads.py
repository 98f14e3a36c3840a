"""A few daemon threads with one queue: they never delay the interpreter's exit, whatever hangs in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple["Future[Any]", Callable[[], Any]]


class Threads:
    """Runs jobs on `count` daemon threads, first come first served; the threads start with the first job."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._name = name
        self._count = count
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False
        self._busy_since: float | None = None

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Queue a job; its future can be cancelled until it begins. Raises `RuntimeError` once closed."""
        if self._closed:
            raise RuntimeError(f"{self._name} is closed")
        if not self._threads:
            self._start()
        future: Future[T] = Future()
        self._jobs.put((future, job))
        return future

    def busy_for(self) -> float:
        """Return for how many seconds the present job has been running (with several threads: the latest)."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self, timeout: float = 5.0) -> None:
        """Let queued jobs finish, and stop; a thread that hangs longer than `timeout` seconds is left."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start(self) -> None:
        with self._lock:
            if self._threads:
                return
            threads = [
                threading.Thread(target=self._work, name=f"{self._name}-{index}", daemon=True)
                for index in range(self._count)
            ]
            for thread in threads:
                thread.start()
            self._threads = threads

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                continue
            self._busy_since = time.monotonic()
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the job
                self._busy_since = None
                future.set_exception(error)
            else:
                self._busy_since = None
                future.set_result(result)
            del future, job, item
