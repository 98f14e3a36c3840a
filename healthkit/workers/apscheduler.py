"""APScheduler 3 schedulers and jobs that tell the checker how they are.

    install(scheduler)  # HEALTHKIT_PING_URL: the scheduler; HEALTHKIT_JOBS_URL: every job

The scheduler beats by a job of its own, run in its loop, so a beat says that the loop turns. A run that was
missed is a failure; one that was left out since the one before still runs is a note on that one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

try:
    from apscheduler import events  # type: ignore[import-untyped, unused-ignore]
    from apscheduler.executors.base import BaseExecutor  # type: ignore[import-untyped, unused-ignore]
    from apscheduler.jobstores.memory import MemoryJobStore  # type: ignore[import-untyped, unused-ignore]
except ImportError as error:
    raise ImportError(
        "healthkit.workers.apscheduler wants APScheduler 3; version 4, an alpha, has other schedulers"
    ) from error

from healthkit.durations import Duration
from healthkit.workers._schedules import of_trigger
from healthkit.workers._watch import TICK, Watch, watch_from

OWN = "healthkit"  # the alias of our executor and job store, and the id of our job
MAX_RUNS = 1000  # runs remembered for whose end the beginning is still to be told

_HEARD = (
    events.EVENT_JOB_SUBMITTED
    | events.EVENT_JOB_EXECUTED
    | events.EVENT_JOB_ERROR
    | events.EVENT_JOB_MISSED
    | events.EVENT_JOB_MAX_INSTANCES
)


def install(
    scheduler: Any,
    *,
    url: str | None = None,
    every: Duration | None = None,
    jobs: Mapping[str, str] | None = None,
    jobs_url: str | None = None,
) -> None:
    """Have a scheduler beat at `url`, and tell the runs of its jobs: of those in `jobs` (id -> ping URL)
    there, of others below `jobs_url` (such as `https://checker.example/ping/<key>`).

    What is not given comes from `HEALTHKIT_PING_URL`, `HEALTHKIT_PING_EVERY` and `HEALTHKIT_JOBS_URL`. A
    wrong URL is logged, and raises nothing.
    """

    def due(job: str) -> Mapping[str, Any]:
        found = scheduler.get_job(job)
        return of_trigger(found.trigger) if found is not None else {}

    watch = watch_from(url=url, every=every, jobs=jobs, jobs_url=jobs_url, due=due)
    scheduler.add_listener(_Listener(watch), _HEARD)
    if watch.beats is not None:
        scheduler.add_executor(_InTheLoop(), OWN)
        scheduler.add_jobstore(MemoryJobStore(), OWN)
        scheduler.add_job(
            watch.turned,
            "interval",
            seconds=TICK,
            id=OWN,
            name="healthkit's beat",
            jobstore=OWN,
            executor=OWN,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.add_listener(lambda _: watch.farewell("APScheduler"), events.EVENT_SCHEDULER_SHUTDOWN)


class _InTheLoop(BaseExecutor):  # type: ignore[misc]
    """Runs our job where the scheduler turns, without a line in the log each second."""

    def _do_submit_job(self, job: Any, run_times: Any) -> None:  # noqa: ARG002 - as it is called
        job.func()
        self._run_job_success(job.id, [])


class _Listener:
    """Turns events into pings. A quick job's end may be told before its beginning: that is then left out."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._begun: OrderedDict[str, bool] = OrderedDict()  # by run; False: it has ended before it began
        self._lock = threading.Lock()

    def __call__(self, event: Any) -> None:
        if event.jobstore == OWN:
            return
        jobs = self._watch.jobs
        if event.code == events.EVENT_JOB_SUBMITTED:
            for at in event.scheduled_run_times:
                self._begin(event.job_id, _run(event, at))
        elif event.code == events.EVENT_JOB_MAX_INSTANCES:
            jobs.note(event.job_id, "left out a run: the one before still runs")
        else:
            self._end(event.job_id, _run(event, event.scheduled_run_time), _error(event))

    # Both tell while they hold the lock, or an end might be told before a beginning already allowed.
    # To tell is to put a ping into the sender's queue: nobody waits for a network here.

    def _begin(self, job: str, run: str) -> None:
        with self._lock:
            if run in self._begun:
                del self._begun[run]
                return
            self._remember(run, begun=True)
            self._watch.jobs.began(job, run)

    def _end(self, job: str, run: str, error: str | None) -> None:
        with self._lock:
            if not self._begun.pop(run, False):
                self._remember(run, begun=False)
            self._watch.jobs.ended(job, run, error)

    def _remember(self, run: str, *, begun: bool) -> None:
        self._begun[run] = begun
        if len(self._begun) > MAX_RUNS:
            self._begun.popitem(last=False)


def _run(event: Any, at: datetime) -> str:
    return f"{event.job_id} {at.timestamp()}"


def _error(event: Any) -> str | None:
    if event.code == events.EVENT_JOB_MISSED:
        return f"missed: it should have run at {event.scheduled_run_time}"
    if event.code == events.EVENT_JOB_ERROR:
        return f"{event.traceback or ''}{type(event.exception).__name__}: {event.exception}"
    return None
