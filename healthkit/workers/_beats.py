"""The beats of a worker: how often, with which figures, and nothing that could hold the worker up."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from healthkit import durations
from healthkit.errors import ConfigurationError
from healthkit.heartbeat import Heartbeat

log = logging.getLogger(__name__)

Clock = Callable[[], float]

EVERY = 30.0  # seconds, the longest silence of a healthy worker
POST_GAP = 1.0  # least seconds between two beats
STALE = 3  # paces after which a backlog that could not be read anew is told no longer


class Beats:
    """The pings of one worker: `every` so many seconds, and at most one a second."""

    def __init__(self, heartbeat: Heartbeat, every: float, clock: Clock = time.monotonic) -> None:
        self._heartbeat = heartbeat
        self.every = every
        self._clock = clock
        self._sent_at = float("-inf")

    def due(self, gap: float = POST_GAP) -> bool:
        """Whether the last ping is `gap` seconds old."""
        return self._clock() - self._sent_at >= gap

    def send(self, figures: Mapping[str, Any]) -> None:
        """Say that all is well."""
        self._sent_at = self._clock()
        self._heartbeat.send("", figures=dict(figures), fleeting=True)

    def farewell(self, name: str, figures: Mapping[str, Any]) -> None:
        """Leave a note that the worker ends."""
        self._heartbeat.send("/log", f"{name} ends", figures=dict(figures))


def beats_from(
    environ: Mapping[str, str],
    url: str | None = None,
    every: durations.Duration | None = None,
    *,
    variable: str = "HEALTHKIT_PING_URL",
) -> Beats | None:
    """Return the beats that were asked for: by `url` and `every`, else by the environment (`variable`).

    None without a URL, or with one that cannot be: that is logged, for jobs come before their monitoring.
    """
    try:
        heartbeat = Heartbeat(url or environ.get(variable))
        pace = pace_from(environ, every)
    except ConfigurationError as error:
        log.error("this worker does not beat: %s", error)
        return None
    return Beats(heartbeat, pace) if heartbeat.enabled else None


def pace_from(environ: Mapping[str, str], every: durations.Duration | None = None) -> float:
    """Return the seconds between two beats; raises `ConfigurationError`."""
    text = every if every is not None else environ.get("HEALTHKIT_PING_EVERY") or EVERY
    pace = durations.seconds(_number(text), what="HEALTHKIT_PING_EVERY")
    if pace < 1:
        raise ConfigurationError("HEALTHKIT_PING_EVERY: less than a second; write 1 or more")
    return pace


def _number(text: Any) -> Any:
    if isinstance(text, str):
        with contextlib.suppress(ValueError):
            return float(text)
    return text


class Backlog:
    """How much waits, read in the background: a broker that hangs must not hold up the loop that beats."""

    def __init__(self, read: Callable[[], float], every: float, clock: Clock = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._keep = every * STALE
        self._known: tuple[float, float] | None = None  # what, and when (monotonic)
        self._reader: threading.Thread | None = None

    def latest(self) -> float | None:
        """Return what was last known, None when that is too old; and have it read anew."""
        known = self._known
        if self._reader is None or not self._reader.is_alive():
            self._reader = threading.Thread(target=self._refresh, name="healthkit-backlog", daemon=True)
            with contextlib.suppress(RuntimeError):  # no more threads
                self._reader.start()
        return known[0] if known and self._clock() - known[1] <= self._keep else None

    def _refresh(self) -> None:
        try:
            self._known = self._read(), self._clock()
        except Exception as error:  # noqa: BLE001 - whatever a broker's client raises; the beats go on
            log.debug("the backlog cannot be read: %s", type(error).__name__)
