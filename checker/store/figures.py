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


def figures(
    conn: Connection, monitor_id: int, full_name: str, now: float, windows: Sequence[Window] = ()
) -> list[Figures]:
    """Return the numbers of a monitor for every span."""
    found = []
    spreads = spread(conn, monitor_id, now)
    for label, days in SPANS.items():
        start = now - days * DAY
        times = uptime.uptimes(conn, {monitor_id: full_name}, start, now, windows)
        found.append(Figures(label, start, times.get(monitor_id, Uptime()), spreads[label]))
    return found


def spread(conn: Connection, monitor_id: int, now: float) -> dict[str, Spread]:
    """Return looks or runs of a monitor for every span.

    A span begins with the full hour, or beyond a week with the full UTC day, in which its start lies.
    """
    hours = _bins(conn, "history_hour", "hour", monitor_id, int((now - BY_HOURS * DAY) // HOUR))
    days = _bins(conn, "history_day", "day", monitor_id, int((now - max(SPANS.values()) * DAY) // DAY))
    tail = [*_tail(conn, POLLS, monitor_id), *_tail(conn, PINGS, monitor_id)]
    _add_tail(hours, tail, HOUR)
    _add_tail(days, tail, DAY)
    return {label: _spread(hours, days, now, length) for label, length in SPANS.items()}


def by_hour(conn: Connection, monitor_id: int, now: float, count: int) -> list[tuple[int, Bin]]:
    """Return the looks or runs of the last `count` hours that had some, in order; the present one too."""
    first = int(now // HOUR) - count + 1
    hours = _bins(conn, "history_hour", "hour", monitor_id, first)
    tail = [*_tail(conn, POLLS, monitor_id), *_tail(conn, PINGS, monitor_id)]
    _add_tail(hours, tail, HOUR)
    return sorted((hour, found) for hour, found in hours.items() if hour >= first)


def days_of(conn: Connection, monitor_id: int, first: int) -> dict[int, Uptime]:
    """Return how a monitor spent the days from `first` on that were counted."""
    mark = placeholder(conn)
    rows = conn.exec_driver_sql(
        "SELECT day, up, down, warn, blind, paused, maintenance, falls FROM history_day"
        f" WHERE monitor_id = {mark} AND day >= {mark} AND up IS NOT NULL",
        (monitor_id, first),
    )
    return {row[0]: Uptime(*row[1:]) for row in rows}


def _spread(hours: Mapping[int, Bin], days: Mapping[int, Bin], now: float, length: int) -> Spread:
    bins, unit = (hours, HOUR) if length <= BY_HOURS else (days, DAY)
    first = int((now - length * DAY) // unit)
    total = _sum(found for at, found in bins.items() if at >= first)
    quantile = total.sketch.quantile
    return Spread(first * unit, total.looks, total.failures, quantile(0.5), quantile(0.95), quantile(0.99))


def _sum(bins: Iterable[Bin]) -> Bin:
    total = Bin()
    for each in bins:
        total.merge(each)
    return total


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
