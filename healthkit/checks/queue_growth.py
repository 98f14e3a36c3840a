"""Whether a queue grows: from depths remembered to a rate in, a rate out, and the time to drain. Pure.

A burst is no growth: the least depth of each quarter of the window has to lie above that of the quarter
before. A queue that is emptied now and then has a least depth of nought, however high it climbs between; one
jump leaves quarters alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

PARTS = 4
LEAST = PARTS + 1  # samples, below which nothing is said
FINENESS = 120  # samples kept to a window, whatever the pace at which the check runs
STRETCH = 12  # windows after which a sample is too old, where the check runs more seldom than its window


@dataclass(frozen=True, slots=True)
class Sample:
    """A depth at a time (epoch seconds), and the running total of what came in, where it is known."""

    at: float
    waiting: int
    added: int | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """How a queue moved: rates in jobs a minute, times in seconds.

    `drains_in` is None when it never will at this rate.
    """

    per_minute: float
    over: float
    came: float | None = None
    went: float | None = None
    is_sustained: bool = False
    drains_in: float | None = None


class Memory:
    """The samples of one check, as many as its window (seconds) needs."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._samples: deque[Sample] = deque()

    def remember(self, sample: Sample, *, least: int) -> Growth | None:
        """Keep a sample, and return how the queue moved over the window; None until that can be told."""
        kept = self._samples
        if kept and sample.at < kept[-1].at:  # the clock was put back
            kept.clear()
        while len(kept) > 1 and self._is_stale(kept[1], kept, sample):
            kept.popleft()
        while kept and sample.at - kept[0].at > self._window * STRETCH:
            kept.popleft()
        if len(kept) > 1 and sample.at - kept[-2].at < self._window / FINENESS:
            sample = Sample(sample.at, min(sample.waiting, kept.pop().waiting), sample.added)
        kept.append(sample)
        return growth(tuple(kept), window=self._window, least=least)

    def _is_stale(self, second: Sample, kept: deque[Sample], latest: Sample) -> bool:
        """Tell whether the first may go: the second spans the window alone, with samples enough."""
        return latest.at - second.at >= self._window and len(kept) > LEAST


def growth(samples: Sequence[Sample], *, window: float, least: int) -> Growth | None:
    """Return how a queue moved over its samples (oldest first); None for under a second of them.

    It is sustained when seen over the whole window (seconds), by `least` jobs or more, and without pause.
    """
    over = samples[-1].at - samples[0].at if samples else 0.0
    if over < 1:
        return None
    first, last = samples[0], samples[-1]
    net = (last.waiting - first.waiting) / over * 60
    came = went = None
    if first.added is not None and last.added is not None:
        came = max(0.0, (last.added - first.added) / over * 60)
        went = max(0.0, came - net)
    return Growth(
        per_minute=round(net, 2),
        over=over,
        came=None if came is None else round(came, 2),
        went=None if went is None else round(went, 2),
        is_sustained=over >= window * 0.95
        and last.waiting - first.waiting >= least
        and _climbs(samples, over),
        drains_in=last.waiting / -net * 60 if net < 0 else None,
    )


def _climbs(samples: Sequence[Sample], over: float) -> bool:
    """Tell whether the least depth of each part lies above that of the part before."""
    floors: list[int | None] = [None] * PARTS
    for sample in samples:
        part = min(PARTS - 1, int((sample.at - samples[0].at) / over * PARTS))
        floor = floors[part]
        floors[part] = sample.waiting if floor is None else min(floor, sample.waiting)
    known = [floor for floor in floors if floor is not None]
    return len(known) == PARTS and all(a < b for a, b in pairwise(known))
