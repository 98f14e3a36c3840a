"""The frozen nouns of the queue checks: what a queue, and what its workers, say at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from healthkit.model import NO_DETAILS


@dataclass(frozen=True, slots=True)
class Seen:
    """What a queue says at one moment; times in seconds.

    `oldest` tells the first in line from any other, where its age is not written down anywhere: its age is
    then counted from when it was first seen there. `added` is a running total of what came in, from any start
    and at least that much.
    """

    waiting: int  # those that nobody works on yet
    oldest_age: float | None = None
    oldest: str | None = None
    added: int | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: NO_DETAILS)


@dataclass(frozen=True, slots=True)
class Task:
    """One job in work: its function without arguments, how long it runs, and its own limit (seconds)."""

    id: str
    function: str = ""
    running_for: float | None = None
    limit: float | None = None

    def __str__(self) -> str:
        return f"{self.id} ({self.function})" if self.function else self.id


@dataclass(frozen=True, slots=True)
class Hand:
    """One worker at one moment.

    `is_silent`: it has given no sign for longer than it may. `is_connected` is what the broker knows of its
    connection, None where that cannot be known.
    """

    name: str
    silence: float  # seconds since its latest sign
    is_silent: bool = False
    is_connected: bool | None = None
    tasks: tuple[Task, ...] = ()
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of a queue, and what waits for them. Times in seconds.

    `progress` is any value that changes whenever a job is begun or ended. `taken` is a job that a worker took
    and never began, and `taken_for` since when; `lost` are such jobs whose worker is gone.
    `vanished` workers ended without a goodbye.
    """

    queue: str
    hands: tuple[Hand, ...]
    waiting: int = 0
    oldest_age: float | None = None
    progress: Any = None
    taken: Task | None = None
    taken_for: float = 0.0
    lost: int = 0
    vanished: int = 0
    abandoned: int = 0
    is_suspended: bool = False
    details: Mapping[str, Any] = field(default_factory=lambda: NO_DETAILS)


def jobs(count: int) -> str:
    """Return a count as a person says it: `1 job waits`, `4,300 jobs wait`."""
    return f"{count:,} {'job waits' if count == 1 else 'jobs wait'}"
