"""`Health`: what a service checks about itself, and the report of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, TypeVar

from healthkit import settings
from healthkit.catalogue import Catalogue
from healthkit.durations import Duration
from healthkit.engine import collect, collect_async
from healthkit.forks import notice, survive
from healthkit.mailbox import Mailbox
from healthkit.model import Check, Reading, Report, StatusChange
from healthkit.runner import Clock, Runner, Surroundings
from healthkit.scheduler import Job, scheduler
from healthkit.selection import ALL, STARTUP, Selection, overall
from healthkit.status import Status

F = TypeVar("F", bound=Callable[..., Any])

log = logging.getLogger(__name__)

NOTHING_CHECKED = "no check is registered: this says only that the process answers"
STARTED = "the start is over: it passed, and is not asked again"
_STARTED = Selection(STARTUP, (), notes=(STARTED,))


class Health(Catalogue):
    """The checks of one service, and who may see their details.

    `details_token`: with it set, a caller who does not send it as `Authorization: Bearer` learns the status
    alone. `instance` names this process in the document, `host:pid` where it is not given. `watch_within`:
    when nobody has asked for so long, `on_unwatched` is called, and `on_watched` when somebody asks again.
    With `announce`, the checker's `https://checker.example/announce/<ping key>`, it is told that this
    service's health is at `url`: in the background, a second after this, and then every hour.
    `clock` gives epoch seconds. Nothing else is started before the first request, report or `start()`.
    """

    def __init__(
        self,
        service: str,
        *,
        version: str | None = None,
        description: str | None = None,
        details_token: str | None = None,
        instance: str | None = None,
        watch_within: Duration | None = None,
        on_unwatched: Callable[..., Any] | None = None,
        on_watched: Callable[..., Any] | None = None,
        announce: str | None = None,
        url: str | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__()
        self.service = settings.service_name(service)
        self.version = settings.label(version, "version")
        self.description = settings.label(description, "description")
        self.clock = clock
        self._given_instance = settings.label(instance, "instance")
        self._details_token = settings.token(details_token)
        self._watch = settings.watch(self.service, watch_within, on_unwatched, on_watched)
        self._announcement = settings.announcement(self.service, announce, url)
        self._listeners: tuple[Mailbox, ...] = ()
        self._number = partial(next, count(1))
        self.reset()
        survive(self)
        if self._announcement is not None:
            self._announcement.begin()

    def __repr__(self) -> str:
        return f"Health({self.service!r}, checks={list(self._runners)!r})"

    def reset(self) -> None:
        """Be a process that has not started yet: called at birth, and in a forked child."""
        self._lock = threading.Lock()
        self._is_started = False
        self._instance = self._given_instance
        self._has_started_up = False
        self._selections = {}

    @property
    def details_token(self) -> bytes | None:
        """The token that opens the details, as bytes to compare with; None: details are for everyone."""
        return self._details_token

    @property
    def instance(self) -> str:
        """What tells this process from others of the same service: `host:pid`, or as it was given."""
        if self._instance is None:
            # What socket.gethostname() says, without an import: a fork amid one in a thread hangs the child.
            self._instance = f"{os.uname().nodename}:{os.getpid()}"
        return self._instance

    def on_change(self, listener: F) -> F:
        """Call a function, sync or async, with a `StatusChange` whenever a check changes its status.

        It is called in a thread of its own; whether it raises or hangs, nothing else notices. The first
        reading of a check is told only when it is no pass. Works as a decorator.
        """
        self._listeners = (*self._listeners, Mailbox(listener, f"on_change of {self.service}"))
        return listener

    def start(self) -> None:
        """Begin what happens without a caller: checks with `every=`, initial delays, being watched.

        The first request or report does so too. Only for this process: a forked child starts by itself.
        """
        notice()
        if not self._is_started:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._is_started:
                return
            self._is_started = True
            for runner in self._runners.values():
                self._put_to_work(runner)
            if self._announcement is not None:
                self._announcement.begin()
            if self._watch is not None:
                self._watch.start(self.clock())
                self._schedule(self._watch.step, self._judge)

    def report(self, select: str = ALL) -> Report:
        """Run what is not fresh and report; waits in this thread, no longer than the longest timeout.

        `select` is "all", "live", "ready", "startup", a check's name or key, or a tag.
        Raises `UnknownCheckError`.
        """
        self.start()
        selection = self.select(select)
        return self.report_of(collect(selection.runners), selection)

    async def report_async(self, select: str = ALL) -> Report:
        """Report as `report` does, without blocking the running loop."""
        self.start()
        selection = self.select(select)
        return self.report_of(await collect_async(selection.runners), selection)

    def fresh(self, runners: Sequence[Runner]) -> tuple[Reading, ...] | None:
        """Return the readings if every one is fresh: costs no thread, no task and no wait."""
        now = self.clock()
        readings = []
        for runner in runners:
            reading = runner.fresh(now)
            if reading is None:
                return None
            readings.append(reading)
        return tuple(readings)

    def group(self, name: str) -> Selection:
        """Return one of the four groups, or what has this tag. Raises `UnknownCheckError`."""
        if name == STARTUP and self._has_started_up:
            return _STARTED
        return super().group(name)

    def seen(self) -> None:
        """Note that somebody watches; the endpoint calls it for what is not an orchestrator's probe."""
        if self._watch is not None:
            self._watch.seen(self.clock())

    def status_of(self, readings: Iterable[Reading], selection: Selection) -> Status:
        """Return the status of the whole. A startup that passes has passed for good, as Kubernetes has it."""
        status = overall(readings, selection.unproven)
        if selection.name == STARTUP and status is not Status.FAIL and selection.runners:
            self._has_started_up = True
        return status

    def report_of(self, readings: Iterable[Reading], selection: Selection | None = None) -> Report:
        """Return the report of readings. Its `time` is that of the oldest one, or now where there is none."""
        rows, now = tuple(readings), self.clock()
        selection = selection or self.group(ALL)
        return Report(
            service=self.service,
            status=self.status_of(rows, selection),
            time=min((row.time for row in rows if not row.is_disabled), default=now),
            readings=rows,
            version=self.version,
            description=self.description,
            max_age=max_age(rows, now),
            attributes=self._attributes(rows, selection),
        )

    def _attributes(self, readings: tuple[Reading, ...], selection: Selection) -> Mapping[str, Any]:
        notes = selection.notes if self._runners else (NOTHING_CHECKED,)
        return {
            "instance": self.instance,
            **({"sequence": max(row.sequence for row in readings)} if readings else {}),
            **({"notes": list(notes)} if notes else {}),
        }

    def _runner(self, check: Check, surroundings: Surroundings) -> Runner:
        return Runner(
            check, clock=self.clock, surroundings=surroundings, number=self._number, on_change=self._tell
        )  # fmt: skip

    def _enter(self, runner: Runner) -> None:
        with self._lock:
            super()._enter(runner)
            self._has_started_up = False
            if self._is_started:
                self._put_to_work(runner)

    def _put_to_work(self, runner: Runner) -> None:
        delay = runner.check.initial_delay
        if delay:
            runner.hold(delay)
        if runner.check.every is not None:
            self._schedule(delay, runner.turn)

    def _schedule(self, delay: float, job: Job) -> None:
        try:
            scheduler.after_while_alive(delay, job)
        except RuntimeError:  # no thread can be started: callers then run what is stale themselves
            log.warning("nothing can run in the background: no thread can be started")

    def _judge(self) -> float:
        assert self._watch is not None
        self._watch.judge(self.clock())
        return self._watch.step

    def _tell(self, check: Check, before: Status, reading: Reading) -> None:
        for mailbox in self._listeners:
            mailbox.post(StatusChange(self.service, check, before, reading.status, reading))


def max_age(readings: Iterable[Reading], now: float) -> float:
    """Return for how many seconds all these readings stay fresh; in the background, until the next is due."""
    ends = (
        row.time + (row.check.every or row.check.fresh_for) - now for row in readings if not row.is_disabled
    )
    return max(0.0, min(ends, default=0.0))
