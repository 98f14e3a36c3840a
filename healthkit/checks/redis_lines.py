"""A Redis list read as a queue: its length, who is first in line, and how many were added since last time.

How many came in is not kept anywhere, so the last element is remembered, and the next look asks with LPOS how
many stand behind it now. Elements that are equal, or of which more than `MOST` came, make it "at least".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from redis import exceptions as errors

MOST = 10_000  # elements behind the remembered one that are looked through
HUGE = 16_384  # bytes of an element, above which it is not sent back to be found


@dataclass(frozen=True, slots=True)
class Line:
    """A list at one moment; `added` is a running total."""

    length: int
    first: bytes | None
    added: int

    @property
    def oldest(self) -> str | None:
        """What tells the first in line from others."""
        return None if self.first is None else hashlib.blake2b(self.first, digest_size=12).hexdigest()


class ListLine:
    """One list, whose elements are pushed at its right end, or its left; taken from the other."""

    def __init__(self, key: str, *, pushed: str = "right") -> None:
        self.key = key
        self._first, self._last = (0, -1) if pushed == "right" else (-1, 0)
        self._mark: bytes | None = None
        self._length = self._added = 0
        self._is_begun = False

    def look(self, client: Any) -> Line:
        """Read the list in one round trip. Raises redis-py's errors."""
        mark = self._mark
        with client.pipeline(transaction=False) as pipe:
            pipe.llen(self.key).lindex(self.key, self._first).lindex(self.key, self._last)
            if mark is not None:
                pipe.lpos(self.key, mark, rank=1 if self._last == 0 else -1, maxlen=MOST)
            length, first, last, *place = pipe.execute(raise_on_error=False)
        for answer in (length, first, last):
            if isinstance(answer, Exception):
                raise answer
        if self._is_begun:
            self._added += self._came(length, place[0] if place else None)
        self._is_begun, self._length = True, length
        self._mark = last if last is not None and len(last) <= HUGE else None
        return Line(length, first, self._added)

    def _came(self, length: int, place: Any) -> int:
        """Return how many were added since the last look, as far as that can be known."""
        least = max(0, length - self._length)
        if isinstance(place, errors.ResponseError):  # a Redis before 6.0.6 has no LPOS
            return least
        if not isinstance(place, int):  # the remembered one is gone, and so is all that stood before it
            return length if self._mark is not None or not self._length else least
        behind = place if self._last == 0 else length - 1 - place
        return max(least, behind)
