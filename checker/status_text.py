"""`healthkit-checker status` as plain, aligned text; colours only where a terminal shows them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from checker.model import State
from checker.moments import clock, span
from checker.store.views import Overview, Watched
from checker.verdict import TROUBLED, look_of, verdict, worst

COLOURS = {"ok": "32", "warn": "33", "bad": "31;1", "mute": "2"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
REASON = 300  # characters of a reason in a line


@dataclass(frozen=True, slots=True)
class Painter:
    """Colours text, or leaves it plain."""

    colour: bool = False

    def __call__(self, tone: str, text: str) -> str:
        return f"\x1b[{COLOURS[tone]}m{text}\x1b[0m" if self.colour else text


def plain(text: str, limit: int = REASON) -> str:
    """Return text in one line that no terminal takes for a command: no escapes, no direction marks."""
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def render(overview: Overview, *, now: float, paint: Painter) -> str:
    """Return the verdict, what is down with since when and why, and then everything else."""
    said = verdict(overview.monitors)
    lines = [paint(said.tone, said.text), *_troubles(overview.monitors, now, paint)]
    if overview.monitors:
        lines += ["", *_table(overview.monitors, now, paint)]
    lines += _channels(overview, paint)
    return "\n".join(lines) + "\n"


def _troubles(monitors: Iterable[Watched], now: float, paint: Painter) -> Iterator[str]:
    for monitor in monitors:
        if worst(monitor) not in TROUBLED:
            continue
        for each in (monitor, *monitor.components):
            if each.state.state in TROUBLED:
                look = look_of(each.state)
                since = span(max(0.0, now - each.state.since))
                yield f"  {paint(look.tone, look.label)}  {plain(each.spec.full_name, 100)}, for {since}"
                yield f"        {plain(each.state.reason) or 'no reason given'}"


def _table(monitors: Iterable[Watched], now: float, paint: Painter) -> list[str]:
    rows = []
    for monitor in monitors:
        rows.append(_row(monitor, "", now))
        rows += [_row(part, "  ", now) for part in monitor.components]
    return _aligned(("MONITOR", "STATE", "FOR", "LAST SIGN"), rows, paint)


def _row(each: Watched, indent: str, now: float) -> tuple[str, tuple[str, str, str, str]]:
    state = each.state
    look = look_of(state)
    label = f"{look.label}, running" if state.started else look.label
    if each.snoozed_until is not None and each.snoozed_until > now:
        label += f", snoozed until {clock(each.snoozed_until, now)}"
    lasting = span(max(0.0, now - state.since)) if state.since and state.state is not State.NEW else ""
    seen = f"{span(max(0.0, now - state.last_seen))} ago" if state.last_seen else ""
    return look.tone, (indent + plain(each.spec.name, 60), label, lasting, seen)


def _aligned(head: tuple[str, ...], rows: Sequence[tuple[str, tuple[str, ...]]], paint: Painter) -> list[str]:
    widths = [
        max(len(row[column]) for row in [head, *(cells for _, cells in rows)]) for column in range(len(head))
    ]

    def line(cells: tuple[str, ...], tone: str = "") -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        if tone:
            padded[1] = paint(tone, padded[1])
        return "  ".join(padded).rstrip()

    return [line(head), *(line(cells, tone) for tone, cells in rows)]


def _channels(overview: Overview, paint: Painter) -> list[str]:
    lines = []
    for channel in overview.channels:
        if channel.broken_since is not None:
            lines.append(paint("bad", f"channel {channel.name} is broken: {plain(channel.last_error)}"))
        elif channel.failing:
            lines.append(
                paint(
                    "warn", f"channel {channel.name}: {channel.waiting} waiting; {plain(channel.last_error)}"
                )
            )
    return ["", *lines] if lines else []
