"""Who is told and when: `[[channel]]`, `[[route]]`, `[[escalation]]` and `[[maintenance]]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from checker.config_section import Section, nearest
from checker.config_values import read_name, read_schedule, reminder, severity
from checker.maintenance import MaintenanceSpec
from checker.model import ChannelSpec, Severity
from checker.routes import EscalationSpec, RouteSpec
from checker.schedule import Every, parse_timezone, period
from healthkit.errors import ConfigurationError

_REFERENCE = 1_767_225_600.0  # 2026-01-01: where periods are measured, so that a file always means the same
_HOURS = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")


def channel(section: Section, kinds: Mapping[str, Any]) -> ChannelSpec:
    """Return what a `[[channel]]` means; its keys are those of its kind, whose own rules are asked too."""
    name, kind = read_name(section), section.text("kind", required=True)
    if kind not in kinds:
        if kind:
            section.problem("kind", f'unknown kind "{section.written("kind")}"{nearest(kind, kinds)}')
        return ChannelSpec(name, kind)
    wanted = kinds[kind].required | kinds[kind].optional
    before = len(section.source.problems)
    settings = {key: section.anything(key) for key in sorted(wanted) if key in section}
    for key in sorted(kinds[kind].required - settings.keys()):
        section.problem(key, f'"{key}" is missing; a channel of kind "{kind}" needs it')
    every = reminder(section)
    section.close(wanted)
    spec = ChannelSpec(name, kind, settings, every)
    if len(section.source.problems) == before:
        try:
            kinds[kind](spec, cast(Any, None))  # built to hear what it refuses; it sends nothing
        except ConfigurationError as error:
            said = _without(str(error), settings).removeprefix(f"{section.label} ({kind}): ")
            key = next((key for key in settings if f'"{key}"' in said), "kind")
            section.problem(key, said.removeprefix(f"{section.label}: "))
    return spec


def _without(message: str, settings: Mapping[str, Any]) -> str:
    """Return a channel's own words without any of its settings' values: they may be secrets."""
    for value in settings.values():
        for text in (
            value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
        ):
            if isinstance(text, str) and len(text) > 3:
                message = message.replace(text, "...")
    return message


def route(section: Section) -> RouteSpec:
    """Return what a `[[route]]` means."""
    found = _route(section)
    section.close()
    return found


def escalation(section: Section) -> EscalationSpec:
    """Return what an `[[escalation]]` means."""
    after = section.duration("after", 0.0, least=60.0)
    if "after" not in section:
        section.problem("after", '"after" is missing; write how long to wait for somebody, such as "15m"')
    found = EscalationSpec(after, _route(section))
    section.close()
    return found


def _route(section: Section) -> RouteSpec:
    channels = section.names("channels")
    if not channels:
        section.problem("channels", '"channels" is missing; name those to tell')
    loud = severity(section)
    zone = section.parsed("timezone", parse_timezone) if "timezone" in section else None
    section.text("timezone")
    return RouteSpec(
        channels=channels or (),
        monitors=section.names("monitors") or (),
        tags=frozenset(section.names("tags") or ()),
        severity=Severity(loud) if loud else None,
        hours=_hours(section),
        timezone=zone or "UTC",
    )


def _hours(section: Section) -> tuple[int, int] | None:
    """Return `hours = "08:00-18:00"` as minutes of the day."""
    text = section.text("hours").replace(" ", "")
    if not text:
        return None
    match = _HOURS.fullmatch(text)
    if match is None:
        section.problem("hours", '"hours" must be such as "08:00-18:00"')
        return None
    start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4]))
    if start == end or max(start, end) > 24 * 60:
        section.problem("hours", '"hours" must be such as "08:00-18:00", two times of one day')
        return None
    return start, end


def maintenance(section: Section) -> MaintenanceSpec:
    """Return what a `[[maintenance]]` means."""
    name = read_name(section)
    schedule = read_schedule(section, "schedule", "oncalendar")
    duration = section.duration("duration", 0.0, least=1.0)
    if "duration" not in section:
        section.problem(
            "duration", '"duration" is missing; write how long the window stays open, such as "1h"'
        )
    elif schedule is not None and duration >= period(schedule, _REFERENCE):
        section.problem(
            "duration", '"duration" is as long as its schedule\'s period: the window would never close'
        )
    monitors = section.names("monitors")
    if monitors == ():
        section.problem("monitors", '"monitors" is empty; name some, or leave it out to mean all')
    spec = MaintenanceSpec(
        name, schedule or Every(1.0), duration, monitors or ("*",), section.text("description")
    )
    section.close()
    return spec
