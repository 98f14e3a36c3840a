"""The runs of an RQ worker's jobs, told by the worker: a work-horse ends by `os._exit`, its threads are lost.

How a run ended is read from what RQ wrote of it, in one round trip: the worker's counts tell a success, which
a job that repeats itself does not show, and the job's status tells a failure from a retry.
"""

from __future__ import annotations

import contextlib
import json
import pickletools
from collections.abc import Iterator
from typing import Any

import redis

from healthkit.workers._jobs import Jobs

COUNTS = ("successful_job_count", "failed_job_count")
FAILED = ("failed", "stopped", "")  # "": gone, as RQ keeps no failed job whose `failure_ttl` is 0
# What reading of a job may raise. Not `Exception`: RQ ends a worker by raising one from a signal handler.
OURS = (redis.exceptions.RedisError, AttributeError, LookupError, OSError, TypeError, ValueError)


class Runs:
    """Tells the runs of one worker's jobs. `worker` is RQ's, which runs one job at a time."""

    def __init__(self, worker: Any, jobs: Jobs) -> None:
        self._worker = worker
        self._jobs = jobs
        self._done = self._failed = 0

    @contextlib.contextmanager
    def of(self, job: Any) -> Iterator[None]:
        """Tell that a run of a job begins and, at the end of the block, how it went."""
        name = job_name(job)
        if not name:
            yield
            return
        self._jobs.began(name, job.id)
        try:
            yield
        finally:
            with contextlib.suppress(*OURS):
                self._tell(job, name)

    def _tell(self, job: Any, name: str) -> None:
        status, is_done, is_failed = self._read(job)
        if is_done or status == "finished":
            self._jobs.ended(name, job.id)
        elif is_failed and status in FAILED:
            self._jobs.ended(name, job.id, _error(job) or f"the job has {status or 'failed'}")
        elif status == "started":
            self._jobs.ended(name, job.id, "interrupted: the worker was told to end at once")
        else:
            self._jobs.postponed(name, job.id, f"it is {status or 'gone'}")

    def _read(self, job: Any) -> tuple[str, bool, bool]:
        """Return the job's status, and whether a success and a failure were counted since the last run."""
        with self._worker.connection.pipeline(transaction=False) as pipeline:
            pipeline.hmget(self._worker.key, COUNTS)
            pipeline.hget(job.key, "status")
            counts, status = pipeline.execute()
        before, now = (self._done, self._failed), tuple(int(count or 0) for count in counts)
        self._done, self._failed = now
        # Redis may have been flushed, and the counts begun anew
        is_done, is_failed = (n > (was if n >= was else 0) for n, was in zip(now, before, strict=True))
        return (status or b"").decode("ascii", "replace"), is_done, is_failed


def job_name(job: Any) -> str:
    """Return the dotted name of a job's function, empty where it cannot be read.

    The job is not unpickled for that: a worker imports no code of the app, so that a work-horse finds that of
    today.
    """
    try:
        data: bytes = job.data
        if data[:1] == b"\x80":  # a pickle of (function, instance, args, kwargs)
            return next((arg for _, arg, _ in pickletools.genops(data) if isinstance(arg, str)), "")
        if data[:1] == b"[":
            return str(json.loads(data)[0])
        return str(job.func_name or "")
    except Exception:  # noqa: BLE001 - a serializer of the user's own may raise anything
        return ""


def _error(job: Any) -> str:
    """Return the end of what RQ kept of the error: its traceback."""
    result = job.latest_result()
    return str(getattr(result, "exc_string", None) or "")
