"""One tiny job after another through a real queue, and what became of each."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from healthkit.checks.rq_snapshot import PREFIX, epoch_of, text_of
from healthkit.durations import humanize
from healthkit.errors import Fail
from healthkit.model import Result

FUNCTION = "time.time"  # in every worker's standard library
KEPT = 3_600  # seconds for which RQ keeps a canary's result
BROKEN = ("failed", "stopped", "canceled")


class Canary:
    """The canary of one queue; its state lives in Redis, so that all processes of the app share one.

    `max_delay` and `every` in seconds. Methods raise redis-py's errors.
    """

    def __init__(self, client: Any, queue: str, *, max_delay: float, every: float) -> None:
        self._client = client
        self._queue = queue
        self._max_delay = max_delay
        self._every = every
        self._key = f"healthkit:canary:{queue}"

    def run(self, now: float) -> Result:
        """Judge the last canary and send the next where one is due; `now` in epoch seconds."""
        sent = self._client.hmget(self._key, "id", "sent", "delay")
        job, since, delay = text_of(sent[0]), float(sent[1] or 0), float(sent[2]) if sent[2] else None
        if not job:
            self._send(now)
            return Result(None, "s", details={"sent": "the first one is under way"})
        return self._judge(job, since, delay, now)

    def _judge(self, job: str, since: float, delay: float | None, now: float) -> Result:
        status, ended = map(text_of, self._client.hmget(f"{PREFIX}:job:{job}", "status", "ended_at"))
        age = max(0.0, now - since)
        if status == "finished":
            delay = max(0.0, (epoch_of(ended) or now) - since)
            self._client.hset(self._key, "delay", delay)
            self._send_when_due(age, now)
            if delay > self._max_delay:
                raise Fail(f"late: the last canary {self._took(delay)}", value=round(delay, 3), unit="s")
            return Result(round(delay, 3), "s")
        if status in BROKEN:
            self._send_when_due(age, now)
            raise Fail(f"broken: the worker could not run the canary (its job is {status})", value=None)
        if not status:
            self._send_when_due(max(age, self._every), now)
            if age > self._max_delay:
                raise Fail(f"lost: the canary's job is gone from Redis, {humanize(age)} after it was sent")
        elif age > self._max_delay:
            limit = humanize(self._max_delay)
            reason = (
                f"not back: the canary was sent {humanize(age)} ago and is still {status} (limit {limit})"
            )
            raise Fail(reason, value=round(age, 3), unit="s")
        return Result(None if delay is None else round(delay, 3), "s", details={"under_way": round(age, 3)})

    def _took(self, delay: float) -> str:
        return f"took {humanize(delay)} (limit {humanize(self._max_delay)})"

    def _send_when_due(self, age: float, now: float) -> None:
        if age >= self._every:
            self._send(now)

    def _send(self, now: float) -> None:
        """Send one, unless another process of the app just did."""
        from rq import Queue

        job = f"healthkit-canary-{uuid4().hex}"
        turn = max(1, round(min(self._every, self._max_delay) * 500))  # milliseconds: half of `every`
        if not self._client.set(f"{self._key}:turn", job, nx=True, px=turn):
            return
        self._client.hset(self._key, mapping={"id": job, "sent": now})
        Queue(self._queue, connection=self._client).enqueue(
            FUNCTION, job_id=job, description="healthkit canary", result_ttl=KEPT, failure_ttl=KEPT
        )
