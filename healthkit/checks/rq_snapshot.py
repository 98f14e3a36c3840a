"""What Redis says about one RQ queue and its workers at one moment, read in at most three round trips.

Key names and fields are RQ's own (2.x and 3.x). `Worker.all()` and `registry.count` are not used: the first
changes the connection's timeout and removes workers, the second can fail other people's jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import exceptions as errors

MOST_WORKERS = 1_000  # read at once; more than that are counted only
REGISTRIES = ("wip", "failed", "deferred", "scheduled")
BEAT_FIELD = "healthkit_beat"  # seconds until the next sign, promised by healthkit.workers.rq's workers
_COUNTS = ("successful_job_count", "failed_job_count")
_WORKER_FIELDS = ("last_heartbeat", "state", "death", BEAT_FIELD, "current_job", *_COUNTS)
_JOB_FIELDS = ("enqueued_at", "started_at", "timeout", "description")

try:
    from rq.defaults import RQ_KEY_PREFIX
except ImportError:  # RQ 3 lets the environment choose it; before, it was fixed
    RQ_KEY_PREFIX = "rq"
PREFIX: str = RQ_KEY_PREFIX


@dataclass(frozen=True, slots=True)
class Job:
    """One job: its function without arguments, when it came and started (epoch seconds), its time limit."""

    id: str
    function: str = ""
    enqueued_at: float | None = None
    started_at: float | None = None
    timeout: float | None = None  # seconds; None: no limit

    def __str__(self) -> str:
        return f"{self.id} ({self.function})" if self.function else self.id


@dataclass(frozen=True, slots=True)
class Worker:
    """One live worker.

    `ttl` is the seconds until Redis forgets it, None if never. `beat` is the seconds within which it promised
    its next sign, None if it made no promise.
    """

    name: str
    last_beat: float  # epoch seconds
    ttl: float | None
    is_busy: bool
    beat: float | None = None
    jobs: tuple[Job, ...] = ()
    done: int = 0  # jobs ended, well or badly


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A queue and its workers at one moment."""

    waiting: int  # in the queue itself
    in_dequeue: int  # taken by a worker that has not begun them
    counts: dict[str, int]  # of REGISTRIES
    abandoned: int  # started, and their worker has not renewed them
    suspended: bool
    head: Job | None  # the next one to be taken
    in_hand: Job | None  # the one that has been in dequeue longest
    workers: tuple[Worker, ...] = ()
    vanished: int = 0  # registered, and forgotten by Redis since

    @property
    def depth(self) -> int:
        """Jobs that nobody works on yet."""
        return self.waiting + self.in_dequeue


def queue_key(queue: str) -> str:
    """Return the key of a queue's list."""
    return f"{PREFIX}:queue:{queue}"


def read(client: Any, queue: str, now: float, *, workers: bool = True) -> Snapshot:
    """Read one queue, and its workers where asked; `now` in epoch seconds. Raises redis-py's errors."""
    key, between = queue_key(queue), f"{queue_key(queue)}:intermediate"
    with client.pipeline(transaction=False) as pipe:
        pipe.llen(key).llen(between).lindex(key, 0).lindex(between, 0)
        pipe.exists(f"{PREFIX}:suspended").zcount(f"{PREFIX}:wip:{queue}", 0, now)
        for registry in REGISTRIES:
            pipe.zcard(f"{PREFIX}:{registry}:{queue}")
        pipe.smembers(f"{PREFIX}:workers:{queue}")
        waiting, in_dequeue, head, in_hand, suspended, abandoned, *rest, members = pipe.execute()
    names = sorted(map(text_of, members)) if workers else []
    found, jobs = _read_workers(
        client, names[:MOST_WORKERS], [text_of(one) for one in (head, in_hand) if one]
    )
    return Snapshot(
        waiting=waiting,
        in_dequeue=in_dequeue,
        counts=dict(zip(REGISTRIES, rest, strict=True)),
        abandoned=abandoned,
        suspended=bool(suspended),
        head=jobs.get(text_of(head)) if head else None,
        in_hand=jobs.get(text_of(in_hand)) if in_hand else None,
        workers=found,
        vanished=len(names[:MOST_WORKERS]) - len(found),
    )


def _read_workers(
    client: Any, keys: Sequence[str], ids: Sequence[str]
) -> tuple[tuple[Worker, ...], dict[str, Job]]:
    """Return the live workers, and the jobs asked for by id: one round trip, two when workers are busy."""
    with client.pipeline(transaction=False) as pipe:
        for job in ids:
            pipe.hmget(_job_key(job), _JOB_FIELDS)
        for key in keys:
            pipe.hmget(key, _WORKER_FIELDS).ttl(key).smembers(f"{key}:executions")
        rows = pipe.execute() if ids or keys else []
    jobs = {job: _job(job, fields) for job, fields in zip(ids, rows, strict=False)}
    records = [
        _Record(key, *rows[n : n + 3]) for key, n in zip(keys, range(len(ids), len(rows), 3), strict=True)
    ]
    live = [record for record in records if record.is_live]
    jobs |= _read_jobs(client, sorted({job for record in live for job in record.job_ids} - jobs.keys()))
    return tuple(record.worker(jobs) for record in live), jobs


def _read_jobs(client: Any, ids: Sequence[str]) -> dict[str, Job]:
    if not ids:
        return {}
    with client.pipeline(transaction=False) as pipe:
        for job in ids:
            pipe.hmget(_job_key(job), _JOB_FIELDS)
        return {job: _job(job, fields) for job, fields in zip(ids, pipe.execute(), strict=True)}


def connected_names(client: Any) -> frozenset[str] | None:
    """Return the names of Redis's clients (an RQ worker's is its own); None where Redis does not tell.

    Raises redis-py's errors but for a refusal.
    """
    try:
        return frozenset(text_of(row.get("name")) for row in client.client_list() if isinstance(row, dict))
    except errors.ResponseError:
        return None


class _Record:
    """A worker's raw fields."""

    def __init__(self, key: str, fields: Sequence[Any], ttl: int, executions: set[Any]) -> None:
        beat, state, death, promise, current, *counts = fields
        self.key = key
        self.last_beat = epoch_of(beat)
        self.is_live = self.last_beat is not None and death is None
        self._state, self._ttl, self._promise = text_of(state), ttl, _number(promise)
        self._done = sum(int(_number(one) or 0) for one in counts)
        self.job_ids = sorted(
            {text_of(one).rpartition(":")[0] for one in executions} or {text_of(current)} - {""}
        )

    def worker(self, jobs: dict[str, Job]) -> Worker:
        return Worker(
            name=self.key.removeprefix(f"{PREFIX}:worker:"),
            last_beat=self.last_beat or 0.0,
            ttl=float(self._ttl) if self._ttl >= 0 else None,
            is_busy=self._state == "busy",
            beat=self._promise,
            jobs=tuple(jobs[job] for job in self.job_ids),
            done=self._done,
        )


def _job_key(job: str) -> str:
    return f"{PREFIX}:job:{job}"


def _job(job: str, fields: Sequence[Any]) -> Job:
    enqueued, started, timeout, description = fields
    limit = _number(timeout)
    return Job(
        id=job[:100],
        function=text_of(description).partition("(")[0].strip()[:100],  # the arguments may hold a secret
        enqueued_at=epoch_of(enqueued),
        started_at=epoch_of(started),
        timeout=limit if limit is not None and limit > 0 else None,
    )


def text_of(value: Any) -> str:
    """Return what Redis keeps as text; nothing as the empty text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def epoch_of(value: Any) -> float | None:
    """Return RQ's `2026-01-31T12:00:00.000000Z` as epoch seconds."""
    try:
        moment = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
