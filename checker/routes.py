"""Who is told of an incident: by its monitors, their tags, its severity and the hour it began. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from checker.model import Incident, MonitorSpec, Severity

Hours = tuple[int, int]  # minutes of the day, from and up to; over midnight where the first is later


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """Incidents that match all that is given go to `channels`. Empty means: any."""

    channels: tuple[str, ...]
    monitors: tuple[str, ...] = ()  # names or patterns; an endpoint's covers its components
    tags: frozenset[str] = frozenset()
    severity: Severity | None = None
    hours: Hours | None = None
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class EscalationSpec:
    """Incidents of this kind that nobody acknowledged within `after` seconds are told to more channels."""

    after: float
    route: RouteSpec


def addressees(
    routes: Sequence[RouteSpec], incident: Incident, specs: Collection[MonitorSpec]
) -> tuple[str, ...] | None:
    """Return the channels of all routes that match; None, meaning every channel, where none does."""
    found = [name for route in routes if matches(route, incident, specs) for name in route.channels]
    return tuple(dict.fromkeys(found)) or None


def escalated(
    escalations: Sequence[EscalationSpec], incident: Incident, specs: Collection[MonitorSpec], now: float
) -> tuple[str, ...]:
    """Return the channels that an open incident has to be told to because nobody acknowledged it."""
    if incident.acknowledged_at is not None or incident.resolved_at is not None:
        return ()
    due = [
        name
        for each in escalations
        if now - incident.since >= each.after and matches(each.route, incident, specs)
        for name in each.route.channels
    ]
    return tuple(dict.fromkeys(due))


def matches(route: RouteSpec, incident: Incident, specs: Iterable[MonitorSpec]) -> bool:
    """Tell whether an incident is meant; the hour is that of its beginning, so its end goes the same way."""
    if route.severity is not None and incident.severity is not route.severity:
        return False
    if route.hours is not None and not _is_within(route.hours, incident.since, route.timezone):
        return False
    if not route.monitors and not route.tags:
        return True
    return any(_is_meant(route, spec) for spec in specs)


def _is_meant(route: RouteSpec, spec: MonitorSpec) -> bool:
    if route.tags and not route.tags & set(spec.tags):
        return False
    names = (spec.full_name, spec.parent or spec.name)
    return not route.monitors or any(fnmatchcase(name, each) for each in route.monitors for name in names)


def _is_within(hours: Hours, at: float, timezone: str) -> bool:
    moment = datetime.fromtimestamp(at, ZoneInfo(timezone))
    minute = moment.hour * 60 + moment.minute
    start, end = hours
    return start <= minute < end if start < end else minute >= start or minute < end
