"""RQ workers that tell the checker they live, how far they are, and what waits.

`RQ_WORKER_CLASS=healthkit.workers.rq.HeartbeatWorker` with `HEALTHKIT_PING_URL=...` is all it takes, for `rq
worker` and `rq worker-pool` alike. Without a URL each behaves as the worker it is made of.
`HEALTHKIT_PING_EVERY` (seconds or "1m", default 30) is the longest silence of a healthy worker.

"Alive" means that the main loop turns, so the pings start there and in no thread of their own; only the
sending is in the background. A work-horse never pings: it ends by `os._exit`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping
from typing import Any

import redis
from rq.worker import BaseWorker, SimpleWorker, Worker
from rq.worker_registration import register

from healthkit import durations
from healthkit.errors import ConfigurationError
from healthkit.heartbeat import Heartbeat

try:
    from rq.worker import SpawnWorker
except ImportError:  # an older RQ, which has none
    SpawnWorker = Worker  # type: ignore[assignment,misc]

log = logging.getLogger(__name__)

EVERY = 30.0
FIELD = "healthkit_beat"  # of the worker's hash: the seconds within which it promises its next beat
MISSES = 3  # beats after which a worker's key goes, and the worker with it
RQ_SLACK = 60  # seconds that RQ adds to the time of its next beat, wherever it gives one
POST_GAP = 1.0  # least seconds between two looks at the figures


class HeartbeatMixin(BaseWorker):
    """Adds the beats to any RQ worker class; comes first among the bases."""

    _beats: Beats | None = None

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        """Begin to beat as work begins (never in `__init__`: RQ builds workers only to look at them)."""
        super().bootstrap(*args, **kwargs)
        beats = beats_from(os.environ)
        if beats is None:
            return
        self._beats = beats
        self.job_monitoring_interval = max(1, min(int(self.job_monitoring_interval), int(beats.every)))
        self.heartbeat()

    @property
    def dequeue_timeout(self) -> int:
        """How long (seconds) an idle worker waits before its loop turns again."""
        usual = int(super().dequeue_timeout)
        return usual if self._beats is None else max(1, min(usual, int(self._beats.every)))

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Beat as RQ does, with a shorter life for the worker's key, and tell the checker."""
        beats = self._beats
        if beats is None or self.is_horse:
            super().heartbeat(timeout, pipeline=pipeline)
            return
        promise = max(1, timeout - RQ_SLACK) if timeout else int(beats.every)
        life = promise + int(beats.every * (MISSES - 1))
        life = min(timeout, life) if timeout else life
        if pipeline is None:
            self._beat(life, promise)
        else:
            super().heartbeat(life, pipeline=pipeline)
            if promise > beats.every:  # a SimpleWorker's job; elsewhere RQ finds replies by their number
                pipeline.hset(self.key, FIELD, str(promise))
        self._tell(beats)

    def teardown(self) -> None:
        """Say good-bye as the worker ends in peace: a note, with the last figures."""
        beats = self._beats
        if beats is not None and not self.is_horse:
            with contextlib.suppress(redis.exceptions.RedisError):
                beats.farewell(self.name, self._read_figures())
        super().teardown()  # type: ignore[no-untyped-call]

    def _beat(self, life: int, promise: int) -> None:
        """Beat with the promise of the next in one round trip (RQ's own beat takes three)."""
        with self.connection.pipeline(transaction=False) as pipeline:
            super().heartbeat(life, pipeline=pipeline)
            pipeline.hset(self.key, FIELD, str(promise))
            *_, new = pipeline.execute()
        if new and hasattr(self, "serialize"):  # the hash had expired, or was flushed: write it anew
            with self.connection.pipeline() as pipeline:
                pipeline.hset(self.key, mapping=self.serialize())
                register(self, pipeline)
                pipeline.execute()

    def _tell(self, beats: Beats) -> None:
        # Redis's errors alone are passed over (RQ meets them at its next command and knows what to do): RQ
        # stops a worker by an exception raised from a signal handler, here as anywhere.
        if beats.due():
            with contextlib.suppress(redis.exceptions.RedisError):
                beats.send(self._read_figures())

    def _read_figures(self) -> dict[str, Any]:
        """Return what was done and what waits, in one round trip."""
        names = ("successful_job_count", "failed_job_count")
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.hmget(self.key, names)
            for queue in self.queues:
                pipeline.llen(queue.key)
            counts, *lengths = pipeline.execute()
        done, failed = (int(count or 0) for count in counts)
        return {
            "processed": done + failed,
            "backlog": sum(lengths),
            "failed": failed,
            "queues": self.queue_names(),
        }


class Beats:
    """The pings of one worker: `every` so many seconds, and at most one a second."""

    def __init__(self, heartbeat: Heartbeat, every: float) -> None:
        self._heartbeat = heartbeat
        self.every = every
        self._sent_at = float("-inf")

    def due(self) -> bool:
        """Whether the last ping is a second old."""
        return time.monotonic() - self._sent_at >= POST_GAP

    def send(self, figures: Mapping[str, Any]) -> None:
        """Say that all is well."""
        self._sent_at = time.monotonic()
        self._heartbeat.send("", figures=dict(figures), fleeting=True)

    def farewell(self, name: str, figures: Mapping[str, Any]) -> None:
        """Leave a note that the worker ends."""
        self._heartbeat.send("/log", f"RQ worker {name} ends", figures=dict(figures))


def beats_from(environ: Mapping[str, str]) -> Beats | None:
    """Return the beats that the environment asks for; None without a URL, or with one that cannot be (it is
    logged).
    """
    try:
        heartbeat = Heartbeat(environ.get("HEALTHKIT_PING_URL"))
        every = durations.seconds(
            _number(environ.get("HEALTHKIT_PING_EVERY") or EVERY), what="HEALTHKIT_PING_EVERY"
        )
        if every < 1:
            raise ConfigurationError("HEALTHKIT_PING_EVERY: less than a second; write 1 or more")
    except ConfigurationError as error:  # the worker works on: jobs come before their monitoring
        log.error("this worker does not beat: %s", error)
        return None
    return Beats(heartbeat, every) if heartbeat.enabled else None


def _number(text: str | float) -> str | float:
    with contextlib.suppress(ValueError):
        return float(text)
    return text


class HeartbeatWorker(HeartbeatMixin, Worker):
    """RQ's `Worker` (a work-horse by fork for each job) that beats."""


class HeartbeatSimpleWorker(HeartbeatMixin, SimpleWorker):
    """RQ's `SimpleWorker` (jobs in its own process) that beats; in silence while a job runs, as its key
    promises.
    """


class HeartbeatSpawnWorker(HeartbeatMixin, SpawnWorker):
    """RQ's `SpawnWorker` (a work-horse by spawn for each job) that beats."""
