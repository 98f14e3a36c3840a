"""The four states of a reading, ordered from best to worst."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Status(IntEnum):
    """How well something works: `UNKNOWN < PASS < WARN < FAIL`.

    `UNKNOWN` stands only until the first run of a check; it never outweighs a real reading.
    Its text on the wire is the lower-case name (draft-inadarei-api-health-check-06, section 3.1).
    """

    UNKNOWN = 0
    PASS = 1
    WARN = 2
    FAIL = 3

    def __str__(self) -> str:
        return self.name.lower()


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst of the given states, `PASS` when there is none.

    `UNKNOWN` counts only when nothing else is known.
    """
    return max(statuses, default=Status.PASS)
