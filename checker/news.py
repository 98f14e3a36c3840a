"""Keeps the registry in step with what other nodes made, changed and removed: within a second, or when asked.

A ping may arrive at a node that does not know its heartbeat yet, because another node made it a moment ago.
Such a ping asks, and that is bounded whatever floods come: one small query for all who ask, ten a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from sqlalchemy import Connection

from checker.registry import Registry
from checker.store import Store, StoreUnavailable, monitors, news
from checker.store.monitors import Monitor

_log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks
APART = 0.1  # seconds between two looks that were asked for, at least
MOST = 1_000  # who may wait for a look; nobody is told to wait beyond that
UNSURE = 30.0  # seconds in which a transaction may still bring a number behind the latest
ASLEEP = news.KEPT / 2  # seconds without a look after which everything is read anew


class News:
    """The loop that listens. `changed` is called when all monitors were read anew."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        changed: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._registry = registry
        self._changed = changed
        self._monotonic = monotonic
        self._known: set[int] = set()
        self._latest: deque[tuple[float, int]] = deque()  # when which number was the latest
        self._heard = monotonic()  # when we last listened
        self._lock = asyncio.Lock()
        self._asked: asyncio.Future[None] | None = None
        self._answering: asyncio.Task[None] | None = None
        self._waiting = 0

    async def start(self) -> None:
        """Read all monitors, and remember which news are in that."""
        latest = await self._store.read(news.latest)
        after = max(0, latest - news.LATE)
        self._known = {each for each, _ in await self._store.read(lambda conn: news.since(conn, after))}
        self._latest = deque([(self._monotonic() - UNSURE, after)])
        self._heard = self._monotonic()
        await self._registry.reload()

    async def run(self) -> None:
        """Listen every second, for ever."""
        while True:
            try:
                await self.listen()
            except StoreUnavailable as error:
                _log.info("news of other nodes wait: %s", error)
            await asyncio.sleep(EVERY)

    async def listen(self) -> int:
        """Take in what other nodes told since the last time; return of how many monitors."""
        async with self._lock:
            now = self._monotonic()
            after = self._unsure(now)
            found, changed = await self._store.read(lambda conn: self._read(conn, after))
            if now - self._heard > ASLEEP or news.EVERYTHING in changed:
                await self._registry.reload()
                self._changed()
            else:
                for monitor_id, monitor in changed.items():
                    self._take(monitor_id, monitor)
            self._heard = now
            self._known = {each for each in self._known if each > after}
            self._known.update(found)
            if found:
                self._latest.append((now, max(found)))
            return len(changed)

    async def ask(self) -> bool:
        """Return once a look that began after this call has ended; False where too many wait for one.

        Raises `StoreUnavailable`.
        """
        if self._waiting >= MOST:
            return False
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
            if self._answering is None:
                self._answering = asyncio.create_task(self._answer(), name="news")
        self._waiting += 1
        try:
            await asyncio.shield(self._asked)
        finally:
            self._waiting -= 1
        return True

    async def _answer(self) -> None:
        try:
            while (asked := self._asked) is not None:
                self._asked = None
                try:
                    await self.listen()
                except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
                    asked.set_exception(error)
                    asked.exception()  # those who asked may have gone: nothing to complain of then
                else:
                    asked.set_result(None)
                await asyncio.sleep(APART)
        finally:
            self._answering = None

    def _unsure(self, now: float) -> int:
        """Return the number up to which all has been told by now, and is known."""
        while len(self._latest) > 1 and self._latest[1][0] <= now - UNSURE:
            self._latest.popleft()
        return self._latest[0][1] if self._latest else 0

    def _read(self, conn: Connection, after: int) -> tuple[set[int], dict[int, Monitor | None]]:
        told = [(number, each) for number, each in news.since(conn, after) if number not in self._known]
        changed: dict[int, Monitor | None] = {each: None for _, each in told}
        if changed and news.EVERYTHING not in changed:
            changed.update((each.id, each) for each in monitors.load(conn, changed))
        return {number for number, _ in told}, changed

    def _take(self, monitor_id: int, monitor: Monitor | None) -> None:
        if monitor is None:
            self._registry.discard(monitor_id)
        else:
            self._registry.put(monitor)
