"""Turns waiting changes into incidents and notifications owed: in one transaction, by one node at a time.

A change is judged, its incident written and its outbox rows put, or none of it: killed at any point, the
checker finds the change unjudged and begins again. Every few seconds a sweep compares states and incidents as
they are, so that nothing depends on any one change having been seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from checker.assembler.matter import Matter, members
from checker.assembler.telling import Manner, Telling
from checker.incidents import Decision, judge
from checker.maintenance import MaintenanceSpec
from checker.model import Change, Event, Incident, MonitorSpec, Snooze
from checker.registry import Registry
from checker.routes import EscalationSpec, RouteSpec
from checker.rules.blindness import BLIND, sighted
from checker.rules.causes import group_of
from checker.rules.storms import STORM, WITHIN, Storm
from checker.store import Store, StoreUnavailable, door, incidents, monitors, nodes, snoozes

_log = logging.getLogger(__name__)

BATCH = 1_000  # changes judged in one transaction, and open incidents looked at in one sweep
MOST = 4_000  # changes judged in one transaction while very many wait: what they may join is read less often
LEASE = 15.0  # seconds; another node takes over this long after ours was last heard of
LOOK = 1.0  # seconds between two looks for changes that another node wrote
SWEEP = 10.0  # seconds between two sweeps


@dataclass(frozen=True, slots=True)
class Assembled:
    """What one pass did: changes judged, decisions, notifications put.

    `more`: changes still wait. `over`: a fall was over before it was judged, so its incident can end at once.
    """

    changes: int = 0
    decisions: int = 0
    notifications: int = 0
    more: bool = False
    over: bool = False


class Assembler:
    """The judging loop. `changed` wakes it; it sets `put` when notifications wait to be sent.

    `channels` gives the names of all channels, `maintenance` the windows and `manner` the rest, as
    configured now.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        node: str,
        channels: Callable[[], Sequence[str]],
        maintenance: Callable[[], Sequence[MaintenanceSpec]],
        manner: Callable[[], Manner] = Manner,
        blind_since: Callable[[], float | None] = lambda: None,
        routes: Callable[[], Sequence[RouteSpec]] = tuple,
        escalations: Callable[[], Sequence[EscalationSpec]] = tuple,
        changed: asyncio.Event,
        put: asyncio.Event,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._registry = registry
        self._node = node
        self._telling = Telling(registry, channels, manner, routes, escalations)
        self._maintenance = maintenance
        self._manner = manner
        self._blind_since = blind_since
        self._was_blind: float | None = None
        self._opened: deque[float] = deque()  # when the latest incidents were opened
        self._changed = changed
        self._put = put
        self._clock = clock
        self.turned_at: float | None = None  # when the loop last got through
        self._swept: float | None = None
        self._held = False  # somebody waits to see whether a dependency explains it, or a storm
        self._cursor = 0  # the last open incident that a sweep looked at
        self._poisoned: set[int] = set()  # changes that could not be judged; tried again with each sweep

    async def run(self) -> None:
        """Judge whatever comes, for ever."""
        while True:
            self._changed.clear()
            try:
                await self.once(self._clock())
                self.turned_at = self._clock()
            except StoreUnavailable as error:
                _log.warning("changes wait to be judged: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LOOK)

    async def once(self, now: float, *, sweep: bool | None = None) -> Assembled:
        """Judge all waiting changes; `sweep` compares all states too (None: when it is time for it)."""
        if sweep is None:
            sweep = self._held or self._swept is None or not 0 <= now - self._swept < SWEEP
            sweep = sweep or self._was_blind != self._blind_since()
        total = Assembled()
        limit = BATCH
        if sweep or await self._store.read(incidents.any_unjudged):
            while True:
                done = await self._pass(now, sweep, limit)
                total = _sum(total, done)
                if not done.more and not done.over:
                    break
                sweep = done.over
                limit = min(2 * limit, MOST)
        return total

    async def stop(self) -> None:
        """Let go of the lease, so that another node need not wait for it to run out."""
        await self._store.write(lambda conn: nodes.release(conn, "assembler", self._node))

    async def _pass(self, now: float, sweep: bool, limit: int) -> Assembled:
        if sweep:
            self._poisoned.clear()
        done = await self._store.write(lambda conn: self._assemble(conn, now, sweep, limit))
        if sweep:
            self._swept = now
        if done.notifications:
            self._put.set()
        return done

    def _assemble(self, conn: Connection, now: float, sweep: bool, limit: int) -> Assembled:
        lease = nodes.acquire(conn, "assembler", self._node, now, LEASE)
        if lease is None:
            return Assembled()
        changes = incidents.unjudged(conn, limit, self._poisoned)
        matter = self._gather(conn, changes, sweep, now)
        last = self._swept if sweep else None
        decisions, judged = self._judge(matter, now, last)
        if sweep:
            decisions += self._sighted(conn, now)
        # Only a sweep looks at all who are not well, so only a sweep can tell that nobody is held any more.
        self._held = matter.is_held(decisions, now) or (self._held and not sweep)
        put = self._telling.write(conn, decisions, matter, now, last) if decisions else 0
        if sweep:
            snoozes.forget_over(conn, matter.snoozes, now)
        if sweep and self._telling.escalations():
            put += self._telling.escalate(conn, matter, now)
        self._opened.extend(now for each in decisions if each.event is Event.OPENED)
        fresh = {each.id for each in changes}
        judged = [each for each in judged if each in fresh]
        if judged:
            incidents.mark_judged(conn, judged, now)
        if judged or decisions:
            nodes.hold(conn, lease)
        more = len(changes) == limit and bool(judged)
        return Assembled(len(judged), len(decisions), put, more, over=bool(judged) and matter.is_over())

    def _sighted(self, conn: Connection, now: float) -> list[Decision]:
        """Return what becomes of the incident about our own network."""
        since = self._was_blind = self._blind_since()
        found = sighted(next(iter(incidents.open_of(conn, {BLIND})), None), since, now)
        return [Decision(*found, None)] if found else []

    def _gather(self, conn: Connection, changes: Sequence[Change], sweep: bool, now: float) -> Matter:
        """Return the changed monitors, all that may share a cause with them, and the incidents of those."""
        touched = {each.monitor_id for each in changes}
        while self._opened and not 0 <= now - self._opened[0] <= WITHIN:
            self._opened.popleft()
        found: dict[int, Incident] = {}
        silent = snoozes.load(conn)
        if sweep:
            touched |= self._woken(silent, now)
            strays = incidents.strays(conn, BATCH) - touched
            touched |= strays
            changes = [*incidents.last_falls(conn, strays), *changes]  # judged before, and left waiting
            found.update((each.id, each) for each in self._next_open(conn))
            touched |= members(found.values())
        stormy = {STORM} if len(touched) + len(self._opened) > self._storm().calm else set()
        specs: dict[int, MonitorSpec] = {}
        while touched:
            added = self._specs(conn, touched | self._registry.related(touched))
            specs.update(added)
            groups = {group_of(spec) for spec in added.values()} | stormy
            more = incidents.open_of(conn, groups, added, known=found)
            found.update((each.id, each) for each in more)
            touched = members(more) - specs.keys() - touched
        states = door.load_states(conn, specs)
        if not sweep:  # only a sweep tells that a snooze is over, so that it is told once
            silent = {each: one for each, one in silent.items() if one.until > now}
        return Matter(changes, [found[key] for key in sorted(found)], specs, states, silent)

    def _woken(self, silent: Mapping[int, Snooze], now: float) -> set[int]:
        """Return the monitors whose snooze is over, with the components of the endpoints among them."""
        over = [number for number, each in silent.items() if each.until <= now]
        return {each for number in over for each in (number, *self._registry.components(number).values())}

    def _next_open(self, conn: Connection) -> list[Incident]:
        found = incidents.open_after(conn, self._cursor, BATCH)
        self._cursor = found[-1].id if len(found) == BATCH else 0
        return found

    def _specs(self, conn: Connection, monitor_ids: Iterable[int]) -> dict[int, MonitorSpec]:
        """Return the specifications of those that are live, from the store where another node made them."""
        wanted = set(monitor_ids)
        found = {each: spec for each in wanted if (spec := self._registry.by_id(each)) is not None}
        if len(found) < len(wanted):
            found.update((each.id, each.spec) for each in monitors.load(conn, wanted - found.keys()))
        return found

    def _judge(self, matter: Matter, now: float, last: float | None) -> tuple[list[Decision], list[int]]:
        """Return the decisions and the judged changes' ids; what cannot be judged holds up nothing else."""
        try:
            return self._ask(matter, now, last), [each.id for each in matter.changes]
        except Exception:  # noqa: BLE001 - a rule that fails on one monitor must not silence all others
            _log.exception("changes could not be judged together; trying group by group")
        decisions: list[Decision] = []
        judged: list[int] = []
        for part in matter.by_group():
            try:
                decisions += self._ask(part, now, last, stormy=False)
                judged += [each.id for each in part.changes]
            except Exception:  # noqa: BLE001 - as above
                _log.exception("changes %r could not be judged", [each.id for each in part.changes])
                self._poisoned.update(each.id for each in part.changes)
        return decisions, judged

    def _ask(self, matter: Matter, now: float, last: float | None, *, stormy: bool = True) -> list[Decision]:
        return judge(
            matter.open,
            matter.changes,
            matter.specs,
            states=matter.states,
            maintenance=self._maintenance(),
            now=now,
            reminders=self._manner().reminders,
            last_judged=last,  # only a sweep sees every open incident, so only a sweep reminds
            storm=self._storm() if stormy else None,
            snoozes=matter.snoozes,
        )

    def _storm(self) -> Storm:
        return Storm(self._manner().storm, len(self._opened))


def _sum(one: Assembled, two: Assembled) -> Assembled:
    return Assembled(
        one.changes + two.changes,
        one.decisions + two.decisions,
        one.notifications + two.notifications,
        two.more,
        two.over,
    )
