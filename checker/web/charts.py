"""Small pictures as numbers that a template turns into SVG: states over time, days, durations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from checker.model import State
from checker.moments import clock, span
from checker.rules.uptime import Span, Spell, Uptime, united
from checker.verdict import LOOKS

WIDTH = 1_000.0
DAY = 86_400
MONTHS = 90  # days that are shown one by one
TRACE = (300.0, 48.0)  # a sparkline's width and height
_CALM = {State.NEW: "none", State.PAUSED: "mute"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar: where it stands (of `WIDTH`), its colour's name, and what it says."""

    x: float
    width: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Trace:
    """A line through the last durations; `last` is where its end stands."""

    points: str
    last: tuple[float, float]
    least: float
    most: float
    count: int


def timeline(spells: Iterable[Spell], blind: Iterable[Span], start: float, end: float) -> list[Piece]:
    """Return a span's states in order, and over them in grey what nobody saw."""
    pieces = [
        Piece(
            *_place(each.start, each.end, start, end),
            _CALM.get(each.state, LOOKS[each.state].tone),
            f"{LOOKS[each.state].label} from {clock(each.start, end)}, for {span(each.end - each.start)}",
        )
        for each in spells
    ]
    pieces += [
        Piece(
            *_place(first, last, start, end),
            "blind",
            f"the checker could not see from {clock(first, end)}, for {span(last - first)}",
        )
        for first, last in united(blind, start, end)
    ]
    return pieces


def days(known: Mapping[int, Uptime], today: int, count: int = MONTHS) -> list[Piece]:
    """Return a piece a day, the present one last."""
    width = WIDTH / count
    first = today - count + 1
    return [
        Piece(round((day - first) * width, 2), round(width * 0.8, 2), *_day(known.get(day), day, today))
        for day in range(first, today + 1)
    ]


def trace(values: Sequence[float]) -> Trace | None:
    """Return a line through durations in seconds, the latest last; None for fewer than two."""
    if len(values) < 2:
        return None
    width, height = TRACE
    most, least = max(values), min(values)
    scale = most or 1.0
    points = [
        (round(n * width / (len(values) - 1), 1), round(height - 4 - value / scale * (height - 8), 1))
        for n, value in enumerate(values)
    ]
    return Trace(" ".join(f"{x},{y}" for x, y in points), points[-1], least, most, len(values))


def _place(first: float, last: float, start: float, end: float) -> tuple[float, float]:
    scale = WIDTH / (end - start)
    return round((first - start) * scale, 2), round(max(1.0, (last - first) * scale), 2)


def _day(found: Uptime | None, day: int, today: int) -> tuple[str, str]:
    ago = "today" if day == today else "yesterday" if day == today - 1 else f"{today - day} days ago"
    if found is None:
        return "none", f"{ago}: not watched"
    said = [
        f"{word} {span(seconds)}"
        for word, seconds in (
            ("down", found.down),
            ("degraded", found.warn),
            ("not seen", found.blind),
            ("maintenance", found.maintenance),
            ("paused or new", found.paused),
        )
        if seconds >= 1
    ]
    tone = "bad" if found.down else "warn" if found.warn else "ok" if found.up else "mute"
    if not found.up and not found.down and found.blind > found.paused:
        tone = "blind"
    return tone, f"{ago}: {', '.join(said) or 'working'}"
