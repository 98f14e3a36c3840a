"""When the next sign is due: interval, cron or OnCalendar. Pure: `next_due(schedule, after)`.

Daylight saving: a cron line that names its hour fires once on the day an hour repeats, and right after the
gap on the day it is skipped, as Debian's cron does; a line with a `*` hour follows real time. OnCalendar does
the same, except that a skipped time is skipped, as systemd does.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import oncalendar
from cronsim import CronSim, CronSimError

from healthkit.durations import Duration, humanize, seconds
from healthkit.errors import ConfigurationError

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
LONGEST = 1000  # characters of an expression; more is a mistake or an attack
LONGEST_INTERVAL = 10 * 366 * 86_400.0
_START = 946_684_800.0  # 2000-01-01: an expression that never fires after it never fires


class ScheduleError(ConfigurationError):
    """A schedule that cannot be meant as it was written; the text says why."""


@dataclass(frozen=True, slots=True)
class Every:
    """A sign at least every so many seconds after the last one."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cron:
    """Five cron fields in a time zone, as Debian's cron reads them."""

    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class OnCalendar:
    """systemd calendar events, one a line, in a time zone (a zone within a line wins)."""

    expression: str
    timezone: str = "UTC"


Schedule = Every | Cron | OnCalendar


def next_due(schedule: Schedule, after: float) -> float:
    """Return the first moment later than `after` (epoch seconds) that is due; `inf` when none is left."""
    if isinstance(schedule, Every):
        return after + schedule.seconds
    try:
        moments = _cron(schedule, after) if isinstance(schedule, Cron) else _calendar(schedule, after)
        return next((moment for moment in moments if moment > after), math.inf)
    except (OverflowError, ValueError, OSError):  # beyond what a calendar can say
        return math.inf


def period(schedule: Schedule, at: float) -> float:
    """Return the gap (seconds) between the next two moments after `at`; `inf` when there are no two."""
    if isinstance(schedule, Every):
        return schedule.seconds
    first = next_due(schedule, at)
    second = next_due(schedule, first)
    return second - first if math.isfinite(second) else math.inf


def describe(schedule: Schedule) -> str:
    """Return the schedule in words: `every 5 min`, `cron "0 2 * * *" (Europe/Berlin)`."""
    if isinstance(schedule, Every):
        return f"every {humanize(schedule.seconds)}"
    word = "cron" if isinstance(schedule, Cron) else "OnCalendar"
    return f'{word} "{"; ".join(schedule.expression.splitlines())}" ({schedule.timezone})'


def local_time(schedule: Schedule | None, at: float) -> str:
    """Return a moment in the schedule's own zone: `2026-11-21 02:15 CET`."""
    zone = "UTC" if schedule is None or isinstance(schedule, Every) else schedule.timezone
    try:
        moment = datetime.fromtimestamp(at, _zone(zone))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"
    fine = isinstance(schedule, Every) and schedule.seconds < 3600
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z" if fine else "%Y-%m-%d %H:%M %Z")


def parse(text: str, timezone: str = "UTC") -> Cron | OnCalendar:
    """Return what the text means: one line of five fields (or `@daily`) is cron, anything else OnCalendar."""
    stripped = text.strip()
    if stripped.startswith("@") or ("\n" not in stripped and len(stripped.split()) == 5):
        return parse_cron(stripped, timezone)
    return parse_oncalendar(stripped, timezone)


def parse_every(value: Duration) -> Every:
    """Return an interval; raises `ScheduleError` for nothing, for nonsense and for more than ten years."""
    try:
        length = seconds(value, what="every")
    except ConfigurationError as error:
        raise ScheduleError(str(error)) from None
    if not 0 < length <= LONGEST_INTERVAL:
        raise ScheduleError(f"every: {value!r} must be more than 0 and at most ten years")
    return Every(length)


def parse_cron(expression: str, timezone: str = "UTC") -> Cron:
    """Return a cron schedule; raises `ScheduleError` naming the field, the zone, or that it never fires."""
    text = " ".join(expression.split())
    fields = _five_fields(text)
    zone_name = parse_timezone(timezone)
    schedule = Cron(fields, zone_name)
    try:
        never = math.isinf(next_due(schedule, _START))
    except CronSimError as error:
        raise ScheduleError(f'cron expression "{text}": {str(error).lower()}') from None
    if never:
        raise ScheduleError(f'cron expression "{text}" never fires')
    return schedule


def parse_oncalendar(expression: str, timezone: str = "UTC") -> OnCalendar:
    """Return an OnCalendar schedule; raises `ScheduleError` as `parse_cron` does."""
    lines = [" ".join(line.split()) for line in expression.splitlines() if line.strip()]
    if not lines or len(expression) > LONGEST:
        raise ScheduleError(
            f'OnCalendar expression: write 1 to {LONGEST} characters, such as "Mon..Fri 02:00"'
        )
    zone_name = parse_timezone(timezone)
    for line in lines:
        _check_calendar_line(line, zone_name)
    return OnCalendar("\n".join(lines), zone_name)


def parse_timezone(name: str) -> str:
    """Return the name of a known time zone; raises `ScheduleError` with the nearest one."""
    try:
        _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f'unknown time zone "{name}"{_nearest_zone(name)}') from None
    return name


def _nearest_zone(name: str) -> str:
    known = {zone.lower(): zone for zone in available_timezones()}
    by_city = {zone.rsplit("/", 1)[-1].lower(): zone for zone in sorted(available_timezones(), reverse=True)}
    wanted = name.lower().replace(" ", "_")
    near = difflib.get_close_matches(wanted, [*known, *by_city], n=1, cutoff=0.6)
    return (
        f'; did you mean "{known.get(near[0]) or by_city[near[0]]}"?'
        if near
        else '; write one such as "Europe/Berlin"'
    )


def _five_fields(text: str) -> str:
    if text.startswith("@"):
        if text.lower() not in MACROS:
            raise ScheduleError(f'cron expression "{text[:40]}": known short forms are {", ".join(MACROS)}')
        return MACROS[text.lower()]
    count = len(text.split())
    if count == 6:
        raise ScheduleError(
            f'cron expression "{text}" has six fields; write five (minute hour day month weekday): '
            "seconds and years are not told apart, so neither is taken"
        )
    if count != 5 or len(text) > LONGEST:
        raise ScheduleError(
            f'cron expression "{text[:80]}" has {count} fields; write five: minute hour day month weekday'
        )
    return text


def _check_calendar_line(line: str, zone_name: str) -> None:
    try:
        never = next(_calendar_line(line, zone_name, _START), None) is None
    except oncalendar.OnCalendarError as error:
        raise ScheduleError(f'OnCalendar expression "{line[:80]}": {str(error).lower()}') from None
    if never:
        raise ScheduleError(f'OnCalendar expression "{line}" never fires')


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=16_384)
def _template(expression: str, zone_name: str) -> CronSim:
    """Parse once: parsing costs far more than finding the next moment."""
    return CronSim(expression, datetime(2000, 1, 1, tzinfo=_cron_zone(zone_name)))


def _cron_zone(name: str) -> ZoneInfo | timezone:
    return UTC if name == "UTC" else _zone(name)  # cronsim does plain arithmetic for `UTC`


def _cron(schedule: Cron, after: float) -> Iterator[float]:
    """Yield moments near and after `after`; in a repeated hour the first ones may lie before it."""
    simulation = copy.copy(_template(schedule.expression, schedule.timezone))
    start = datetime.fromtimestamp(after, _cron_zone(schedule.timezone)).replace(microsecond=0)
    simulation.dt = start if simulation.fixup_tz is None else start.replace(tzinfo=None)
    for moment in simulation:
        yield moment.timestamp()


def _calendar(schedule: OnCalendar, after: float) -> Iterator[float]:
    """Yield the one moment that is next over all lines, or nothing."""
    firsts = [
        next(_calendar_line(line, schedule.timezone, after), None)
        for line in schedule.expression.splitlines()
    ]
    yield from sorted(first for first in firsts if first is not None)[:1]


def _calendar_line(line: str, zone_name: str, after: float) -> Iterator[float]:
    head, _, last = line.rpartition(" ")
    own_zone = oncalendar.parse_tz(last) if head else None
    expression, zone = (head, own_zone) if own_zone else (line, _zone(zone_name))
    start = datetime.fromtimestamp(after, zone)
    iterator = oncalendar.BaseIterator(expression, start)
    for moment in iterator:
        if moment.timestamp() > after:
            yield from _repeated_hour(expression, start, moment) if len(iterator.hours) == 24 else ()
            yield moment.timestamp()


def _repeated_hour(expression: str, start: datetime, found: datetime) -> Iterator[float]:
    """Yield the moment the library leaps over when clocks go back, for lines that fire every hour.

    It names each local time once, so between the two 01:59 of such a night it sees nothing.
    """
    offset = found.utcoffset() or timedelta()
    if start.fold == 0 and start.utcoffset() == offset:
        return
    fixed = next(oncalendar.BaseIterator(expression, start.astimezone(timezone(offset))), None)
    if fixed is None or not start < fixed.astimezone(UTC) < found.astimezone(UTC):
        return
    if fixed.astimezone(start.tzinfo).utcoffset() == offset:
        yield fixed.timestamp()
