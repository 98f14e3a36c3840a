"""Watches the deadlines: asks about each monitor the moment its deadline passes, and knows when it was blind.

Time in which the checker could not see (it was down, the machine slept, the clock jumped, the database was
away) is written down before any deadline is judged, so that nobody is blamed for it: every heartbeat moves by
it before anything else happens to it, see `checker.state.caught_up`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from checker.model import Deadline, Observation
from checker.record import Overloaded, Recorder, UnknownMonitorError
from checker.registry import Registry
from checker.share import Alone, Shared
from checker.store import Store, StoreUnavailable, blind, door, nodes

_log = logging.getLogger(__name__)

BATCH = 1_000  # deadlines in one transaction
LOOK = 1.0  # seconds between two looks, at most
BEAT = 5.0  # seconds between two signs of our own life in the store
BLIND_AFTER = 2 * BEAT  # seconds without a look, or a sign of life, that make a blind time
ACCOUNT_WITHIN = 30.0  # seconds that a node has for writing down a blind time
PATIENCE = 2.0  # seconds after which any node judges a deadline that the one it is meant for has not judged
HICCUP = 2.0  # seconds without a look after which waiting pings get a moment to come in first


class Watcher:
    """The loop of deadlines. Call `start` before pings are taken, then `run`.

    `blind_after`: seconds without a look, or a sign of life, that make a blind time. Infinity, for clocks
    turned by hand, means that every look sees all of the time since the last.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        recorder: Recorder,
        *,
        node: str,
        clock: Callable[[], float],
        blind_after: float = BLIND_AFTER,
        blind_since: Callable[[], float | None] = lambda: None,
        share: Shared | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._recorder = recorder
        self._node = node
        self._share = share or Alone()  # which deadlines are this node's to judge first
        self._clock = clock
        self._blind_after = blind_after
        self._blind_since = blind_since  # since when our own network is away; None while it is there
        self._hiccup = min(HICCUP, blind_after) if math.isfinite(blind_after) else math.inf
        self.turned_at: float | None = None  # when the loop last got through
        self._sighted: float | None = None  # until when we saw, for sure
        self._waited = False  # whether the last turn left time for pings that were waiting
        self._beaten: float | None = None  # when the store last got a sign of life from us

    async def start(self, now: float) -> None:
        """Find out since when nobody has watched; what was missed is told with the first look."""
        last = await self._store.read(nodes.last_seen)
        sighted = self._sighted = now if last is None else min(last, now)
        await self._store.write(lambda conn: nodes.started(conn, self._node, now, sighted))

    async def run(self) -> None:
        """Watch for ever: sleep until the next deadline, a second at most."""
        while True:
            try:
                await self.once(self._clock())
                self.turned_at = self._clock()
                await self._sleep()
            except (StoreUnavailable, Overloaded) as error:
                _log.warning("deadlines wait: %s", error)
                await asyncio.sleep(LOOK)

    async def once(self, now: float) -> int:
        """Judge every deadline that has passed; return how many. Blind time, if any, comes first."""
        if self._sighted is None:
            await self.start(now)
        lost = self._blind_since()
        if lost is not None:
            self._sighted = lost if self._sighted is None else min(self._sighted, lost)
            return 0
        start = now if self._sighted is None else self._sighted
        gap = now - start
        if gap > self._blind_after:
            if not await self._account_for(start, now):
                return 0
        elif gap > self._hiccup and not self._waited:
            self._waited = True  # but not twice: where every turn is this slow, deadlines must be judged too
            await self._beat(now)
            self._sighted = now
            return 0
        elif gap < 0:
            _log.warning("the clock went back by %.1f s; deadlines are late by as much", -gap)
        self._waited = False
        try:
            count, seen = await self._judge(now)
        finally:
            if self._recorder.flooded:
                self._recorder.flooded = False
                self._recorder.changed.set()
        await self._beat(seen)
        self._sighted = seen
        return count

    async def stop(self, now: float) -> None:
        """Write down that we stop in order, and how long we saw."""
        await self._store.write(lambda conn: nodes.stopped(conn, self._node, now))

    async def _judge(self, now: float) -> tuple[int, float]:
        """Return how many deadlines were judged, and until when we saw."""
        count, seen = 0, now
        last = (-math.inf, 0)
        while True:
            due = await self._store.read(functools.partial(door.due, now=now, after=last, limit=BATCH))
            if not due:
                return count, seen
            live = [
                each
                for each, at in due
                if self._registry.by_id(each) is not None and self._judges(each, at, now)
            ]
            self._recorder.flooded = len(due) == BATCH
            count += await self._record([(each, Deadline(now)) for each in live])
            # Onward only: a monitor that stays due is asked again with the next look, and holds up nobody.
            last = (due[-1][1], due[-1][0])
            if len(due) < BATCH:
                return count, seen
            seen = await self._go_on(seen)

    def _judges(self, monitor_id: int, deadline: float, now: float) -> bool:
        return deadline < now - PATIENCE or self._share.judges(monitor_id)

    async def _go_on(self, seen: float) -> float:
        """Return until when we see: to judge very many deadlines takes a while, and is no blind time."""
        now = self._clock()
        if not 0 <= now - seen <= self._blind_after:
            return seen  # we were stopped meanwhile
        await self._beat(now)
        self._sighted = now
        return now

    async def _account_for(self, start: float, now: float) -> bool:
        """Let deadlines move by the time in which no node saw, once; False while another node does so.

        They move when somebody looks at them next, so that it makes no difference how many there are.
        """

        def account(conn: Connection) -> float | None:
            sights = nodes.others_sight(conn, self._node, now, ACCOUNT_WITHIN)
            if sights is None:
                return None
            began = start if sights.last is None else max(start, sights.last)
            if now - began > self._blind_after:
                blind.put(conn, self._node, began, now)
                blind.move(conn, began, now)
            nodes.seen(conn, self._node, now)
            nodes.release(conn, nodes.SIGHT, self._node)
            return now - began

        length = await self._store.write(account)
        if length is None:
            return False
        self._sighted = self._beaten = now
        if length > self._blind_after:
            _log.warning("could not see for %.1f s; deadlines move by as much", length)
        return True

    async def _record(self, observations: Sequence[tuple[int, Observation]]) -> int:
        try:
            return len(await self._recorder.record(observations)) if observations else 0
        except UnknownMonitorError:  # one was removed this very moment
            live = [each for each in observations if self._registry.by_id(each[0]) is not None]
            return len(await self._recorder.record(live)) if live else 0

    async def _beat(self, now: float) -> None:
        if self._beaten is None or not 0 <= now - self._beaten < BEAT:
            await self._store.write(lambda conn: nodes.seen(conn, self._node, now))
            self._beaten = now

    async def _sleep(self) -> None:
        """Sleep until the next deadline, or until a commit brings an earlier one."""
        self._recorder.sooner.clear()
        self._recorder.awaited = math.inf  # whatever is committed while we look wakes us
        upcoming = await self._store.read(door.next_deadline)
        now = self._clock()
        until = now + LOOK if upcoming is None else min(now + LOOK, upcoming)
        self._recorder.awaited = until
        pause = max(until - now, 0.05 if upcoming is not None and upcoming <= now else 0.0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._recorder.sooner.wait(), pause)
