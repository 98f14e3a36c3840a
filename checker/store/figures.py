"""A monitor in numbers over a day, a week, a month, a quarter, a year: uptime, looks or runs, percentiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from checker.maintenance import Window
from checker.rules.uptime import Uptime
from checker.store import rollups, uptime
from checker.store.bulk import placeholder
from checker.store.rollups import DAY, HOUR, PINGS, POLLS, Bin, Raw, Source
from checker.store.sketch import Sketch

SPANS = {"24 h": 1, "7 d": 7, "30 d": 30, "90 d": 90, "1 y": 365}  # in days
BY_HOURS = 7  # days up to which looks are summed up from hours, beyond from days
SKEW = 3_600  # seconds that nodes' clocks may differ: looks this much older than the roll-up may be new


@dataclass(frozen=True, slots=True)
class Spread:
    """Looks or runs since a full hour or day, how many failed, and how long they took (2 % off at most)."""

    since: float
    looks: int = 0
    failures: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A monitor over a span of time that ends now."""

    label: str
    start: float
    uptime: Uptime
    spread: Spread


@dataclass(frozen=True, slots=True)
class Looks:
    """A monitor's looks or runs by the hour for a week, and by the UTC day for a year; the latest too."""

    hours: Mapping[int, Bin]
    days: Mapping[int, Bin]


def figures(
    conn: Connection,
    monitor_id: int,
    full_name: str,
    now: float,
    windows: Sequence[Window] = (),
    looks: Looks | None = None,
) -> list[Figures]:
    """Return the numbers of a monitor for every span."""
    starts = [now - days * DAY for days in SPANS.values()]
    spreads = spread(looks or looks_of(conn, monitor_id, now), now)
    times = uptime.since_each(conn, monitor_id, full_name, starts, now, windows)
    return [
        Figures(label, start, each, spreads[label])
        for label, start, each in zip(SPANS, starts, times, strict=True)
    ]


def looks_of(conn: Connection, monitor_id: int, now: float) -> Looks:
    """Return a monitor's looks or runs, those too that are not rolled up yet."""
    hours = _bins(conn, "history_hour", "hour", monitor_id, int((now - BY_HOURS * DAY) // HOUR))
    days = _bins(conn, "history_day", "day", monitor_id, int((now - max(SPANS.values()) * DAY) // DAY))
    tail = [*_tail(conn, POLLS, monitor_id), *_tail(conn, PINGS, monitor_id)]
    _add_tail(hours, tail, HOUR)
    _add_tail(days, tail, DAY)
    return Looks(hours, days)


def spread(looks: Looks, now: float) -> dict[str, Spread]:
    """Return looks or runs of a monitor for every span.

    A span begins with the full hour, or beyond a week with the full UTC day, in which its start lies.
    """
    found: dict[str, Spread] = {}
    for bins, unit, lengths in (
        (looks.hours, HOUR, [days for days in SPANS.values() if days <= BY_HOURS]),
        (looks.days, DAY, [days for days in SPANS.values() if days > BY_HOURS]),
    ):
        found |= _spreads(bins, unit, lengths, now)
    return found


def by_hour(looks: Looks, now: float, count: int) -> list[tuple[int, Bin]]:
    """Return the looks or runs of the last `count` hours (of the week) that had some, in order."""
    first = int(now // HOUR) - count + 1
    return sorted((hour, found) for hour, found in looks.hours.items() if hour >= first)


def _spreads(bins: Mapping[int, Bin], unit: int, lengths: Sequence[int], now: float) -> dict[str, Spread]:
    """Return the spreads over spans of so many days: the short ones are the beginning of the long ones."""
    labels = {days: label for label, days in SPANS.items()}
    left = sorted(bins)
    total = Bin()
    found = {}
    for length in sorted(lengths):
        first = int((now - length * DAY) // unit)
        while left and left[-1] >= first:
            total.merge(bins[left.pop()])
        quantile = total.sketch.quantile
        found[labels[length]] = Spread(
            first * unit, total.looks, total.failures, quantile(0.5), quantile(0.95), quantile(0.99)
        )
    return found


def _bins(conn: Connection, table: str, key: str, monitor_id: int, first: int) -> dict[int, Bin]:
    mark = placeholder(conn)
    rows = conn.exec_driver_sql(
        f"SELECT {key}, looks, failures, sketch FROM {table} WHERE monitor_id = {mark} AND {key} >= {mark}",
        (monitor_id, first),
    )
    return {row[0]: Bin(row[1], row[2], Sketch.unpack(row[3])) for row in rows}


def _add_tail(bins: dict[int, Bin], tail: Iterable[Raw], unit: int) -> None:
    for _, _, at, failed, seconds in tail:
        bins.setdefault(int(at // unit), Bin()).add(failed, seconds)


def _tail(conn: Connection, source: Source, monitor_id: int) -> list[Raw]:
    """Return the raw rows of a monitor that are not rolled up yet."""
    done = rollups.mark_of(conn, source)
    last = done.until if done.until is not None and monitor_id <= done.cursor else done.done
    mark = placeholder(conn)
    text = f"SELECT {source.one.format(mark=mark)} raw.monitor_id = {mark} AND raw.id > {mark}"
    rows = conn.exec_driver_sql(text, (done.at - SKEW, monitor_id, last))
    return [tuple(row) for row in rows]
