"""Maintenance windows: announced times in which nothing new is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from checker.schedule import Every, Schedule, next_due


@dataclass(frozen=True, slots=True)
class MaintenanceSpec:
    """A window that opens whenever the schedule fires and stays open for `duration` seconds.

    `monitors` are names or patterns (`*`, `?`, `[abc]`); an endpoint's name covers its components too.
    """

    name: str
    schedule: Schedule
    duration: float
    monitors: tuple[str, ...] = ("*",)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """One opening of a maintenance window, from `start` up to and without `end` (epoch seconds)."""

    spec: MaintenanceSpec
    start: float
    end: float


def active(spec: MaintenanceSpec, now: float) -> Window | None:
    """Return the window that is open at `now`; None when there is none (an interval has no fixed moments)."""
    if isinstance(spec.schedule, Every):
        return None
    start = next_due(spec.schedule, now - spec.duration)
    return Window(spec, start, start + spec.duration) if start <= now else None


def covers(spec: MaintenanceSpec, full_name: str) -> bool:
    """Tell whether the window is meant for a monitor: by its full name, or by the name of its endpoint."""
    endpoint = full_name.partition("/")[0]
    return any(fnmatchcase(full_name, each) or fnmatchcase(endpoint, each) for each in spec.monitors)


def covering(windows: Iterable[Window], full_name: str) -> Window | None:
    """Return the first of the open windows that covers a monitor, or None."""
    return next((window for window in windows if covers(window.spec, full_name)), None)


def openings(specs: Iterable[MaintenanceSpec], start: float, end: float) -> list[Window]:
    """Return every opening that touches the span from `start` to `end`, those of each window in order."""
    return [each for spec in specs for each in _openings(spec, start, end)]


def _openings(spec: MaintenanceSpec, start: float, end: float) -> Iterator[Window]:
    if isinstance(spec.schedule, Every):
        return
    at = next_due(spec.schedule, start - spec.duration)
    while at < end:
        yield Window(spec, at, at + spec.duration)
        at = next_due(spec.schedule, at)
