"""Keeps the disk bounded: what is old enough goes, in small transactions that nobody has to wait for.

What is kept (see `Keep`): of each heartbeat its last 1,000 pings, those older than 30 days only as far as
they are among its last 100, and so are bodies of more than 1,000 bytes; polls for 3 days; judged changes,
resolved incidents and sent notifications for a year. So a heartbeat holds at most 1,000 rows with 11 MB of
bodies, and an endpoint polled every 30 s about 9,000 small rows.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from checker.components import is_forgotten
from checker.registry import Registry
from checker.store import Store, StoreUnavailable, components, drills, history, nodes

_log = logging.getLogger(__name__)

NAME = "retention"  # of the lease
DAY = 86_400.0
EVERY = 600.0  # seconds between two rounds, and that the lease for them lasts
ROWS = 500  # rows that one transaction deletes at most
BODIES = 100  # long bodies that one transaction empties: 10 MB at most
MONITORS = 100  # heartbeats that one transaction deletes pings of
LOOKED_AT = 2_000  # heartbeats that are asked at once whether they have many pings
AT_ONCE = 100_000  # heartbeats of which one round asks that: a million take a hundred minutes
PAUSE = 0.05  # seconds between two transactions, so that pings come in between


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what is kept, in seconds or pings."""

    pings: int = 1_000  # of one heartbeat, however young
    old_pings: int = 100  # of one heartbeat, however old
    bodies: int = 100  # pings of one heartbeat whose bodies are kept however long: 10 MB at most
    ping_age: float = 30 * DAY
    poll_age: float = 3 * DAY
    change_age: float = 365 * DAY
    incident_age: float = 365 * DAY
    outbox_age: float = 365 * DAY


class Retention:
    """The loop that forgets."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Callable[[], float],
        *,
        node: str = "",
        keep: Keep | None = None,
    ) -> None:
        self._node = node
        self._store = store
        self._registry = registry
        self._clock = clock
        self._keep = keep or Keep()
        self._next = 0  # the first heartbeat that the next round asks about

    async def run(self) -> None:
        """Forget what is old, every ten minutes, for ever; of several nodes one does."""
        while True:
            try:
                if await self.is_ours(self._clock()):
                    await self.once(self._clock(), pause=PAUSE)
            except StoreUnavailable as error:
                _log.warning("old rows stay for now: %s", error)
            await asyncio.sleep(EVERY)

    async def is_ours(self, now: float) -> bool:
        """Tell whether the round is this node's. Two at once would do no harm, so nothing is fenced."""
        held = await self._store.write(lambda conn: nodes.acquire(conn, NAME, self._node, now, EVERY))
        return held is not None

    async def once(self, now: float, *, pause: float = 0.0) -> int:
        """Let go of all that is too old; return how many rows were deleted or emptied."""
        keep = self._keep
        await self._store.write(drills.settle)  # what a ping proved is kept when the ping is not
        await self._components(now)
        count = await self._pings(now, pause)
        for what in (
            lambda conn: history.prune_polls(conn, now - keep.poll_age, ROWS),
            lambda conn: history.prune_outbox(conn, now - keep.outbox_age, ROWS),
            lambda conn: history.prune_incidents(conn, now - keep.incident_age, ROWS),
            lambda conn: history.prune_changes(conn, now - keep.change_age, ROWS),
        ):
            count += await self._repeat(what, pause)
        return count

    async def _components(self, now: float) -> None:
        """Let go of components that are gone for as long as their endpoints want it shown, or are ignored."""
        gone = [
            monitor_id
            for monitor_id, parent, _, state in await self._store.read(components.warning)
            if (endpoint := self._registry.by_id(parent)) and is_forgotten(endpoint, state, now)
        ]
        for endpoint_id, spec in self._registry.endpoints():
            if any(rule.ignore for rule in spec.probe.components):
                found = self._registry.components(endpoint_id)
                gone += [monitor_id for name, monitor_id in found.items() if spec.probe.ignored(name)]
        if gone:
            for monitor_id in await self._store.write(lambda conn: components.forget(conn, gone, now)):
                self._registry.discard(monitor_id)

    async def _repeat(self, what: Callable[[Connection], int], pause: float) -> int:
        count = 0
        while deleted := await self._store.write(what):
            count += deleted
            await asyncio.sleep(pause)
        return count

    async def _pings(self, now: float, pause: float) -> int:
        keep, count = self._keep, 0
        ids = await self._with_many_pings()
        for index in range(0, len(ids), MONITORS):
            part = ids[index : index + MONITORS]
            prune = functools.partial(
                history.prune_pings,
                monitor_ids=part,
                most=keep.pings,
                old_most=keep.old_pings,
                before=now - keep.ping_age,
                limit=ROWS,
            )
            empty = functools.partial(history.prune_bodies, monitor_ids=part, most=keep.bodies, limit=BODIES)
            count += await self._repeat(prune, pause) + await self._repeat(empty, pause)
        return count

    async def _with_many_pings(self) -> list[int]:
        """Return heartbeats that may have pings to forget; of very many, the next part with each round."""
        ids = self._registry.heartbeat_ids()
        first = self._next if self._next < len(ids) else 0
        self._next = first + AT_ONCE
        ids = ids[first : self._next]
        found: list[int] = []
        for index in range(0, len(ids), LOOKED_AT):
            many = functools.partial(
                history.with_many_pings,
                monitor_ids=ids[index : index + LOOKED_AT],
                most=min(self._keep.old_pings, self._keep.pings, self._keep.bodies),
            )
            found += await self._store.read(many)
        return found
