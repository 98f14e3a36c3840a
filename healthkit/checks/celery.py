"""Checks on Celery: the depth of a queue, its workers, and its beat.

    health.add(QueueDepth("celery", app, fail=10_000, max_age="5m"))
    health.add(WorkerHeartbeat("celery", app, max_silence="90s"))
    health.add(BeatHeartbeat("/var/run/celery/celerybeat-schedule", max_silence="10m"))

`app` is the app's own Celery; brokers are Redis and, through kombu, RabbitMQ and others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

from healthkit.checks.celery_lines import STEP_SHARE, BrokerLine, broker_reason, reader
from healthkit.checks.queue_depth import Clock, DepthProbe, Limits, positive
from healthkit.checks.queue_model import Crew, Hand, Seen, Task
from healthkit.checks.queue_workers import CrewProbe
from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import Fail
from healthkit.model import Result

DISCOVER = 30.0  # seconds between two questions to whoever there is; between them, those known are asked
ANSWER_SHARE = 0.25  # of the timeout, for the workers' answers
FORGET = 3  # times `max_silence`, after which a worker that others outlive is forgotten


class QueueDepth(DepthProbe):
    """How many messages of a queue no worker has taken, how old the first is, and whether the queue grows.

    In Redis the lists of all priorities count, and details count what workers hold unacknowledged. Celery's
    messages tell no time, so an age is counted from when this check first saw the message at the head, unless
    a header or property `timestamp` tells more. From RabbitMQ come the counts of messages and consumers;
    `max_age` and `stalled_after` are refused there.
    """

    def __init__(
        self, queue: str, app: Any, *, name: str | None = None, timeout: Duration = 3.0,
        clock: Clock = time.time, **limits: Unpack[Limits],
    ) -> None:  # fmt: skip
        self._begin(queue, "celery", name, timeout, clock, limits)
        self._reader = reader(app, queue, self.timeout)
        if isinstance(self._reader, BrokerLine):
            self._watch.without_order("this broker does not show its messages; use WorkerHeartbeat's limits")

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit
        self._reader.within(limit)

    def read(self, now: float) -> Seen:
        """Read the queue; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        return self._reader.read(now)

    def close(self) -> None:
        """Close the probe's connections; the next run opens others."""
        self._reader.close()


class WorkerHeartbeat(CrewProbe):
    """Whether the workers that consume a queue answer and work: silent, stuck, stalled, or idle.

    Each is asked over Celery's remote control. One that is killed and one that is stopped look the same; one
    of the solo pool answers nothing during a task, so give it a `max_silence` above its longest. Fails when
    none has ever answered, when all have been silent for longer than `max_silence`, when a task runs past the
    pool's hard limit, and when messages wait and no task was begun or ended for `stalled_after`. The value is
    the seconds since the latest answer.
    """

    fresh_for = 5.0

    def __init__(
        self, queue: str, app: Any, *, max_silence: Duration = 90.0, stalled_after: Duration | None = None,
        name: str | None = None, timeout: Duration = 4.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self._begin(queue, "celery", name, timeout, clock, max_silence, stalled_after)
        self._reader = reader(app, queue, self.timeout)
        self._app = app
        self._roll = _Roll(queue)

    def within(self, limit: float) -> None:
        """Fit every step into `limit` seconds, the timeout that it was registered with."""
        self.timeout = limit
        self._reader.within(limit)

    def crew(self, now: float) -> Crew:
        """Ask the workers; `now` in epoch seconds. Raises `Fail` with the class of reason."""
        seen = self._reader.read(now)  # and whether the broker is there at all
        try:
            with self._app.connection_for_write().clone(
                connect_timeout=self.timeout * STEP_SHARE
            ) as connection:
                connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
                self._roll.call(self._app.control, connection, self.timeout * ANSWER_SHARE, now)
        except Exception as error:  # each transport has a tree of its own
            reason = broker_reason(error, self.queue)
            if reason is None:
                raise
        else:
            hands = self._roll.hands(now, self._max_silence)
            return Crew(self.queue, hands, seen.waiting, seen.oldest_age, self._roll.progress)
        raise Fail(reason)

    def close(self) -> None:
        """Close the probe's connections; the next run opens others."""
        self._reader.close()


class _Roll:
    """Who consumes one queue, when each last answered, and what it said."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._asked_all = float("-inf")
        self._answered: dict[str, float] = {}
        self._others: set[str] = set()
        self._active: dict[str, list[Any]] = {}
        self._stats: dict[str, Any] = {}

    @property
    def progress(self) -> Any:
        """A value that changes whenever a task is begun or ended."""
        total = sum(sum(_totals(one).values()) for one in self._stats.values())
        return total, frozenset(str(task.get("id")) for tasks in self._active.values() for task in tasks)

    def call(self, control: Any, connection: Any, patience: float, now: float) -> None:
        """Ask the workers what they do; each question takes `patience` (seconds) where one is silent."""
        is_census = not 0 <= now - self._asked_all < DISCOVER or not self._answered
        known = None if is_census else list(self._answered)
        active = control.inspect(destination=known, timeout=patience, connection=connection).active() or {}
        if is_census:
            self._asked_all = now
            self._enrol(control, connection, patience, active)
        here = [name for name in active if name not in self._others]
        self._active = {name: active[name] or [] for name in here}
        self._answered |= dict.fromkeys(here, now)
        if here:
            ask = control.inspect(destination=here, timeout=patience, connection=connection)
            self._stats |= ask.stats() or {}

    def hands(self, now: float, max_silence: float) -> tuple[Hand, ...]:
        """Return the workers; one long silent that others outlive is forgotten."""
        latest = max(self._answered.values(), default=now)
        for name, at in list(self._answered.items()):
            if now - latest <= max_silence and now - at > max_silence * FORGET:
                del self._answered[name]
                self._stats.pop(name, None)
        return tuple(self._hand(name, max(0.0, now - at), max_silence, now) for name, at in self._named())

    def _named(self) -> list[tuple[str, float]]:
        return sorted(self._answered.items())

    def _enrol(self, control: Any, connection: Any, patience: float, active: Mapping[str, Any]) -> None:
        """Learn which of those that answer consume other queues only."""
        if not active:
            return
        ask = control.inspect(destination=list(active), timeout=patience, connection=connection)
        queues = ask.active_queues() or {}
        names = {worker: {row.get("name") for row in rows or ()} for worker, rows in queues.items()}
        self._others = {worker for worker, found in names.items() if self._queue not in found}

    def _hand(self, name: str, silence: float, max_silence: float, now: float) -> Hand:
        limit = _hard_limit(self._stats.get(name))
        tasks = tuple(_task(task, limit, now) for task in self._active.get(name, ()))
        return Hand(name, silence, silence > max_silence, None, tasks, bool(tasks))


class BeatHeartbeat:
    """Whether `celery beat` lives: it saves its schedule file every three minutes, and after
    `beat_sync_every` tasks.

    Fails when the file is not there, and when it is older than `max_silence`. For the default scheduler; a
    scheduler that keeps its state elsewhere is better watched by what it produces. The value is the file's
    age in seconds.
    """

    measurement = "heartbeat"
    component_type = "component"

    def __init__(
        self, schedule: str | Path = "celerybeat-schedule", *, max_silence: Duration = "10m",
        name: str = "beat", timeout: Duration = 2.0, clock: Clock = time.time,
    ) -> None:  # fmt: skip
        self.name = name
        self.timeout = positive(timeout, "BeatHeartbeat timeout")
        self._path = Path(schedule)
        self._max_silence = seconds(max_silence, what="BeatHeartbeat max_silence")
        self._clock = clock

    def __call__(self) -> Result:
        """Look once; raises `Fail` with the figures."""
        times = [path.stat().st_mtime for path in self._path.parent.glob(f"{self._path.name}*")]
        if not times:
            raise Fail("dead: beat has left no schedule file where this check looks", state="dead")
        silence = max(0.0, self._clock() - max(times))
        if silence > self._max_silence:
            limit = humanize(self._max_silence)
            reason = f"silent: beat saved its schedule {humanize(silence)} ago (limit {limit})"
            raise Fail(reason, value=round(silence, 3), unit="s", state="silent")
        return Result(round(silence, 3), "s", details={"state": "working"})


def _task(info: Mapping[str, Any], limit: float | None, now: float) -> Task:
    began = info.get("time_start")
    ran = max(0.0, now - began) if isinstance(began, int | float) else None
    return Task(str(info.get("id", ""))[:100], str(info.get("name", ""))[:100], ran, limit)


def _hard_limit(stats: Any) -> float | None:
    """Return the pool's hard time limit in seconds, where it has one."""
    pool = stats.get("pool") if isinstance(stats, dict) else None
    limits = pool.get("timeouts") if isinstance(pool, dict) else None
    hard = limits[1] if isinstance(limits, list | tuple) and len(limits) == 2 else None
    return float(hard) if isinstance(hard, int | float) and hard > 0 else None


def _totals(stats: Any) -> dict[str, int]:
    total = stats.get("total") if isinstance(stats, dict) else None
    return total if isinstance(total, dict) else {}
