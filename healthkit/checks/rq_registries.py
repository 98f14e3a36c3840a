"""What went wrong with an RQ queue's jobs: failed, abandoned, stuck between queue and worker, piled up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from healthkit.checks.queue_depth import Clock, count, span
from healthkit.checks.redis_link import told
from healthkit.checks.rq_probe import RQProbe
from healthkit.checks.rq_snapshot import PREFIX, Snapshot, epoch_of, read, text_of
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError, Fail
from healthkit.model import Result

MOST = 1_000  # of the latest failures, looked at one by one


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed jobs at one moment: all that are kept, those of the window, and the functions of the latter."""

    kept: int
    new: int
    functions: tuple[tuple[str, int], ...]


class FailedJobs(RQProbe):
    """Whether jobs of a queue fail, or are lost, or pile up where nothing moves them on.

    Fails from `new_max` failures on within `window`, and from `failed_max` kept failures on; from
    `deferred_max` and `scheduled_max` such jobs on. Fails when a started job has lost its worker
    (`abandoned_max`, None to allow it), and when a job has been between queue and worker for longer than
    `dequeue_max`. Details name the functions that failed lately, without arguments. The value is the number
    of failures within the window.
    """

    measurement = "jobs"
    _title = "failed"

    def __init__(
        self, queue: str, redis: Any, *, new_max: int | None = 10, window: Duration = "10m",
        failed_max: int | None = None, deferred_max: int | None = None, scheduled_max: int | None = None,
        abandoned_max: int | None = 0, dequeue_max: Duration | None = "2m", name: str | None = None,
        timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self._begin(queue, redis, name, timeout, clock)
        self._new_max = count(new_max, "FailedJobs new_max")
        self._window = seconds(window, what="FailedJobs window")
        limits = {"failed": failed_max, "deferred": deferred_max, "scheduled": scheduled_max}
        self._limits = {kind: count(most, f"FailedJobs {kind}_max") for kind, most in limits.items()}
        if abandoned_max is not None and (not isinstance(abandoned_max, int) or abandoned_max < 0):
            raise ConfigurationError(f"FailedJobs abandoned_max: {abandoned_max!r:.100} must be 0 or more")
        self._abandoned_max = abandoned_max
        self._dequeue_max = span(dequeue_max, "FailedJobs dequeue_max")
        self._in_hand: tuple[str, float] = ("", 0.0)

    def __call__(self) -> Result:
        """Read once; raises `Fail` with the figures."""
        now = self._clock()
        with told():
            seen = read(self._client, self.queue, now, workers=False)
            failures = read_failures(self._client, self.queue, now - self._window)
        facts = {"failed": failures.kept, "abandoned": seen.abandoned, "in_dequeue": seen.in_dequeue}
        facts |= {kind: seen.counts[kind] for kind in ("deferred", "scheduled")}
        about: dict[str, Any] = {"value": failures.new, "unit": "jobs", **facts}
        about["functions"] = dict(failures.functions)
        for reason in self._reasons(seen, failures, now):
            raise Fail(reason, **about)
        return Result(about.pop("value"), about.pop("unit"), details=about)

    def _reasons(self, seen: Snapshot, failures: Failures, now: float) -> list[str]:
        """Return all that is wrong, the worst first."""
        return [*self._failing(failures), *self._lost(seen, now), *self._piled_up(seen)]

    def _failing(self, failures: Failures) -> list[str]:
        if self._new_max is None or failures.new < self._new_max:
            return []
        most = ", ".join(f"{function} {times:,}" for function, times in failures.functions[:3])
        noun = "job" if failures.new == 1 else "jobs"
        within = humanize(self._window)
        return [f"failing: {failures.new:,} {noun} failed within {within} (limit {self._new_max:,}): {most}"]

    def _lost(self, seen: Snapshot, now: float) -> list[str]:
        found = []
        if self._abandoned_max is not None and seen.abandoned > self._abandoned_max:
            whose = "a started job has" if seen.abandoned == 1 else f"{seen.abandoned:,} started jobs have"
            found.append(f"abandoned: {whose} lost the worker, and nobody has taken care of that yet")
        job = seen.in_hand.id if seen.in_hand else ""
        if job != self._in_hand[0] or now < self._in_hand[1]:
            self._in_hand = (job, now)
        held = now - self._in_hand[1]
        if job and self._dequeue_max is not None and held > self._dequeue_max:
            found.append(f"stuck in dequeue: job {seen.in_hand} was taken {humanize(held)} ago and not begun")
        return found

    def _piled_up(self, seen: Snapshot) -> list[str]:
        return [
            f"piled up: {seen.counts[kind]:,} {kind} jobs are kept (limit {most:,})"
            for kind, most in self._limits.items()
            if most is not None and seen.counts[kind] >= most
        ]


def read_failures(client: Any, queue: str, since: float) -> Failures:
    """Read what failed, in two round trips; `since` in epoch seconds. Raises redis-py's errors.

    RQ keeps failures sorted by when they are to be forgotten: the latest are those forgotten last.
    """
    key = f"{PREFIX}:failed:{queue}"
    with client.pipeline(transaction=False) as pipe:
        pipe.zcard(key).zrevrange(key, 0, MOST - 1)
        kept, ids = pipe.execute()
    with client.pipeline(transaction=False) as pipe:
        for job in ids:
            pipe.hmget(f"{PREFIX}:job:{text_of(job)}", "ended_at", "description")
        rows: Sequence[Sequence[Any]] = pipe.execute() if ids else []
    new = [told_of for ended, told_of in rows if (epoch_of(text_of(ended)) or 0) >= since]
    names = Counter(text_of(one).partition("(")[0].strip()[:100] or "unknown" for one in new)
    return Failures(kept, len(new), tuple(names.most_common(10)))
