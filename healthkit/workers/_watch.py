"""What every worker library's adapter is made of: when a worker beats, and what is told of its jobs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from healthkit.durations import Duration
from healthkit.workers._beats import Backlog, Beats, beats_from
from healthkit.workers._jobs import Due, Jobs

Figures = Callable[[], Mapping[str, Any]]
TICK = 1.0  # seconds between two looks at what is due
LOOP_SILENCE = 30.0  # least seconds without a turn after which an idle loop counts as dead


class Watch:
    """One worker process: its own beats (None: it has none), and its jobs' heartbeats.

    `figures` are told with every beat, the numbers of ended runs by default; `backlog` reads how much waits
    and may take its time.
    """

    def __init__(
        self,
        beats: Beats | None,
        jobs: Jobs,
        *,
        figures: Figures | None = None,
        backlog: Callable[[], float] | None = None,
    ) -> None:
        self.jobs = jobs
        self.beats = beats
        self.known: dict[str, Any] = {}  # more figures, from whoever reads them
        self._told: Mapping[str, Any] = {}
        self._figures = figures or self._counts
        self._backlog = Backlog(backlog, beats.every) if beats is not None and backlog is not None else None

    @property
    def every(self) -> float:
        """The longest silence of a healthy worker, in seconds; 0 when it does not beat."""
        return self.beats.every if self.beats is not None else 0.0

    def turned(self) -> None:
        """The worker's loop has turned: beat when that is due, or when more is done and a second is over."""
        if self.beats is None or not self.beats.due():
            return
        counts = dict(self._figures())
        if counts != self._told or self.beats.due(self.every):
            self._told = counts
            self.beats.send(self.figures())

    def farewell(self, name: str) -> None:
        """The worker ends in peace."""
        if self.beats is not None:
            self.beats.farewell(name, self.figures())

    def figures(self) -> dict[str, Any]:
        """Return what was done and what waits."""
        found = {**self._figures(), **self.known}
        waiting = self._backlog.latest() if self._backlog is not None else None
        return found if waiting is None else {**found, "backlog": waiting}

    def _counts(self) -> Mapping[str, Any]:
        return {"processed": self.jobs.processed, "failed": self.jobs.failed}


def watch_from(
    *,
    url: str | None,
    every: Duration | None,
    jobs: Mapping[str, str] | None,
    jobs_url: str | None,
    only: Collection[str] | None = None,
    figures: Figures | None = None,
    backlog: Callable[[], float] | None = None,
    due: Due | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Watch:
    """Return the watch that was asked for: by arguments, else by `HEALTHKIT_PING_URL`, `HEALTHKIT_PING_EVERY`
    and `HEALTHKIT_JOBS_URL`.
    """
    beats = beats_from(environ, url, every)
    base = jobs_url or environ.get("HEALTHKIT_JOBS_URL")
    found = Jobs(jobs, base, only) if due is None else Jobs(jobs, base, only, due=due)
    return Watch(beats, found, figures=figures, backlog=backlog)


class Ticker:
    """A thread for libraries whose loops call nobody while they are idle: it beats while `alive` says so."""

    def __init__(self, watch: Watch, alive: Callable[[], bool]) -> None:
        self._watch = watch
        self._alive = alive
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to tick, at once."""
        if self._watch.beats is not None:
            threading.Thread(target=self._run, name="healthkit-ticker", daemon=True).start()

    def stop(self) -> None:
        """End; a beat that is on its way is not waited for."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            if self._alive():
                self._watch.turned()
            self._over.wait(TICK)


class Loops:
    """Whether any loop of this process turns: one did lately, or is busy with a job."""

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = max(LOOP_SILENCE, 2 * every)
        self._clock = clock
        self._turned_at = clock()
        self._busy: set[object] = set()

    def turn(self) -> None:
        """A loop has turned."""
        self._turned_at = self._clock()

    def begin(self, run: object) -> None:
        """A loop has begun with a run."""
        self._busy.add(run)

    def end(self, run: object) -> bool:
        """It is done with it; return whether it was not already."""
        self.turn()
        busy = run in self._busy
        self._busy.discard(run)
        return busy

    def alive(self) -> bool:
        """Whether there is one."""
        return bool(self._busy) or self._clock() - self._turned_at <= self._patience
