"""What the calls to one host came to: counts and latencies in a ring of buckets, and the trouble it is in."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

BUCKETS = 30
RECOVERED = (
    5  # successes in a row that end a spell of trouble: at an error rate of a half, one in 32 is by chance
)

_GROWTH = math.pow(2, 0.25)
_EDGES = tuple(0.001 * _GROWTH**step for step in range(69))  # 1 ms to 131 s, each 19% above the one before

OK, ERROR, THROTTLED, GIVEN_UP = range(4)


@dataclass(frozen=True, slots=True)
class Totals:
    """The calls within the window. `p50` and `p95` are seconds, within 9%; None when no call was answered."""

    ok: int = 0
    errors: int = 0
    throttled: int = 0
    given_up: int = 0
    p50: float | None = None
    p95: float | None = None

    @property
    def calls(self) -> int:
        """The calls that ended; those the app gave up itself prove nothing about the host."""
        return self.ok + self.errors + self.throttled


@dataclass(slots=True)
class Trouble:
    """A spell of errors: from the first one until enough successes in a row. `since` is epoch seconds."""

    since: float
    calls: int = 0
    errors: int = 0


class _Bucket:
    __slots__ = ("counts", "latencies", "number")

    def __init__(self) -> None:
        self.clear(-1)

    def clear(self, number: int) -> None:
        self.number = number
        self.counts = [0, 0, 0, 0]
        self.latencies: dict[int, int] = {}


class HostWindow:
    """The newest calls to one host over a sliding `window` (seconds). Not for two threads at once."""

    __slots__ = ("_ring", "_width", "last_at", "last_reason", "last_reason_at", "streak", "trouble")

    def __init__(self, window: float) -> None:
        self._width = window / BUCKETS
        self._ring = [_Bucket() for _ in range(BUCKETS)]
        self.last_at = -math.inf  # the newest call
        self.last_reason = ""  # what went wrong the last time
        self.last_reason_at = -math.inf
        self.streak = 0  # successes in a row since anything went wrong
        self.trouble: Trouble | None = None

    def add(self, now: float, kind: int, latency: float | None, reason: str = "") -> None:
        """Count one call. `latency` is seconds until its answer, None where none came."""
        number = int(now / self._width)
        bucket = self._ring[number % BUCKETS]
        if bucket.number != number:
            bucket.clear(number)
        bucket.counts[kind] += 1
        if latency is not None:
            mark = bisect_right(_EDGES, latency)
            bucket.latencies[mark] = bucket.latencies.get(mark, 0) + 1
        self.last_at = now
        if kind != GIVEN_UP:
            if kind == OK and self.trouble is None:
                self.streak += 1
            else:
                self._follow(now, kind, reason)

    def totals(self, now: float) -> Totals:
        """Return the counts of the window that ends now."""
        newest = int(now / self._width)
        recent = [bucket for bucket in self._ring if newest - BUCKETS < bucket.number <= newest]
        counts = [sum(bucket.counts[kind] for bucket in recent) for kind in range(4)]
        latencies = [0] * (len(_EDGES) + 1)
        for bucket in recent:
            for mark, count in bucket.latencies.items():
                latencies[mark] += count
        ok, errors, throttled, given_up = counts
        return Totals(ok, errors, throttled, given_up, _quantile(latencies, 0.5), _quantile(latencies, 0.95))

    def _follow(self, now: float, kind: int, reason: str) -> None:
        """Keep the spell of trouble up to date; throttling is no proof of trouble nor of its end."""
        if kind == ERROR and self.trouble is None:
            self.trouble = Trouble(now)
        self.streak = self.streak + 1 if kind == OK else 0
        if kind != OK:
            self.last_reason, self.last_reason_at = reason, now
        if self.trouble is not None:
            self.trouble.calls += 1
            self.trouble.errors += kind == ERROR
            if self.streak >= RECOVERED:
                self.trouble = None


def _quantile(latencies: list[int], share: float) -> float | None:
    wanted = math.ceil(sum(latencies) * share)
    if wanted == 0:
        return None
    return _middle(next(mark for mark, reached in enumerate(accumulate(latencies)) if reached >= wanted))


def _middle(mark: int) -> float:
    """Return the latency a mark stands for: the geometric middle of its edges."""
    if mark == 0:
        return _EDGES[0] / 2
    return _EDGES[mark - 1] * math.sqrt(_GROWTH)
