"""From a snapshot of an RQ queue to its crew: RQ's own rules of who is silent. Pure.

An idle stock RQ worker beats only every 405 s, so its silence proves nothing until there is work: what tells
dead from idle is the queue. A `HeartbeatWorker` writes into its hash when it will beat next, and is held to
that.
"""

from __future__ import annotations

from dataclasses import replace

from healthkit.checks.queue_model import Crew, Hand, Task
from healthkit.checks.rq_snapshot import Job, Snapshot, Worker

PROMISE = 60.0  # RQ sets a worker's expiry to 60 s after the latest moment at which it means to beat again


def crew_of(
    queue: str, seen: Snapshot, *, max_silence: float, now: float, in_hand_for: float = 0.0,
    connected: frozenset[str] | None = None,
) -> Crew:  # fmt: skip
    """Return the crew of a queue; `now` in epoch seconds.

    `in_hand_for` is for how many seconds the same job has been seen in dequeue, `connected` the names that
    Redis knows its clients by.
    """
    details = {"waiting": seen.waiting, "in_dequeue": seen.in_dequeue}
    lost = seen.in_dequeue if in_hand_for > max_silence and _is_lost(seen, in_hand_for, now) else 0
    if lost:
        seen = replace(seen, in_dequeue=0, in_hand=None)
    running = frozenset(job.id for worker in seen.workers for job in worker.jobs)
    return Crew(
        queue=queue,
        hands=tuple(_hand(worker, seen, max_silence, now, connected) for worker in seen.workers),
        waiting=seen.depth,
        oldest_age=oldest_age(seen, now),
        progress=(sum(worker.done for worker in seen.workers), running),
        taken=None if seen.in_hand is None else _task(seen.in_hand, now),
        taken_for=in_hand_for,
        lost=lost,
        vanished=seen.vanished,
        abandoned=seen.abandoned,
        is_suspended=seen.suspended,
        details=details,
    )


def _is_lost(seen: Snapshot, in_hand_for: float, now: float) -> bool:
    """Tell whether nobody is left who could begin the job in dequeue: every worker has turned since it was
    taken, and is free or at another. Its worker died between the two.
    """
    return bool(seen.workers) and all(
        _silence(worker, now) < in_hand_for and (worker.jobs or not worker.is_busy) for worker in seen.workers
    )


def oldest_age(seen: Snapshot, now: float) -> float | None:
    """Return the age in seconds of the oldest job that nobody works on; None where there is none."""
    ages = [now - job.enqueued_at for job in (seen.head, seen.in_hand) if job and job.enqueued_at is not None]
    return max(0.0, *ages) if ages else None


def is_silent(worker: Worker, seen: Snapshot, *, max_silence: float, now: float) -> bool:
    """Tell whether a worker has been silent for longer than it may.

    A promise of its own holds, also one longer than `max_silence`. With none, an idle worker may be silent
    while nothing waits; a busy one until RQ's own promise is broken, because a SimpleWorker gives no sign
    during a job.
    """
    silence = _silence(worker, now)
    if silence <= max_silence:
        return False
    if worker.beat is not None:
        return silence > worker.beat
    if worker.is_busy:
        return worker.ttl is not None and worker.ttl < PROMISE
    age = oldest_age(seen, now)
    return seen.depth > 0 and (age is None or age > max_silence)


def _silence(worker: Worker, now: float) -> float:
    return max(0.0, now - worker.last_beat)


def _hand(
    worker: Worker, seen: Snapshot, max_silence: float, now: float, connected: frozenset[str] | None
) -> Hand:
    return Hand(
        name=worker.name,
        silence=_silence(worker, now),
        is_silent=is_silent(worker, seen, max_silence=max_silence, now=now),
        is_connected=None if connected is None else worker.name in connected,
        tasks=tuple(_task(job, now) for job in worker.jobs),
        is_busy=worker.is_busy,
    )


def _task(job: Job, now: float) -> Task:
    ran = None if job.started_at is None else max(0.0, now - job.started_at)
    return Task(job.id, job.function, ran, job.timeout)
