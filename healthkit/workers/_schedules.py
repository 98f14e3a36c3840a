"""When a library's jobs are due, as a heartbeat tells it: nothing where its words cannot say that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

_NUMBERS = re.compile(r"[\d*,/-]+")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # APScheduler counts from Monday, cron does not
_NOTHING: Mapping[str, Any] = {}


def of_trigger(trigger: Any) -> Mapping[str, Any]:
    """Return when an APScheduler job is due, by its trigger."""
    interval = getattr(trigger, "interval", None)
    if isinstance(interval, timedelta):
        return _every(interval)
    fields = {field.name: str(field) for field in getattr(trigger, "fields", ())}
    if not fields or fields.pop("second") != "0" or {fields.pop("year"), fields.pop("week")} != {"*"}:
        return _NOTHING
    weekday = _weekday(fields.pop("day_of_week"))
    rest = [fields[name] for name in ("minute", "hour", "day", "month")]
    both = weekday != "*" and fields["day"] != "*"  # there both must hold; in cron, one
    if weekday is None or both or not all(_NUMBERS.fullmatch(each) for each in rest):
        return _NOTHING
    return {"schedule": " ".join([*rest, weekday]), "timezone": str(trigger.timezone)}


def of_beat(entries: Iterable[Mapping[str, Any]], task: str, timezone: object) -> Mapping[str, Any]:
    """Return when a Celery task is due by the entries of `beat_schedule`; nothing where several name it."""
    found = [each.get("schedule") for each in entries if each.get("task") == task]
    if len(found) != 1:
        return _NOTHING
    (schedule,) = found
    if isinstance(schedule, int | float):
        return _every(timedelta(seconds=schedule))
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    parts = [_joined(getattr(schedule, f"_orig_{name}", None)) for name in names]
    if all(parts):
        return {"schedule": " ".join(parts), "timezone": str(timezone)}
    interval = schedule if isinstance(schedule, timedelta) else getattr(schedule, "run_every", None)
    return _every(interval) if isinstance(interval, timedelta) else _NOTHING


def _every(interval: timedelta) -> Mapping[str, Any]:
    return {"every": interval.total_seconds()} if interval >= timedelta(seconds=1) else _NOTHING


def _weekday(text: str) -> str | None:
    """Return APScheduler's weekdays in cron's names; None for what cron cannot say."""
    if "/" in text:
        return None
    return re.sub(r"\d", lambda found: _WEEKDAYS[int(found[0]) % 7], text)


def _joined(value: object) -> str:
    if isinstance(value, str | int):
        return str(value).replace(" ", "")
    return ",".join(str(each) for each in value) if isinstance(value, list | tuple | set) else ""
