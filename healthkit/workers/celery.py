"""Celery workers, tasks and `celery beat` that tell the checker how they are.

    app = Celery(...)
    install(app)  # HEALTHKIT_PING_URL: the worker; HEALTHKIT_JOBS_URL: every task; HEALTHKIT_BEAT_URL: beat

A worker beats from the timer of its consumer's loop, so a beat says that the loop turns and the broker is
connected; the parent of a pool beats, and the tasks' own pings leave from where they run. With the solo pool
a worker is silent while a task runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from celery import bootsteps, signals  # type: ignore[import-untyped, unused-ignore]
from celery.worker import state  # type: ignore[import-untyped, unused-ignore]

from healthkit import transport
from healthkit.durations import Duration
from healthkit.workers._beats import Beats, beats_from
from healthkit.workers._schedules import of_beat
from healthkit.workers._watch import TICK, Watch, watch_from

NOTHING = "healthkit"  # dispatch_uid's prefix: installing twice is installing once
_DONE = frozenset({"SUCCESS", "IGNORED"})
Only = Literal["all", "scheduled"] | Collection[str]


def install(
    app: Any,
    *,
    url: str | None = None,
    every: Duration | None = None,
    tasks: Mapping[str, str] | None = None,
    tasks_url: str | None = None,
    only: Only = "all",
    beat_url: str | None = None,
) -> None:
    """Have an app's workers beat at `url`, `celery beat` at `beat_url`, and its tasks tell their runs.

    `tasks` gives tasks (by name) their ping URL; others get one below `tasks_url`, such as
    `https://checker.example/ping/<key>`: all of them, those of `beat_schedule` ("scheduled"), or `only` the
    named. What is not given comes from `HEALTHKIT_PING_URL`, `HEALTHKIT_PING_EVERY`, `HEALTHKIT_JOBS_URL` and
    `HEALTHKIT_BEAT_URL`. Raises nothing: a wrong URL is logged.
    """
    watch = watch_from(
        url=url,
        every=every,
        jobs=tasks,
        jobs_url=tasks_url,
        only=_names(app, only),
        figures=_figures,
        backlog=_backlog(app),
        due=lambda task: of_beat((app.conf.beat_schedule or {}).values(), task, app.timezone),
    )
    if watch.beats is not None:
        app.steps["consumer"].add(_step(watch))
    _tell_tasks(watch)
    beats = beats_from(os.environ, beat_url, every, variable="HEALTHKIT_BEAT_URL")
    if beats is not None:
        _tell_beat(beats)


def _names(app: Any, only: Only) -> Collection[str] | None:
    if only == "all":
        return None
    return _Scheduled(app) if only == "scheduled" else frozenset(only)


class _Scheduled(Collection[str]):
    """The names of the tasks in an app's `beat_schedule`, looked up late: the app is not configured yet."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def _found(self) -> set[str]:
        return {entry["task"] for entry in (self._app.conf.beat_schedule or {}).values()}

    def __contains__(self, name: object) -> bool:
        return name in self._found()

    def __iter__(self) -> Any:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


def _figures() -> dict[str, Any]:
    """Return how many tasks have ended in this worker, its pool included."""
    return {"processed": max(0, sum(state.total_count.values()) - len(state.active_requests))}


def _backlog(app: Any) -> Callable[[], float]:
    def read() -> float:
        """Return how many messages wait in the queues that this worker consumes."""
        with app.connection_for_read() as connection, connection.channel() as channel:
            queues = app.amqp.queues.consume_from.values()
            return float(sum(_length(channel, queue) for queue in queues))

    return read


def _length(channel: Any, queue: Any) -> int:
    if hasattr(channel, "_size"):  # kombu's virtual transports: to them an empty list is no queue at all
        return int(channel._size(queue.name))
    return int(queue.bind(channel).queue_declare(passive=True).message_count)


def _step(watch: Watch) -> type:
    class Beat(bootsteps.StartStopStep):  # type: ignore[misc]
        """Beats while the consumer is connected: from each connection to its loss."""

        requires = ("celery.worker.consumer.tasks:Tasks",)
        name = "healthkit"
        timer: Any = None

        def start(self, consumer: Any) -> None:
            watch.turned()
            self.timer = consumer.timer.call_repeatedly(TICK, watch.turned)

        def stop(self, consumer: Any) -> None:  # noqa: ARG002 - as Celery calls it
            if self.timer is not None:
                self.timer.cancel()

        def shutdown(self, consumer: Any) -> None:
            self.stop(consumer)
            watch.farewell(f"Celery worker {consumer.hostname}")
            transport.leave()

    return Beat


def _tell_tasks(watch: Watch) -> None:
    jobs = watch.jobs

    def began(task_id: str, task: Any, **_: Any) -> None:
        jobs.began(task.name, task_id)

    def ended(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
        if state in _DONE:
            jobs.ended(task.name, task_id)

    def failed(sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
        jobs.ended(sender.name, task_id, exception)

    def retried(sender: Any, request: Any, reason: Any, **_: Any) -> None:
        jobs.postponed(sender.name, request.id, str(reason))

    def revoked(sender: Any, request: Any, terminated: bool, **_: Any) -> None:
        if terminated:
            jobs.ended(sender.name, request.id, "revoked, and ended while it ran")

    for signal, receiver in (
        (signals.task_prerun, began),
        (signals.task_postrun, ended),
        (signals.task_failure, failed),
        (signals.task_retry, retried),
        (signals.task_revoked, revoked),
        (signals.worker_process_shutdown, lambda **_: transport.leave()),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"{NOTHING}-{signal.name}")


def _tell_beat(beats: Beats) -> None:
    def begin(sender: Any, **_: Any) -> None:
        """Have the scheduler's loop turn often enough, and tell of each turn."""
        scheduler, dispatched = sender.scheduler, [0]
        tick, apply = scheduler.tick, scheduler.apply_async  # RedBeat's, too, sends by it

        def tell(*args: Any, **kwargs: Any) -> float:
            pause = tick(*args, **kwargs)
            if beats.due(beats.every):
                beats.send({"processed": dispatched[0]})
            return float(min(pause, beats.every))

        def counted(*args: Any, **kwargs: Any) -> Any:
            dispatched[0] += 1
            return apply(*args, **kwargs)

        scheduler.tick, scheduler.apply_async = tell, counted

    signals.beat_init.connect(begin, weak=False, dispatch_uid=f"{NOTHING}-beat")
