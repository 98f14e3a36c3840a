"""The one door: every observation enters the checker here, and is answered only after its commit.

Group commit: while one transaction runs on the store's writer thread, further callers gather, and the next
takes all of them. Nobody is made to wait for company: when it is quiet, a transaction begins at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from checker.fold import UNCOUNTED, Brought, Counted, Fold, Outcome, Recorded, UnknownMonitorError
from checker.model import Observation
from checker.registry import Registry
from checker.store import Store, StoreUnavailable, blind
from checker.store.bulk import Row
from checker.store.nodes import Fenced
from healthkit.errors import HealthkitError

__all__ = [
    "UNCOUNTED",
    "Counted",
    "Overloaded",
    "Recorded",
    "Recorder",
    "StoreUnavailable",
    "UnknownMonitorError",
]

_log = logging.getLogger(__name__)

LIMIT = 20_000  # observations that may wait; at 5,000 a second the last of them waits four seconds
BATCH = 1_000  # observations in one transaction, unless one caller alone brings more


class Overloaded(HealthkitError):
    """More observations wait than can be taken; come again after `retry_after` seconds."""

    retry_after = 5.0


@dataclass(slots=True)
class _Request(Brought):
    answer: asyncio.Future[list[Recorded]]


class Recorder:
    """Takes observations, and answers when they, and what follows from them, are durable.

    `changed` is set after a commit that wrote changes; `sooner` after one that brought a deadline earlier
    than `awaited` (epoch seconds), which the watcher sets to when it will look again by itself; `commanded`
    after one in which an operator paused or resumed something. The watcher sets `flooded` while very many
    deadlines pass: they are recorded before they are judged, as both take the store's one writer.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Callable[[], float],
        *,
        limit: int = LIMIT,
        may_poll: Callable[[Connection], bool] | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._limit = limit
        self._may_poll = may_poll  # asked in a transaction that writes polls: whether they are this node's
        self._blind = blind.Times()  # of the writer thread alone
        self._waiting: deque[_Request] = deque()
        self._count = 0
        self._committer: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self.sooner = asyncio.Event()
        self.commanded = asyncio.Event()
        self.awaited = math.inf
        self.flooded = False

    async def record(
        self,
        observations: Sequence[tuple[int, Observation]],
        *,
        history: Sequence[Row] = (),
        counted: Counted = UNCOUNTED,
    ) -> list[Recorded]:
        """Return what each observation did, in order, after the commit.

        `history` are rows of polls that say nothing new, and are only written down. `counted` tells of
        monitors (where one stood, where it stands by looks that only counted): it holds where the stored
        state is still the first of the two.

        Observations of one caller are committed together or not at all. Raises `Overloaded` when too many
        wait, `StoreUnavailable` when the database cannot take it, `UnknownMonitorError` for an id not live,
        and `Fenced` for polls of endpoints that are another node's now.
        A cancelled caller's observations may be recorded all the same.
        """
        if not observations and not history:
            return []
        answer: asyncio.Future[list[Recorded]] = asyncio.get_running_loop().create_future()
        request = _Request(observations, history, counted, answer)
        self._refuse(request)
        self._waiting.append(request)
        self._count += len(request)
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit(), name="recorder")
        return await answer

    async def drain(self) -> None:
        """Wait until everybody who waits has been answered."""
        while self._committer is not None:
            await asyncio.wait({self._committer})

    @property
    def waiting(self) -> int:
        """How many observations wait for a transaction."""
        return self._count

    def _refuse(self, request: _Request) -> None:
        # One caller alone may bring more than the limit when nobody waits: it could never come otherwise.
        if self._count and self._count + len(request) > self._limit:
            raise Overloaded(
                f"{self._count} observations wait to be recorded already; try again in a few seconds"
            )
        for monitor_id, _ in request.observations:
            if self._registry.by_id(monitor_id) is None:
                raise UnknownMonitorError(
                    f"monitor {monitor_id}: no such monitor is live; it was removed meanwhile"
                )

    async def _commit(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # whoever became ready in this turn of the loop comes along
                await self._commit_batch(self._take())
        finally:
            self._committer = None

    def _take(self) -> list[_Request]:
        batch: list[_Request] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0]) <= BATCH):
            request = self._waiting.popleft()
            size += len(request)
            if not request.answer.done():  # else its caller has gone
                batch.append(request)
        self._count -= size
        return batch

    async def _commit_batch(self, batch: list[_Request]) -> None:
        if not batch:
            return
        now = self._clock()
        try:
            outcomes = await self._store.write(lambda conn: self._fold(conn, batch, now))
        except StoreUnavailable as error:
            _refuse_all(batch, error)
        except Fenced as error:
            _refuse_all([each for each in batch if each.has_polls], error)
            await self._commit_batch([each for each in batch if not each.has_polls])
        except Exception as error:  # noqa: BLE001 - one poisoned observation: it must not fail the others
            await self._commit_singly(batch, error)
        else:
            self._answer(batch, outcomes)

    def _fold(self, conn: Connection, batch: Sequence[_Request], now: float) -> Outcome:
        if self._may_poll and any(each.has_polls for each in batch) and not self._may_poll(conn):
            raise Fenced(
                "polls were not recorded: this node's lease ran out, and the endpoints are another's"
            )
        return Fold(conn, self._registry, self._blind, now).run(batch)

    async def _commit_singly(self, batch: list[_Request], error: Exception) -> None:
        if len(batch) == 1:
            _log.error("an observation could not be recorded: %s", type(error).__name__, exc_info=error)
            _refuse_all(batch, error)
            return
        for request in batch:
            await self._commit_batch([request])

    def _answer(self, batch: list[_Request], outcome: Outcome) -> None:
        for monitor in outcome.created:
            self._registry.add(monitor)
        for monitor in outcome.described:
            self._registry.put(monitor)
        for request, result in zip(batch, outcome.results, strict=True):
            if not request.answer.done():
                request.answer.set_result(result)
        if outcome.changed and not self.flooded:
            self.changed.set()
        if outcome.commanded:
            self.commanded.set()
        if outcome.deadline < self.awaited:
            self.sooner.set()


def _refuse_all(batch: list[_Request], error: Exception) -> None:
    for request in batch:
        if not request.answer.done():
            request.answer.set_exception(error)
