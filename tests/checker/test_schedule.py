"""When the next sign is due."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.schedule import (
    MACROS,
    Cron,
    Every,
    OnCalendar,
    Schedule,
    ScheduleError,
    describe,
    local_time,
    next_due,
    parse,
    parse_cron,
    parse_every,
    parse_oncalendar,
    parse_timezone,
    period,
)

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo | None = None) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC)).timestamp()


def fires(schedule: Schedule, start: float, count: int) -> list[str]:
    found = []
    for _ in range(count):
        start = next_due(schedule, start)
        found.append(datetime.fromtimestamp(start, UTC).isoformat(timespec="minutes").removesuffix("+00:00"))
    return found


def test_an_interval_is_due_one_interval_later() -> None:
    assert next_due(parse_every("5m"), 1000.0) == 1300.0
    assert period(Every(300.0), 0.0) == 300.0


@pytest.mark.parametrize("value", ["soon", 0, -1, "0s", True, math.nan, math.inf, "9999w"])
def test_a_nonsense_interval_is_refused_with_the_reason(value: object) -> None:
    with pytest.raises(ScheduleError, match="every"):
        parse_every(value)  # type: ignore[arg-type]


def test_cron_fires_strictly_after_the_moment_asked() -> None:
    nightly = parse_cron("0 2 * * *")
    assert next_due(nightly, at("2026-03-01T01:59:59")) == at("2026-03-01T02:00")
    assert next_due(nightly, at("2026-03-01T02:00")) == at("2026-03-02T02:00")
    assert next_due(nightly, at("2026-03-01T02:00") + 0.25) == at("2026-03-02T02:00")


def test_a_daily_job_in_the_repeated_hour_is_expected_once() -> None:
    """New York, 1 November 2026: 01:30 comes twice."""
    daily = parse_cron("30 1 * * *", "America/New_York")
    assert fires(daily, at("2026-10-31T12:00", NEW_YORK), 3) == [
        "2026-11-01T05:30",  # 01:30 EDT
        "2026-11-02T06:30",  # 01:30 EST, not at 2026-11-01T06:30 again
        "2026-11-03T06:30",
    ]
    between = at("2026-11-01T06:10Z")  # the second 01:10
    assert next_due(daily, between) == at("2026-11-02T06:30Z")


def test_a_daily_job_in_the_skipped_hour_is_expected_once_right_after_the_gap() -> None:
    """New York, 8 March 2026: 02:30 does not exist."""
    daily = parse_cron("30 2 * * *", "America/New_York")
    assert fires(daily, at("2026-03-07T12:00", NEW_YORK), 2) == ["2026-03-08T07:00", "2026-03-09T06:30"]


@pytest.mark.parametrize(
    "schedule",
    [
        Cron("*/15 * * * *", "America/New_York"),
        OnCalendar("*:0/15", "America/New_York"),
    ],
)
def test_a_frequent_job_follows_real_time_through_both_changes(schedule: Schedule) -> None:
    for start in (at("2026-11-01T04:00Z"), at("2026-03-08T05:00Z")):
        moments = [start]
        for _ in range(20):
            moments.append(next_due(schedule, moments[-1]))
        assert {later - earlier for earlier, later in itertools.pairwise(moments)} == {900.0}


def test_an_oncalendar_job_in_the_repeated_hour_is_expected_once() -> None:
    daily = parse_oncalendar("01:30", "America/New_York")
    assert fires(daily, at("2026-10-31T12:00", NEW_YORK), 2) == ["2026-11-01T05:30", "2026-11-02T06:30"]


def test_oncalendar_takes_several_lines_and_a_zone_of_its_own() -> None:
    schedule = parse_oncalendar("Mon..Fri 02:00 Europe/Berlin\n  Sat 12:00", "UTC")
    assert fires(schedule, at("2026-01-08T12:00"), 3) == [
        "2026-01-09T01:00",
        "2026-01-10T12:00",
        "2026-01-12T01:00",
    ]


def test_a_schedule_with_nothing_left_is_due_never() -> None:
    past = parse_oncalendar("2020-01-01 00:00:00")
    assert next_due(past, at("2026-01-01T00:00")) == math.inf
    assert period(past, at("2026-01-01T00:00")) == math.inf


@pytest.mark.parametrize("after", [1e300, -1e300, math.inf])
def test_a_moment_beyond_the_calendar_is_no_error(after: float) -> None:
    assert next_due(Cron("0 2 * * *", "Europe/Berlin"), after) == math.inf
    assert next_due(OnCalendar("02:00"), after) == math.inf


@pytest.mark.parametrize("name", list(MACROS))
def test_the_short_forms_are_expanded(name: str) -> None:
    assert parse_cron(name.upper()) == Cron(MACROS[name])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 2 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("0 0 2 * * *", "six fields.*seconds and years"),
        ("61 2 * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 0 * * FOO", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("@reboot", "known short forms are @hourly"),
        ("0 0 30 2 *", "day-of-month"),
        ("0 0 31 2,4,6 *", "day-of-month"),
        ("0 0 * 2 MON#5,TUE#9", "bad day-of-week"),
    ],
)
def test_a_cron_line_that_cannot_be_meant_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        parse_cron(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write 1 to"),
        ("Mon 25:00", "bad hour"),
        ("Someday 02:00", "bad day-of-week"),
        ("*-02-30", "never fires"),
        ("02:00 Mars/Olympus", "wrong number|bad"),
        ("02:00\nnonsense", '"nonsense"'),
    ],
)
def test_an_oncalendar_line_that_cannot_be_meant_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said):
        parse_oncalendar(text)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("america/new york", "America/New_York"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_one(name: str, nearest: str) -> None:
    with pytest.raises(ScheduleError, match=f'did you mean "{nearest}"'):
        parse_timezone(name)


@pytest.mark.parametrize("name", ["", "../etc/passwd", "/etc/passwd", "Europe", "no\0zone", "xyzzy12345"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match="unknown time zone"):
        parse_timezone(name)


def test_a_line_of_five_fields_is_cron_and_anything_else_oncalendar() -> None:
    assert parse("0 2 * * *", "Europe/Berlin") == Cron("0 2 * * *", "Europe/Berlin")
    assert parse("@daily") == Cron("0 0 * * *")
    assert parse("Mon..Fri 02:00") == OnCalendar("Mon..Fri 02:00")


def test_the_rarest_days_are_found() -> None:
    assert fires(parse_cron("0 0 29 2 *"), at("2026-01-01T00:00"), 2) == [
        "2028-02-29T00:00",
        "2032-02-29T00:00",
    ]
    assert fires(parse_cron("0 0 * 2 MON#5"), at("2026-01-01T00:00"), 1) == ["2044-02-29T00:00"]


def test_schedules_are_told_in_words() -> None:
    assert describe(Every(300.0)) == "every 5 min"
    assert describe(Cron("0 2 * * *", "Europe/Berlin")) == 'cron "0 2 * * *" (Europe/Berlin)'
    assert describe(OnCalendar("02:00\n14:00")) == 'OnCalendar "02:00; 14:00" (UTC)'


def test_moments_are_told_in_the_zone_of_the_schedule() -> None:
    moment = at("2026-01-10T01:15:30Z")
    assert local_time(Cron("0 2 * * *", "Europe/Berlin"), moment) == "2026-01-10 02:15 CET"
    assert local_time(Every(60.0), moment) == "2026-01-10 01:15:30 UTC"
    assert local_time(None, moment) == "2026-01-10 01:15 UTC"
    assert local_time(None, 1e300).startswith("1000")


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"])
EXPRESSIONS = st.sampled_from(
    [
        "* * * * *",
        "*/7 * * * *",
        "30 1 * * *",
        "30 2 * * *",
        "0 0 * * *",
        "15 */3 * * *",
        "5 4 * * SUN",
        "0 0 1 * *",
    ]
)
MOMENTS = st.floats(min_value=at("2024-01-01T00:00"), max_value=at("2030-01-01T00:00"))


@given(EXPRESSIONS, ZONES, MOMENTS)
def test_the_next_moment_is_later_and_no_moment_lies_between(
    expression: str, zone: str, after: float
) -> None:
    schedule = Cron(expression, zone)
    due = next_due(schedule, after)
    assert due > after
    assert next_due(schedule, (after + due) / 2) == due


@given(ZONES, MOMENTS)
def test_a_daily_line_fires_once_each_local_day_whatever_the_clocks_do(zone: str, after: float) -> None:
    for expression in ("30 1 * * *", "30 2 * * *", "0 0 * * *"):
        first = next_due(Cron(expression, zone), after)
        second = next_due(Cron(expression, zone), first)
        day = datetime.fromtimestamp(first, ZoneInfo(zone)).date()
        assert (datetime.fromtimestamp(second, ZoneInfo(zone)).date() - day).days == 1
