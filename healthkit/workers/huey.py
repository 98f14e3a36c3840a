"""Huey consumers and tasks that tell the checker how they are.

    install(huey)  # HEALTHKIT_PING_URL: the consumer; HEALTHKIT_JOBS_URL: every task

A consumer beats while one of its workers' loops turns or is busy with a task. With process workers each
process beats.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from huey import signals  # type: ignore[import-untyped, unused-ignore]

from healthkit import transport
from healthkit.durations import Duration
from healthkit.workers._watch import Loops, Ticker, Watch, watch_from

_GIVEN_UP = {
    signals.SIGNAL_TIMEOUT: "it ran out of its time",
    signals.SIGNAL_INTERRUPTED: "interrupted: the consumer was told to end",
    signals.SIGNAL_CANCELED: "canceled",
    signals.SIGNAL_LOCKED: "not run: its lock was taken",
    signals.SIGNAL_RATE_LIMITED: "not run: over its rate limit",
    signals.SIGNAL_EXPIRED: "not run: it expired in the queue",
}


def install(
    huey: Any,
    *,
    url: str | None = None,
    every: Duration | None = None,
    tasks: Mapping[str, str] | None = None,
    tasks_url: str | None = None,
) -> None:
    """Have a Huey's consumer beat at `url`, and tell the runs of its tasks: of those in `tasks` (name -> ping
    URL) there, of others below `tasks_url` (such as `https://checker.example/ping/<key>`).

    What is not given comes from `HEALTHKIT_PING_URL`, `HEALTHKIT_PING_EVERY` and `HEALTHKIT_JOBS_URL`. Call
    it once, where the instance is made. A wrong URL is logged, and raises nothing.
    """
    watch = watch_from(
        url=url, every=every, jobs=tasks, jobs_url=tasks_url, backlog=lambda: float(huey.pending_count())
    )
    consumer = _Consumer(watch)
    huey.signal()(consumer.hear)
    huey.on_startup("healthkit")(consumer.begin)
    huey.on_shutdown("healthkit")(consumer.end)
    dequeue = huey.dequeue

    def turning(*args: Any, **kwargs: Any) -> Any:
        consumer.loops.turn()
        return dequeue(*args, **kwargs)

    huey.dequeue = turning


class _Consumer:
    """What happens in one consumer's process."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.loops = Loops(watch.every)
        self._lock = threading.Lock()
        self._workers: dict[int, int] = {}  # how many have begun, by process: a forked one counts anew

    def begin(self) -> None:
        """A worker begins; the first of a process starts the beats."""
        with self._lock:
            before = self._workers.get(os.getpid(), 0)
            self._workers[os.getpid()] = before + 1
        if not before:
            self.loops.turn()
            Ticker(self._watch, self.loops.alive).start()

    def end(self) -> None:
        """A worker ends; the last of a process says good-bye."""
        with self._lock:
            self._workers[os.getpid()] = left = self._workers.get(os.getpid(), 1) - 1
        if not left:
            self._watch.farewell("Huey consumer")
            transport.leave()

    def hear(self, signal: str, task: Any, error: BaseException | None = None) -> None:
        """A signal of a task."""
        if signal == signals.SIGNAL_EXECUTING:
            self.loops.begin(task.id)
            self._watch.jobs.began(task.name, task.id)
        elif signal == signals.SIGNAL_COMPLETE:
            self._ended(task, None, again=False)
        elif signal == signals.SIGNAL_INTERRUPTED:  # such a task is not put back into the queue
            self._ended(task, _GIVEN_UP[signal], again=False)
        elif signal == signals.SIGNAL_ERROR or signal in _GIVEN_UP:
            self._ended(task, error or _GIVEN_UP.get(signal, signal), again=bool(task.retries))
        elif signal == signals.SIGNAL_RETRYING and self.loops.end(task.id):  # it asked for it itself
            self._watch.jobs.postponed(task.name, task.id, "it asked for it")

    def _ended(self, task: Any, error: BaseException | str | None, *, again: bool) -> None:
        self.loops.end(task.id)
        if error is not None and again:
            self._watch.jobs.postponed(task.name, task.id, error)
        else:
            self._watch.jobs.ended(task.name, task.id, error)
