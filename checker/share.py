"""Shares endpoints and deadlines out among the nodes on one database: by lease, without a coordinator.

Each node holds one lease, for itself, by the database's clock, and reads who else holds one. Who looks after
an endpoint follows from that by rendezvous hashing: every node comes to the same answer by itself, one that
goes or comes moves only its own part, and nothing is written an endpoint. A node whose lease ran out looks at
nothing, and what it saw under the old lease is void: here by its own clock, in the database by the epoch.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from sqlalchemy import Connection

from checker.clock import SharedClock
from checker.store import Store, StoreUnavailable, nodes, outbox
from checker.store.nodes import Lease

_log = logging.getLogger(__name__)

TTL = 8.0  # seconds a node's lease holds; its endpoints are others' after that
BEAT = 1.5  # seconds between two times that a node prolongs its lease, and sees who else is there
WITHIN = 3.0  # seconds that one beat may take


class Shared(Protocol):
    """What those who watch need to know: what is theirs, and whether it was theirs all the time."""

    def owns(self, monitor_id: int) -> bool:
        """Tell whether this node is to look at an endpoint."""

    def judges(self, monitor_id: int) -> bool:
        """Tell whether this node is to judge a deadline first; others do when it does not."""

    def pledge(self) -> int | None:
        """Return what `keeps` is asked with after a look; None where nothing is to be looked at."""

    def keeps(self, pledge: int) -> bool:
        """Tell whether all that is this node's was its own ever since that pledge."""


class Alone:
    """The only node there is: on SQLite."""

    def owns(self, monitor_id: int) -> bool:  # noqa: ARG002 - as others have it
        """Everything is ours."""
        return True

    def judges(self, monitor_id: int) -> bool:  # noqa: ARG002 - as others have it
        """Everything is ours."""
        return True

    def pledge(self) -> int | None:
        """Nobody can take it."""
        return 0

    def keeps(self, pledge: int) -> bool:  # noqa: ARG002 - as others have it
        """Nobody can take it."""
        return True


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one beat found: our lease (None: given up), everybody whose lease holds, and the time there."""

    held: Lease | None
    members: tuple[str, ...]
    clock: float


class Shares:
    """Who owns what among the members: rendezvous hashing, remembered until somebody goes or comes."""

    def __init__(self) -> None:
        self.members: tuple[str, ...] = ()
        self._known: dict[int, tuple[bytes, str]] = {}

    def set(self, members: tuple[str, ...]) -> None:
        """Take in who is there; only what is concerned is weighed anew."""
        gone, new = set(self.members) - set(members), set(members) - set(self.members)
        self.members = members
        for key, known in list(self._known.items()):
            if known[1] in gone:
                del self._known[key]
            elif new:
                self._known[key] = max(known, *(_weight(key, each) for each in new))

    def owner(self, monitor_id: int) -> str:
        """Return whose an endpoint is; "" where nobody is there."""
        known = self._known.get(monitor_id)
        if known is None and self.members:
            known = max(_weight(monitor_id, each) for each in self.members)
            self._known[monitor_id] = known
        return known[1] if known else ""


class Share:
    """This node's part. `changed` is called when it became another one; `clock` is set with each beat."""

    def __init__(
        self,
        store: Store,
        node: str,
        *,
        changed: Callable[[], None] = lambda: None,
        sees: Callable[[], bool] = lambda: True,
        ttl: float = TTL,
        beat: float = BEAT,
        clock: SharedClock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.node = node
        self._store = store
        self._changed = changed
        self._sees = sees
        self._ttl = ttl
        self._every = beat
        self._clock = clock or SharedClock()
        self._monotonic = monotonic
        self._shares = Shares()
        self._sign = secrets.token_urlsafe(3)  # tells this process from another one under the same name
        self._held: Lease | None = None
        self._until = 0.0  # of the monotonic clock: until when the lease surely holds
        self._was_held = False

    @property
    def members(self) -> tuple[str, ...]:
        """All whose leases held when this node last looked."""
        return self._shares.members

    def holds(self) -> bool:
        """Tell whether what is ours is ours now; one that knew of nobody else keeps what it had."""
        return self._held is not None and (
            self._monotonic() < self._until or self._shares.members == (self.node,)
        )

    def owns(self, monitor_id: int) -> bool:
        """Tell whether this node is to look at an endpoint."""
        return self.holds() and self._shares.owner(monitor_id) == self.node

    def judges(self, monitor_id: int) -> bool:
        """Tell whether this node is to judge a deadline first; one that stands alone judges all."""
        members = self._shares.members
        if self.node not in members:
            return not members
        return monitor_id % len(members) == members.index(self.node)

    def pledge(self) -> int | None:
        """Return the epoch; None while the lease does not hold."""
        return self._held.epoch if self._held is not None and self.holds() else None

    def keeps(self, pledge: int) -> bool:
        """Tell whether the lease held ever since that epoch."""
        return self.pledge() == pledge

    def fence(self, conn: Connection) -> bool:
        """Tell, in the transaction that writes what was looked at, whether the lease holds there too."""
        held = self._held
        return held is not None and nodes.is_held(conn, held)

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            try:
                async with asyncio.timeout(WITHIN):
                    await self.beat()
            except (StoreUnavailable, TimeoutError) as error:
                _log.info("the lease was not prolonged: %s", error or "the database took too long")
                self._tell()
            await asyncio.sleep(self._every)

    async def beat(self) -> None:
        """Prolong the lease, and see who else is there."""
        began, answered = self._monotonic(), self._clock.ask()
        seen = await self._store.write(self._renew)
        answered(seen.clock)
        before = self._shares.members
        if seen.held is not None and self._held is not None and seen.held.epoch != self._held.epoch:
            _log.warning("the lease had run out; taken anew: what was looked at meanwhile is void")
        self._held = seen.held
        if seen.held is not None:
            self.node = nodes.node_of(seen.held)
            self._until = began + self._ttl
        if seen.members != before:
            self._shares.set(seen.members)
            _log.info("nodes that share the work: %s", ", ".join(seen.members) or "none")
            self._changed()
        self._tell()

    async def stop(self) -> None:
        """Let go at once, so that others take over."""
        held, self._held = self._held, None
        if held is not None:
            await self._store.write(lambda conn: nodes.leave(conn, held))

    def _renew(self, conn: Connection) -> _Seen:
        held = self._held
        if not self._sees() and (others := self._others(conn)):
            if held is not None:
                nodes.leave(conn, held)  # they can look; we cannot
            return _Seen(None, others, nodes.clock(conn))
        if held is None or not nodes.prolong(conn, held, self._ttl):
            after = held.epoch if held is not None else 0
            held = nodes.join(conn, self._name(conn, held), self._sign, self._ttl, after=after)
        members = nodes.members(conn)
        for gone in set(self._shares.members) - set(members):
            outbox.reclaim(conn, gone)  # what it was about to send is sent by somebody else
        return _Seen(held, members, nodes.clock(conn))

    def _others(self, conn: Connection) -> tuple[str, ...]:
        return tuple(each for each in nodes.members(conn) if each != self.node)

    def _name(self, conn: Connection, held: Lease | None) -> str:
        """Return our name; another one where a second node has the same host name and port."""
        if held is None or not nodes.is_taken(conn, held):
            return self.node
        name = f"{self.node[:45]}~{self._sign}"
        _log.error("another node is called %r, too: give each its own host name; this is %r", self.node, name)
        return name

    def _tell(self) -> None:
        """Say that the part is another one when the lease was lost, or is there again."""
        if self.holds() is not self._was_held:
            self._was_held = not self._was_held
            self._changed()


def _weight(monitor_id: int, member: str) -> tuple[bytes, str]:
    return blake2b(f"{monitor_id} {member}".encode(), digest_size=8).digest(), member
