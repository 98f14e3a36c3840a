"""RQ workers that tell the checker they live, how far they are, and what waits.

`RQ_WORKER_CLASS=healthkit.workers.rq.HeartbeatWorker` with `HEALTHKIT_PING_URL=...` is all it takes, for `rq
worker` and `rq worker-pool` alike. Without a URL each behaves as the worker it is made of.
`HEALTHKIT_PING_EVERY` (seconds or "1m", default 30) is the longest silence of a healthy worker.

With `HEALTHKIT_JOBS_URL=https://checker.example/ping/<key>` every job tells its runs, at the name of its
function.

"Alive" means that the main loop turns, so the pings start there and in no thread of their own; only the
sending is in the background. A work-horse never pings: it ends by `os._exit`.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import redis
from rq.worker import BaseWorker, SimpleWorker, Worker
from rq.worker_registration import register

from healthkit.workers._beats import Beats, beats_from
from healthkit.workers._jobs import Jobs
from healthkit.workers._rq_runs import COUNTS, Runs

try:
    from rq.worker import SpawnWorker
except ImportError:  # an older RQ, which has none
    SpawnWorker = Worker  # type: ignore[assignment,misc]

FIELD = "healthkit_beat"  # of the worker's hash: the seconds within which it promises its next beat
MISSES = 3  # beats after which a worker's key goes, and the worker with it
RQ_SLACK = 60  # seconds that RQ adds to the time of its next beat, wherever it gives one


class HeartbeatMixin(BaseWorker):
    """Adds the beats, and the heartbeats of jobs, to any RQ worker class; comes first among the bases."""

    _beats: Beats | None = None
    _runs: Runs | None = None

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        """Begin to beat as work begins (never in `__init__`: RQ builds workers only to look at them)."""
        super().bootstrap(*args, **kwargs)
        if base := os.environ.get("HEALTHKIT_JOBS_URL"):
            self._runs = Runs(self, Jobs(base=base))
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

    def execute_job(self, job: Any, queue: Any) -> None:
        """Have a job done, and tell its run."""
        with self._runs.of(job) if self._runs is not None else contextlib.nullcontext():
            super().execute_job(job, queue)

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
                beats.farewell(f"RQ worker {self.name}", self._read_figures())
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
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.hmget(self.key, COUNTS)
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


class HeartbeatWorker(HeartbeatMixin, Worker):
    """RQ's `Worker` (a work-horse by fork for each job) that beats."""


class HeartbeatSimpleWorker(HeartbeatMixin, SimpleWorker):
    """RQ's `SimpleWorker` (jobs in its own process) that beats; in silence while a job runs, as its key
    promises.
    """


class HeartbeatSpawnWorker(HeartbeatMixin, SpawnWorker):
    """RQ's `SpawnWorker` (a work-horse by spawn for each job) that beats."""
