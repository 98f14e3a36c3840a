"""Dramatiq workers and actors that tell the checker how they are.

    broker.add_middleware(Heartbeats())  # HEALTHKIT_PING_URL: the workers; HEALTHKIT_JOBS_URL: every actor

A worker beats while all of its threads live. Add it last, after `Retries`.
"""

# ruff: noqa: ARG002 - hooks take what Dramatiq gives them
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Retries

from healthkit import transport
from healthkit.durations import Duration
from healthkit.workers._watch import Ticker, Watch, watch_from


class Heartbeats(Middleware):
    """Beats at `url` and tells the runs of actors: of those in `actors` (name -> ping URL) there, of others
    below `actors_url` (such as `https://checker.example/ping/<key>`).

    What is not given comes from `HEALTHKIT_PING_URL`, `HEALTHKIT_PING_EVERY` and `HEALTHKIT_JOBS_URL`. A
    wrong URL is logged, and raises nothing.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        every: Duration | None = None,
        actors: Mapping[str, str] | None = None,
        actors_url: str | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {"url": url, "every": every, "jobs": actors, "jobs_url": actors_url}
        self._watch: Watch | None = None
        self._ticker: Ticker | None = None
        self._runs: dict[str, BaseException | None] = {}  # by message, until it is acknowledged: its error

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Begin to beat."""
        self._watch = watch_from(**self._settings, backlog=lambda: _waiting(broker, worker))
        self._ticker = Ticker(self._watch, lambda: _all_alive(worker))
        self._ticker.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Beat no more: it ends in peace."""
        if self._ticker is not None:
            self._ticker.stop()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Say so, when the last task has ended."""
        if self._watch is not None:
            self._watch.farewell("Dramatiq worker")
            transport.leave()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """A run begins."""
        if self._watch is not None:
            self._runs[message.message_id] = None
            self._watch.jobs.began(message.actor_name, message.message_id)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """A run has ended; what that means is known when its message is acknowledged."""
        if message.message_id in self._runs:
            self._runs[message.message_id] = exception

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        """It succeeded, or will be tried again. (A delayed message is acknowledged too, without a run.)"""
        if self._watch is None or message.message_id not in self._runs:
            return
        error = self._runs.pop(message.message_id)
        if error is not None and any(isinstance(one, Retries) for one in broker.middleware):
            self._watch.jobs.postponed(message.actor_name, message.message_id, error)
        else:
            self._watch.jobs.ended(message.actor_name, message.message_id, error)

    def after_nack(self, broker: Broker, message: MessageProxy) -> None:
        """It is given up."""
        if self._watch is None:
            return
        error = self._runs.pop(message.message_id, None) or "given up without a run"
        self._watch.jobs.ended(message.actor_name, message.message_id, error)


def _all_alive(worker: Worker) -> bool:
    threads = [*getattr(worker, "workers", ()), *getattr(worker, "consumers", {}).values()]
    return bool(threads) and all(thread.is_alive() for thread in threads)


def _waiting(broker: Any, worker: Worker) -> float:
    """Return how many messages wait, delayed ones not counted; raises when a broker does not tell."""
    names = [name for name in getattr(worker, "consumers", {}) if not name.endswith(".DQ")]
    if hasattr(broker, "get_queue_message_counts"):
        return float(sum(broker.get_queue_message_counts(name)[0] for name in names))
    if hasattr(broker, "do_qsize"):
        return float(sum(broker.do_qsize(name) for name in names))
    return float(sum(broker.queues[name].qsize() for name in names))
