"""What each connection is at, and since when: queues in the order of time, so that nothing is searched."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol


class Connection(Protocol):
    """What is queued."""

    def late(self) -> None:
        """End: the phase has lasted too long."""


Queue = OrderedDict[Connection, float]  # whose first is found at once, however many have left before it


class Phases:
    """The connections of a server by their phase, each with the moment it is late, the first of them first.

    A phase is as long for everybody, so who entered it first is late first: one timer, which looks at the
    heads of the queues, serves all connections, and a request costs none.
    """

    def __init__(self) -> None:
        self.headers: Queue = OrderedDict()
        self.request: Queue = OrderedDict()
        self.drain: Queue = OrderedDict()
        self.idle: Queue = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._fires = math.inf  # when the timer does, by the loop's clock

    def enter(self, queue: Queue, one: Connection, due: float) -> None:
        """Let one be late in this phase at `due` (by the loop's clock), unless it leaves before."""
        queue[one] = due
        if due < self._fires:
            self._set_timer(due)

    def waiting(self) -> Iterator[Connection]:
        """Yield those that are not being answered, of each phase the longest first."""
        for queue in (self.idle, self.drain, self.headers):
            yield from queue

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = due
        self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer, self._fires = None, math.inf
        for queue in (self.headers, self.request, self.drain, self.idle):
            while queue and queue[first := next(iter(queue))] <= now:
                del queue[first]
                first.late()
            if queue:
                self._fires = min(self._fires, queue[next(iter(queue))])
        if self._fires < math.inf:
            self._set_timer(self._fires)
