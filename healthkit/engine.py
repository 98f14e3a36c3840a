"""The one engine: at most one run of a check in flight, answers within the timeout whatever the check does.

A check runs in a daemon thread of its own (or as a task of the app's loop, when it asks for that). Callers
wait for it until its timeout; who comes later is told at once that it is still running. When it ends it is
forgotten, and the next caller starts afresh: recovery needs nobody. Nothing is started before the first
caller, so a fork before that costs nothing, and a fork after it starts afresh in the child.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from healthkit.carriers import Carrier, choose
from healthkit.durations import humanize
from healthkit.errors import Outcome
from healthkit.model import Check, Reading
from healthkit.outcomes import describe, failed, from_error, from_return, where

if TYPE_CHECKING:
    import asyncio

    from healthkit.isolation import IsolatedLoop

Clock = Callable[[], float]
Surroundings = Callable[[], AbstractContextManager[Any]]

log = logging.getLogger(__name__)

_runners: weakref.WeakSet[Runner] = weakref.WeakSet()


class Flight:
    """One run of one check, from start to landing. `started` is monotonic seconds."""

    __slots__ = ("callbacks", "cancel", "done", "late", "loop", "reading", "started", "task")

    def __init__(self, started: float) -> None:
        self.started = started
        self.done = threading.Event()
        self.reading: Reading | None = None  # what it said, once landed
        self.late: Reading | None = None  # set once a caller found it over its timeout
        self.callbacks: list[Callable[[], object]] = []
        self.cancel: Callable[[], None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # the app's, for a run on it
        self.task: asyncio.Task[None] | None = None

    def is_lost(self) -> bool:
        """Whether it can never land, because the app's loop that carried it is closed."""
        return self.loop is not None and self.loop.is_closed()


class Runner:
    """Runs one check and keeps its last reading."""

    def __init__(
        self, check: Check, *, clock: Clock = time.time, monotonic: Clock = time.monotonic,
        surroundings: Surroundings = nullcontext,
    ) -> None:  # fmt: skip
        self.check = check
        self._clock = clock
        self._monotonic = monotonic
        self.surroundings = surroundings
        self._reading: Reading | None = None
        self._told = ""
        self._isolated: IsolatedLoop | None = None
        self.reset()
        _runners.add(self)

    def reset(self) -> None:
        """Forget all that belongs to threads: called at birth, and in a forked child, where they are gone."""
        self._lock = threading.Lock()
        self._flight: Flight | None = None
        self._carrier: Carrier | None = None
        self._helper: Carrier | None = None  # carries abort() while the carrier is taken
        self._aborting = False
        self._reading = None
        if self._isolated is not None:
            self._isolated.forget()
            self._isolated = None

    def fresh(self, now: float) -> Reading | None:
        """Return the last reading if younger than `fresh_for`; a clock that went backwards makes it stale."""
        reading = self._reading
        if reading is not None and 0 <= now - reading.time < self.check.fresh_for:
            return reading
        return None

    def begin(self, loop: asyncio.AbstractEventLoop | None = None) -> Reading | Flight:
        """Return a reading that stands now, or the flight to wait for; starts one where none is under way.

        `loop` is the caller's running loop, for checks that ask to run on it.
        """
        with self._lock:
            reading = self.fresh(self._clock())
            if reading is not None:
                return reading
            flight = self._flight
            starts = flight is None or flight.is_lost()
            if flight is None or starts:
                flight = self._flight = Flight(self._monotonic())
        if starts:
            self._launch(flight, loop)
        elif self.time_left(flight) <= 0:
            return self.settle(flight)
        return flight

    def time_left(self, flight: Flight) -> float:
        """Return the seconds until a flight is over its timeout."""
        return flight.started + self.check.timeout - self._monotonic()

    def settle(self, flight: Flight) -> Reading:
        """Return what a flight said or, when it has not landed, the failure of being over its timeout."""
        with self._lock:
            if flight.reading is not None:
                return flight.reading
            first = flight.late is None
            reading = self._overdue(flight, first)
            if first:
                flight.late = reading
        if first:
            self._tell(reading, "over its timeout")
            self._give_up(flight)
        return reading

    def on_landing(self, flight: Flight, callback: Callable[[], object]) -> None:
        """Call `callback` once, from any thread, when the flight has landed: at once if it has."""
        with self._lock:
            waits = flight.reading is None
            if waits:
                flight.callbacks.append(callback)
        if not waits:
            callback()

    def _overdue(self, flight: Flight, first: bool) -> Reading:
        limit = self.check.timeout
        elapsed = max(limit, self._monotonic() - flight.started)
        how = "no answer within" if first else "still running for"
        reason = f"{how} {humanize(elapsed)} (limit {humanize(limit)})"
        return failed(self.check, reason, time=self._clock(), duration=elapsed)

    def _launch(self, flight: Flight, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and self.check.on_app_loop:
            self._launch_on(loop, flight)
            return
        try:
            self._carry(partial(self._run, flight), partial(self._land, flight))
        except RuntimeError as error:  # no thread can be started: a limit, or the interpreter is ending
            log.warning("check %r could not be run: no thread can be started", self.check.key)
            self._land(
                flight, failed(self.check, f"{describe(error)}: no thread can be started", time=self._clock())
            )

    def _launch_on(self, loop: asyncio.AbstractEventLoop, flight: Flight) -> None:
        import contextvars

        async def run() -> None:
            returned, error = await _attempt(self.check)
            self._land(flight, self._judge(flight, returned, error))

        flight.loop = loop
        flight.task = loop.create_task(run(), name=self._thread_name, context=contextvars.Context())
        flight.cancel = partial(_cancel_on, loop, flight.task)

    @property
    def _thread_name(self) -> str:
        return f"healthkit {self.check.key}"

    def _carry(self, work: Callable[[], Reading], landed: Callable[[Reading], None]) -> None:
        if self._carrier is None:
            self._carrier = choose()
        self._carrier.carry(work, landed, self._thread_name)

    def _run(self, flight: Flight) -> Reading:
        """Run the check in this thread. Whatever it raises is an outcome, `SystemExit` too."""
        returned, error = None, None
        try:
            with self.surroundings():
                if self.check.is_async:
                    returned, error = self._run_isolated(flight)
                else:
                    returned = self.check.run()
        except BaseException as caught:  # noqa: BLE001 - a user's code: nothing it raises may end this thread unseen
            error = caught
        return self._judge(flight, returned, error)

    def _run_isolated(self, flight: Flight) -> tuple[Any, BaseException | None]:
        from healthkit.isolation import IsolatedLoop

        if self._isolated is None:
            self._isolated = IsolatedLoop()

        def started(cancel: Callable[[], None]) -> None:
            flight.cancel = cancel
            if flight.late is not None:  # found over its timeout before it could be cancelled
                cancel()

        return self._isolated.run(_attempt(self.check), started)

    def _judge(self, flight: Flight, returned: Any, error: BaseException | None) -> Reading:
        try:
            if error is None:
                took = self._monotonic() - flight.started
                self._told = ""
                return from_return(self.check, returned, time=self._clock(), duration=took)
        except BaseException as caught:  # noqa: BLE001 - a returned object's own code may raise anything
            error = caught
        return self._from_error(flight, error)

    def _from_error(self, flight: Flight, error: BaseException) -> Reading:
        took = self._monotonic() - flight.started
        try:
            reading = from_error(self.check, error, time=self._clock(), duration=took)
        except BaseException as caught:  # noqa: BLE001 - a raised object's own code may raise anything
            reading = failed(self.check, type(caught).__name__, time=self._clock(), duration=took)
        if flight.late is None and not isinstance(error, Outcome):
            self._tell(reading, where(error))
        return reading

    def _tell(self, reading: Reading, detail: str) -> None:
        """Log an unexpected failure once, rather than at every run that ends the same way."""
        if self._told != detail:
            self._told = detail
            log.error("check %r fails: %s (%s)", self.check.key, reading.output, detail)

    def _land(self, flight: Flight, reading: Reading) -> None:
        """Keep what a flight said; one over its timeout stays a failure, whatever it says in the end."""
        with self._lock:
            if flight.late is None and reading.duration > self.check.timeout:
                flight.late = self._overdue(flight, True)
            flight.reading = flight.late or reading
            if self._flight is flight:
                self._flight = None
                self._reading = flight.reading
            callbacks, flight.callbacks = flight.callbacks, []
        flight.done.set()
        for callback in callbacks:
            callback()

    def _give_up(self, flight: Flight) -> None:
        """End a run that is over its timeout, where that can be done from outside; once a flight."""
        if flight.cancel is not None:
            flight.cancel()
        abort = self.check.abort
        if abort is None or self._aborting:
            return
        self._aborting = True
        self._helper = self._helper or choose()
        try:
            self._helper.carry(partial(self._abort, abort), lambda _: None, f"{self._thread_name} abort")
        except RuntimeError:
            self._aborting = False

    def _abort(self, abort: Callable[[], None]) -> None:
        try:
            abort()
        except BaseException as error:  # noqa: BLE001 - a user's code, in a helper's thread
            log.warning("abort() of check %r failed: %s", self.check.key, where(error))
        finally:
            self._aborting = False


def collect(runners: Iterable[Runner]) -> list[Reading]:
    """Return a reading of each check, waiting here; all run at once, none longer than its timeout."""
    under_way = [(runner, runner.begin()) for runner in runners]
    return [_wait(runner, found) if isinstance(found, Flight) else found for runner, found in under_way]


async def collect_async(runners: Iterable[Runner]) -> list[Reading]:
    """Return a reading of each check without blocking the running loop, nor a thread for each caller."""
    import asyncio

    loop = asyncio.get_running_loop()
    under_way = [(runner, runner.begin(loop)) for runner in runners]
    return [
        await _wait_async(runner, found, loop) if isinstance(found, Flight) else found
        for runner, found in under_way
    ]


def _wait(runner: Runner, flight: Flight) -> Reading:
    flight.done.wait(max(0.0, runner.time_left(flight)))
    return runner.settle(flight)


async def _wait_async(runner: Runner, flight: Flight, loop: asyncio.AbstractEventLoop) -> Reading:
    landed: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(max(0.0, runner.time_left(flight)), _resolve, landed)
    runner.on_landing(flight, partial(_wake, loop, landed))
    try:
        await landed
    finally:
        timer.cancel()
    return runner.settle(flight)


def _wake(loop: asyncio.AbstractEventLoop, landed: asyncio.Future[None]) -> None:
    try:
        loop.call_soon_threadsafe(_resolve, landed)
    except RuntimeError:
        log.debug("a caller's loop was closed before the check landed")


def _resolve(landed: asyncio.Future[None]) -> None:
    if not landed.done():
        landed.set_result(None)


async def _attempt(check: Check) -> tuple[Any, BaseException | None]:
    """Run an async check. What it raises is returned: a `SystemExit` in a task would end the app's loop."""
    try:
        return await check.run(), None
    except BaseException as error:  # noqa: BLE001 - an outcome, cancellation at the timeout too
        return None, error


def _cancel_on(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        log.debug("the app's loop was closed before a check on it could be cancelled")


def _reset_after_fork() -> None:
    for runner in list(_runners):
        runner.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
