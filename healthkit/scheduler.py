"""What is done by the clock: one daemon thread a process, started with the first job, never at import."""

from __future__ import annotations

import heapq
import logging
import threading
import time
import weakref
from collections.abc import Callable
from itertools import count

from healthkit.forks import survive
from healthkit.outcomes import where

Job = Callable[[], float | None]

log = logging.getLogger(__name__)


class Scheduler:
    """Calls jobs when they are due; each returns the seconds until it is due again, or None. None may block.

    The thread ends when no job is left. A job that is late is called once, not once for each time it missed.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._numbers = count()
        self.reset()
        survive(self)

    def reset(self) -> None:
        """Forget every job: in a forked child their owners start anew."""
        self._wake = threading.Condition(threading.Lock())
        self._jobs: list[tuple[float, int, Callable[[], Job | None]]] = []
        self._thread: threading.Thread | None = None

    def after(self, delay: float, job: Job) -> None:
        """Call a job after `delay` seconds. Raises `RuntimeError` when no thread can be started."""
        self._add(self._monotonic() + delay, lambda: job)

    def after_while_alive(self, delay: float, method: Job) -> None:
        """Call a bound method after `delay` seconds, for as long as something else keeps its object."""
        self._add(self._monotonic() + delay, weakref.WeakMethod(method))

    def once(self, now: float) -> float | None:
        """Call what is due at `now` (monotonic seconds); return when the next job is due, or None."""
        while (job := self._due(now)) is not None:
            due, reference = job
            again = _call(reference)
            if again is not None:
                self._add(max(due + again, now), reference)
        return self._jobs[0][0] if self._jobs else None

    def _add(self, due: float, reference: Callable[[], Job | None]) -> None:
        with self._wake:
            heapq.heappush(self._jobs, (due, next(self._numbers), reference))
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="healthkit scheduler", daemon=True)
                thread.start()
                self._thread = thread
            self._wake.notify()

    def _due(self, now: float) -> tuple[float, Callable[[], Job | None]] | None:
        with self._wake:
            if not self._jobs or self._jobs[0][0] > now:
                return None
            due, _, reference = heapq.heappop(self._jobs)
            return due, reference

    def _run(self) -> None:
        while True:
            self.once(self._monotonic())
            with self._wake:
                if not self._jobs:
                    self._thread = None
                    return
                self._wake.wait(max(0.0, self._jobs[0][0] - self._monotonic()))


def _call(reference: Callable[[], Job | None]) -> float | None:
    job = reference()
    if job is None:
        return None
    try:
        return job()
    except BaseException as error:  # noqa: BLE001 - the loop must survive, or every check would go stale
        log.error("a scheduled job failed, and is tried again: %s", where(error))
        return 1.0


scheduler = Scheduler()
