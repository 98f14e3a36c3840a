"""One check and its runs: at most one in flight, answers within the timeout whatever the check does.

A check runs in a daemon thread, alone (or as a task of the app's loop, when it asks for that). Callers
wait for it until its timeout; who comes later is told at once that it is still running. When it ends it is
forgotten, and the next caller starts afresh: recovery needs nobody. Nothing is started before the first
caller, so a fork before that costs nothing, and a fork after it starts afresh in the child.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING, Any

from healthkit.carriers import Carrier, choose
from healthkit.durations import humanize
from healthkit.errors import Outcome
from healthkit.flight import Flight, attempt, cancel_on
from healthkit.forks import survive
from healthkit.model import Check, Reading
from healthkit.outcomes import describe, failed, from_error, from_return, where
from healthkit.snapshot import Snapshot
from healthkit.status import Status

if TYPE_CHECKING:
    import asyncio

    from healthkit.isolation import IsolatedLoop

Clock = Callable[[], float]
Surroundings = Callable[[], AbstractContextManager[Any]]
Listener = Callable[[Check, Status, Reading], object]

log = logging.getLogger(__name__)


class Runner:
    """Runs one check and keeps its last reading."""

    def __init__(
        self, check: Check, *, clock: Clock = time.time, monotonic: Clock = time.monotonic,
        surroundings: Surroundings = nullcontext, number: Callable[[], int] | None = None,
        on_change: Listener | None = None,
    ) -> None:  # fmt: skip
        self.check = check
        self._clock = clock
        self._monotonic = monotonic
        self.surroundings = surroundings
        self.snapshot = Snapshot(check, number or partial(next, count(1)))
        self.fresh = self.snapshot.fresh
        self._on_change = on_change
        self._told = ""
        self._isolated: IsolatedLoop | None = None
        if check.is_async:
            # now, not in the run's thread: a fork amid an import leaves its lock to the child, for ever
            import_module("healthkit.isolation")
        self.reset()
        survive(self)

    def reset(self) -> None:
        """Forget all that belongs to threads: called at birth, and in a forked child, where they are gone."""
        self._lock = threading.Lock()
        self._flight: Flight | None = None
        self._carrier: Carrier | None = None
        self._helper: Carrier | None = None  # carries abort() while the carrier is taken
        self._aborting = False
        self._next_run: float | None = None  # monotonic seconds, for one that runs in the background
        self.snapshot.forget()
        if self._isolated is not None:
            self._isolated.forget()
            self._isolated = None

    def hold(self, delay: float) -> None:
        """Leave the check alone for so many seconds from now."""
        with self._lock:
            self.snapshot.hold(self._clock(), delay)

    def disable(self, reason: str, duration: float) -> None:
        """Run it no more for so many seconds (infinity: until enabled)."""
        with self._lock:
            now = self._clock()
            self.snapshot.disable(now, reason, now + duration)

    def enable(self) -> None:
        """Run it again, from the next caller on."""
        with self._lock:
            self.snapshot.enable()

    def begin(self, loop: asyncio.AbstractEventLoop | None = None, *, anew: bool = False) -> Reading | Flight:
        """Return a reading that stands now, or the flight to wait for; starts one where none is under way.

        `loop` is the caller's running loop, for checks that ask to run on it. With `anew` no fresh reading
        will do, unless the check is disabled.
        """
        with self._lock:
            now = self._clock()
            reading = self.snapshot.disabled(now) or (None if anew else self.fresh(now))
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
            overdue = self._overdue(flight, first)
            if first:
                flight.late = overdue
            reading = self.snapshot.weigh(overdue, self._failures(flight))
            self._announce(reading)
        if first:
            self._tell(overdue, "over its timeout")
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

    def turn(self) -> float:
        """Do what is due in the background, for the scheduler; return the seconds until there is more to do.

        That is a run each `every` seconds, and the judgement of one that is over its timeout.
        """
        now, every = self._monotonic(), self.check.every or 0.0
        if self._next_run is None or now >= self._next_run:
            self.begin(anew=self._next_run is not None)  # the first caller may have been quicker
            missed = self._next_run is None or now - self._next_run >= every
            self._next_run = now + every if missed else (self._next_run or now) + every
        flight = self._flight
        left = every if flight is None else self.time_left(flight)
        if flight is not None and left <= 0:
            self.settle(flight)
            left = every
        return max(0.0, min(left, self._next_run - now))

    def _failures(self, flight: Flight) -> int:
        """Return what a failed flight counts as: one, and one more for each further timeout that it hangs."""
        if flight.late is None:
            return 1
        return max(1, int((self._monotonic() - flight.started) / self.check.timeout))

    def _announce(self, reading: Reading) -> None:
        """Tell a change of status, in the order in which it came: called under the lock, and never waits."""
        before = self.snapshot.status
        if reading.status is before:
            return
        self.snapshot.status = reading.status
        is_start = before is Status.UNKNOWN and reading.status is Status.PASS
        if self._on_change is not None and not is_start:
            self._on_change(self.check, before, reading)

    def _overdue(self, flight: Flight, first: bool) -> Reading:
        limit = self.check.timeout
        elapsed = max(limit, self._monotonic() - flight.started)
        how = f"no answer within {humanize(limit)}" if first else f"still running for {humanize(elapsed)}"
        reason = f"{how} (limit {humanize(limit)})"
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
            returned, error = await attempt(self.check)
            self._land(flight, self._judge(flight, returned, error))

        flight.loop = loop
        flight.task = loop.create_task(run(), name=self._thread_name, context=contextvars.Context())
        flight.cancel = partial(cancel_on, loop, flight.task)

    @property
    def _thread_name(self) -> str:
        return f"healthkit {self.check.key}"

    def _carry(self, work: Callable[[], Reading], landed: Callable[[Reading], bool]) -> None:
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

        return self._isolated.run(attempt(self.check), started)

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

    def _land(self, flight: Flight, reading: Reading) -> bool:
        """Keep what a flight said; one over its timeout stays a failure, whatever it says in the end.

        Returns whether it went well: what a failed run leaves behind in its thread is to go with the thread.
        """
        with self._lock:
            if flight.late is None and reading.duration > self.check.timeout:
                flight.late = self._overdue(flight, True)
            reading = flight.late or reading
            is_well = reading.status is not Status.FAIL
            if self._flight is flight:
                self._flight = None
                reading = self.snapshot.keep(reading, self._failures(flight))
                self._announce(reading)
            flight.reading = reading
            callbacks, flight.callbacks = flight.callbacks, []
        flight.land()
        for callback in callbacks:
            callback()
        return is_well

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
            self._helper.carry(partial(self._abort, abort), lambda _: False, f"{self._thread_name} abort")
        except RuntimeError:
            self._aborting = False

    def _abort(self, abort: Callable[[], None]) -> None:
        try:
            abort()
        except BaseException as error:  # noqa: BLE001 - a user's code, in a helper's thread
            log.warning("abort() of check %r failed: %s", self.check.key, where(error))
        finally:
            self._aborting = False
