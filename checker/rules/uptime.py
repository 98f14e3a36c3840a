"""How a span of time is shared out: up, down, and what counts as neither. Pure.

Blind time comes first: what nobody saw is neither up nor down, whatever the state was. Then time in which the
monitor was new or paused, then announced maintenance. Only what is left counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from checker.model import State

UNCOUNTED = (State.NEW, State.PAUSED)  # nobody knows, or nobody wants to
WELL = (State.UP, State.GRACE, State.WARN)

Span = tuple[float, float]  # from, up to and without


@dataclass(frozen=True, slots=True)
class Uptime:
    """Seconds of a span by what they count as; `warn` is part of `up`; `falls`: how often it went down.

    `paused` holds the time in which the monitor was new, too.
    """

    up: float = 0.0
    down: float = 0.0
    warn: float = 0.0
    blind: float = 0.0
    paused: float = 0.0
    maintenance: float = 0.0
    falls: int = 0

    @property
    def uncounted(self) -> float:
        """The seconds that are neither up nor down."""
        return self.blind + self.paused + self.maintenance

    @property
    def share(self) -> float | None:
        """The share of the time that counts in which it was up; None where none does."""
        counted = self.up + self.down
        return self.up / counted if counted > 0 else None

    def __add__(self, other: Uptime) -> Uptime:
        return Uptime(
            self.up + other.up,
            self.down + other.down,
            self.warn + other.warn,
            self.blind + other.blind,
            self.paused + other.paused,
            self.maintenance + other.maintenance,
            self.falls + other.falls,
        )


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in one state."""

    start: float
    end: float
    state: State


def shared_out(
    before: State,
    turns: Sequence[tuple[float, State]],
    start: float,
    end: float,
    blind: Iterable[Span] = (),
    maintenance: Iterable[Span] = (),
) -> Uptime:
    """Return what a span counts as; `before` is the state at its start, `turns` are (at, into) in order."""
    unseen = united(blind, start, end)
    excused = without(united(maintenance, start, end), unseen)
    total = Uptime(falls=_falls(before, turns))
    for spell in spells(before, turns, start, end):
        dark = overlap(spell, unseen)
        seen = spell.end - spell.start - dark
        if spell.state in UNCOUNTED:
            total += Uptime(blind=dark, paused=seen)
            continue
        rest = overlap(spell, excused)
        seen -= rest
        well = seen if spell.state in WELL else 0.0
        total += Uptime(
            up=well,
            down=seen - well,
            warn=seen if spell.state is State.WARN else 0.0,
            blind=dark,
            maintenance=rest,
        )
    return total


def spells(before: State, turns: Sequence[tuple[float, State]], start: float, end: float) -> Iterator[Spell]:
    """Return the stretches of one state from `start` to `end`, none of them empty."""
    state, since = before, start
    for at, into in turns:
        moment = min(max(at, since), end)
        if moment > since:
            yield Spell(since, moment, state)
        state, since = into, moment
    if end > since:
        yield Spell(since, end, state)


def united(spans: Iterable[Span], start: float, end: float) -> list[Span]:
    """Return what the spans cover within `start` to `end`, in order and without overlaps."""
    found: list[Span] = []
    for first, last in sorted((max(first, start), min(last, end)) for first, last in spans):
        if last <= first:
            continue
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    return found


def without(spans: Sequence[Span], holes: Sequence[Span]) -> list[Span]:
    """Return the spans less the holes; both in order and without overlaps of their own."""
    found = []
    for first, last in spans:
        for begin, end in holes:
            if end <= first or begin >= last:
                continue
            if begin > first:
                found.append((first, begin))
            first = end
        if last > first:
            found.append((first, last))
    return found


def overlap(spell: Spell, spans: Sequence[Span]) -> float:
    """Return how many seconds of a spell the spans cover."""
    return sum(max(0.0, min(spell.end, last) - max(spell.start, first)) for first, last in spans)


def _falls(before: State, turns: Sequence[tuple[float, State]]) -> int:
    states = [before, *(state for _, state in turns)]
    return sum(into is State.DOWN and old is not State.DOWN for old, into in itertools.pairwise(states))
