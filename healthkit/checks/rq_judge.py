"""From a snapshot of a queue to a verdict on its workers: pure, so that each rule can be tested by itself.

An idle stock RQ worker beats only every 405 s, so its silence proves nothing until there is work: what tells
stalled from idle is the queue. A `HeartbeatWorker` writes into its hash when it will beat next, and is held
to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healthkit.checks.rq_snapshot import Job, Snapshot, Worker
from healthkit.durations import humanize
from healthkit.errors import Fail, Warn
from healthkit.model import Result

OVERRUN = 5.0  # seconds past its timeout in which RQ itself still ends a job
PROMISE = 60.0  # RQ sets a worker's expiry to 60 s after the latest moment at which it means to beat again


def judge(queue: str, seen: Snapshot, *, max_silence: float, now: float, in_hand_for: float = 0.0) -> Result:
    """Return the reading for the workers of a queue, or raise `Warn` or `Fail` with the figures.

    `in_hand_for` is for how long the same job has been seen in dequeue, in seconds.
    """
    workers = seen.workers
    latest = min((silence(worker, now) for worker in workers), default=None)
    facts = {"value": latest and round(latest, 3), "unit": "s", **details(seen, now)}
    if not workers:
        raise Fail(_nobody(queue, seen, now), **facts)
    for worker in workers:
        for job in worker.jobs:
            if is_overrun(job, now):
                raise Fail(_stuck(worker, job, now), **facts)
    bad = [worker for worker in workers if is_silent(worker, seen, max_silence=max_silence, now=now)]
    if len(bad) == len(workers):
        raise Fail(_all_silent(seen, bad, max_silence=max_silence, now=now), **facts)
    if in_hand_for > max_silence:
        took = humanize(in_hand_for)
        raise Fail(
            f"frozen: job {seen.in_hand} was taken {took} ago by a worker that never began it", **facts
        )
    if seen.suspended:
        raise Warn("suspended: the workers take no jobs until `rq resume` is run", **facts)
    if bad:
        raise Warn(f"silent: {len(bad)} of {len(workers)} workers; {_last_seen(bad, now)}", **facts)
    return Result(facts.pop("value"), facts.pop("unit"), details=facts)


def details(seen: Snapshot, now: float) -> Mapping[str, Any]:
    """Return the figures beside the reading."""
    age = oldest_age(seen, now)
    return {
        "workers": len(seen.workers),
        "busy": sum(worker.is_busy for worker in seen.workers),
        "waiting": seen.waiting,
        "in_dequeue": seen.in_dequeue,
        "abandoned": seen.abandoned,
        **({"vanished": seen.vanished} if seen.vanished else {}),
        **({"oldest_age": round(age, 3)} if age is not None else {}),
    }


def oldest_age(seen: Snapshot, now: float) -> float | None:
    """Return the age in seconds of the oldest job that nobody works on; None where there is none."""
    ages = [now - job.enqueued_at for job in (seen.head, seen.in_hand) if job and job.enqueued_at is not None]
    return max(0.0, *ages) if ages else None


def silence(worker: Worker, now: float) -> float:
    """Return for how many seconds a worker has given no sign of life."""
    return max(0.0, now - worker.last_beat)


def is_silent(worker: Worker, seen: Snapshot, *, max_silence: float, now: float) -> bool:
    """Tell whether a worker has been silent for longer than it may.

    A promise of its own holds, also one longer than `max_silence`. With none, an idle worker may be silent
    while nothing waits; a busy one until RQ's own promise is broken, because a SimpleWorker gives no sign
    during a job.
    """
    if silence(worker, now) <= max_silence:
        return False
    if worker.beat is not None:
        return silence(worker, now) > worker.beat
    if worker.is_busy:
        return worker.ttl is not None and worker.ttl < PROMISE
    age = oldest_age(seen, now)
    return seen.depth > 0 and (age is None or age > max_silence)


def is_overrun(job: Job, now: float) -> bool:
    """Tell whether a job has run past its timeout, so that RQ has failed to end it."""
    if job.started_at is None or job.timeout is None:
        return False
    return now - job.started_at > job.timeout + OVERRUN


def _nobody(queue: str, seen: Snapshot, now: float) -> str:
    gone = f"; {seen.vanished} ended without a goodbye" if seen.vanished else ""
    return f"no worker: none is registered for the queue {queue}{gone}{_waiting(seen, now)}"


def _stuck(worker: Worker, job: Job, now: float) -> str:
    took = humanize(now - (job.started_at or now))
    limit = humanize(job.timeout or 0)
    return f"stuck: worker {worker.name} has run job {job} for {took} (its timeout is {limit})"


def _all_silent(seen: Snapshot, bad: Sequence[Worker], *, max_silence: float, now: float) -> str:
    limit = humanize(max_silence)
    what = "stalled" if seen.depth else "frozen" if any(worker.is_busy for worker in bad) else "silent"
    who = "the worker" if len(bad) == 1 else f"all {len(bad)} workers"
    jobs = [str(job) for worker in bad for job in worker.jobs][:3]
    busy = f"; busy with job {', '.join(jobs)}" if jobs else ""
    return f"{what}: {who} gave no sign for over {limit}; {_last_seen(bad, now)}{_waiting(seen, now)}{busy}"


def _last_seen(workers: Sequence[Worker], now: float) -> str:
    latest = min(workers, key=lambda worker: silence(worker, now))
    return f"{latest.name} was last seen {humanize(silence(latest, now))} ago"


def _waiting(seen: Snapshot, now: float) -> str:
    if not seen.depth:
        return ""
    age = oldest_age(seen, now)
    oldest = "" if age is None else f", the oldest for {humanize(age)}"
    return f"; {seen.depth:,} {'job waits' if seen.depth == 1 else 'jobs wait'}{oldest}"
