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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from checker.incidents import NO_REMINDERS, Decision, judge
from checker.maintenance import MaintenanceSpec
from checker.model import Change, Event, Incident, MonitorSpec, MonitorState, Notification, Snooze
from checker.registry import Registry
from checker.routes import EscalationSpec, RouteSpec, addressees, escalated
from checker.rules.blindness import BLIND, sighted
from checker.rules.causes import Causes, group_of
from checker.rules.reminders import Reminders
from checker.rules.snoozing import Snoozed, about
from checker.rules.storms import CALM, LEAST, STORM, WITHIN, Storm
from checker.rules.transition import BAD
from checker.store import Store, StoreUnavailable, door, incidents, monitors, nodes, outbox, snoozes

_log = logging.getLogger(__name__)

BATCH = 1_000  # changes judged in one transaction, and open incidents looked at in one sweep
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


@dataclass(frozen=True, slots=True)
class _Matter:
    """All that one judgement looks at."""

    changes: Sequence[Change]
    open: Sequence[Incident]
    specs: dict[int, MonitorSpec]
    states: dict[int, MonitorState]
    snoozes: Mapping[int, Snooze]


@dataclass(frozen=True, slots=True)
class Manner:
    """How incidents are judged and told, as it is configured now."""

    public_url: str = ""
    storm: int = LEAST
    reminders: Reminders = NO_REMINDERS


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
        self._channels = channels
        self._maintenance = maintenance
        self._manner = manner
        self._blind_since = blind_since
        self._routes = routes
        self._escalations = escalations
        self._was_blind: float | None = None
        self._opened: deque[float] = deque()  # when the latest incidents were opened
        self._changed = changed
        self._put = put
        self._clock = clock
        self.turned_at: float | None = None  # when the loop last got through
        self._swept: float | None = None
        self._held = False  # somebody waits to see whether a dependency explains it
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
        if sweep or await self._store.read(incidents.any_unjudged):
            while True:
                done = await self._pass(now, sweep)
                total = _sum(total, done)
                if not done.more and not done.over:
                    break
                sweep = done.over
        return total

    async def stop(self) -> None:
        """Let go of the lease, so that another node need not wait for it to run out."""
        await self._store.write(lambda conn: nodes.release(conn, "assembler", self._node))

    async def _pass(self, now: float, sweep: bool) -> Assembled:
        if sweep:
            self._poisoned.clear()
        done = await self._store.write(lambda conn: self._assemble(conn, now, sweep))
        if sweep:
            self._swept = now
        if done.notifications:
            self._put.set()
        return done

    def _assemble(self, conn: Connection, now: float, sweep: bool) -> Assembled:
        lease = nodes.acquire(conn, "assembler", self._node, now, LEASE)
        if lease is None:
            return Assembled()
        changes = incidents.unjudged(conn, BATCH, self._poisoned)
        matter = self._gather(conn, changes, sweep, now)
        last = self._swept if sweep else None
        decisions, judged = self._judge(matter, now, last)
        if sweep:
            decisions += self._sighted(conn, now)
        self._held = _is_held(matter, decisions)
        put = self._write(conn, decisions, now, last) if decisions else 0
        if sweep:
            snoozes.forget_over(conn, matter.snoozes, now)
        if sweep and self._escalations():
            put += self._escalate(conn, matter, now)
        self._opened.extend(now for each in decisions if each.event is Event.OPENED)
        judged = [each for each in judged if each in {change.id for change in changes}]
        if judged:
            incidents.mark_judged(conn, judged, now)
        if judged or decisions:
            nodes.hold(conn, lease)
        more = len(changes) == BATCH and bool(judged)
        return Assembled(len(judged), len(decisions), put, more, over=bool(judged) and _is_over(matter))

    def _sighted(self, conn: Connection, now: float) -> list[Decision]:
        """Return what becomes of the incident about our own network."""
        since = self._was_blind = self._blind_since()
        found = sighted(next(iter(incidents.open_of(conn, {BLIND})), None), since, now)
        return [Decision(*found, None)] if found else []

    def _gather(self, conn: Connection, changes: Sequence[Change], sweep: bool, now: float) -> _Matter:
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
            touched |= _members(found.values())
        stormy = {STORM} if len(touched) + len(self._opened) > CALM else set()
        specs: dict[int, MonitorSpec] = {}
        while touched:
            added = self._specs(conn, touched | self._registry.related(touched))
            specs.update(added)
            groups = {group_of(spec) for spec in added.values()} | stormy
            more = incidents.open_of(conn, groups, added)
            found.update((each.id, each) for each in more)
            touched = _members(more) - specs.keys() - touched
        states = door.load_states(conn, specs)
        if not sweep:  # only a sweep tells that a snooze is over, so that it is told once
            silent = {each: one for each, one in silent.items() if one.until > now}
        return _Matter(changes, [found[key] for key in sorted(found)], specs, states, silent)

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

    def _judge(self, matter: _Matter, now: float, last: float | None) -> tuple[list[Decision], list[int]]:
        """Return the decisions and the judged changes' ids; what cannot be judged holds up nothing else."""
        try:
            return self._ask(matter, now, last), [each.id for each in matter.changes]
        except Exception:  # noqa: BLE001 - a rule that fails on one monitor must not silence all others
            _log.exception("changes could not be judged together; trying group by group")
        decisions: list[Decision] = []
        judged: list[int] = []
        for part in _by_group(matter):
            try:
                decisions += self._ask(part, now, last, stormy=False)
                judged += [each.id for each in part.changes]
            except Exception:  # noqa: BLE001 - as above
                _log.exception("changes %r could not be judged", [each.id for each in part.changes])
                self._poisoned.update(each.id for each in part.changes)
        return decisions, judged

    def _ask(self, matter: _Matter, now: float, last: float | None, *, stormy: bool = True) -> list[Decision]:
        return judge(
            matter.open,
            matter.changes,
            matter.specs,
            states=matter.states,
            maintenance=self._maintenance(),
            now=now,
            reminders=self._manner().reminders,
            last_judged=last,  # only a sweep sees every open incident, so only a sweep reminds
            storm=Storm(self._manner().storm, len(self._opened)) if stormy else None,
            snoozes=matter.snoozes,
        )

    def _write(self, conn: Connection, decisions: Sequence[Decision], now: float, last: float | None) -> int:
        """Write decisions; return how many notifications that put."""
        saved = incidents.save_all(conn, [each.incident for each in decisions], now)
        heard = outbox.heard(
            conn, [each.incident.id for each in decisions if each.event and each.incident.id]
        )
        return outbox.put_all(
            conn,
            [
                (
                    self._notification(each, incident_id, now),
                    self._reminded(each, self._addressees(each, heard.get(incident_id, ())), now, last),
                )
                for each, incident_id in zip(decisions, saved, strict=True)
                if each.event is not None
            ],
            now,
        )

    def _notification(self, decision: Decision, incident_id: int, now: float) -> Notification:
        base = self._manner().public_url.rstrip("/")
        url = f"{base}/incidents/{incident_id}" if base else ""
        event = decision.event or Event.UPDATED
        return Notification(event, replace(decision.incident, id=incident_id), now, url)

    def _escalate(self, conn: Connection, matter: _Matter, now: float) -> int:
        """Tell incidents that nobody acknowledged to more channels, each of them once."""
        due: dict[int, tuple[Incident, tuple[str, ...]]] = {}
        quiet = Snoozed(matter.snoozes, matter.specs, Causes(matter.specs, {}), now)
        for each in matter.open:
            names = escalated(self._escalations(), each, self._members_of(each), now)
            if names and not quiet.hides(each):
                due[each.id] = each, names
        heard = outbox.heard(conn, due)
        still = {each.id for each in incidents.open_of(conn, {each.group for each, _ in due.values()})}
        known, rows = self._channels(), []
        for number, (found, names) in due.items():
            new = [each for each in names if each in known and each not in heard.get(number, ())]
            if new and number in still:
                decision = Decision(found, Event.OPENED, names)
                rows.append((self._notification(decision, number, now), new))
        return outbox.put_all(conn, rows, now)

    def _members_of(self, found: Incident) -> list[MonitorSpec]:
        explained = set(found.suppressed)
        specs = [
            self._registry.by_id(each.monitor_id) for each in found.members if each.name not in explained
        ]
        return [each for each in specs if each is not None]

    def _reminded(
        self, decision: Decision, names: list[str], now: float, last: float | None
    ) -> Collection[str]:
        """Return who is owed a reminder by now; of everything else, all are told."""
        if decision.event is not Event.REMINDER or decision.woken or last is None:
            return names
        found = decision.incident
        specs = [spec for each in about(found) if (spec := self._registry.by_id(each.monitor_id)) is not None]
        return self._manner().reminders.due(names, specs, found.since, last, now)

    def _addressees(self, decision: Decision, heard: Collection[str] = ()) -> list[str]:
        """Return who is told: by the monitors' own channels, or the routes; and who heard of it before."""
        known = self._channels()
        wanted = decision.channels
        if wanted is None:
            wanted = addressees(self._routes(), decision.incident, self._members_of(decision.incident))
        names = [each for each in known if wanted is None or each in wanted or each in heard]
        if not names:
            _log.warning("nobody is told of %r: it has no channel", decision.incident.title)
        return names


def _is_over(matter: _Matter) -> bool:
    return any(
        each.new in BAD and matter.states[each.monitor_id].state not in BAD
        for each in matter.changes
        if each.monitor_id in matter.states
    )


def _is_held(matter: _Matter, decisions: Sequence[Decision]) -> bool:
    """Tell whether a monitor with dependencies is not well and in no incident yet."""
    open_ids = _members([*matter.open, *(each.incident for each in decisions)])
    return any(
        state.state in BAD
        and number not in open_ids
        and (matter.specs[number].depends_on or matter.specs[number].identity)
        for number, state in matter.states.items()
    )


def _members(found: Iterable[Incident]) -> set[int]:
    return {member.monitor_id for each in found for member in each.members}


def _by_group(matter: _Matter) -> list[_Matter]:
    groups: dict[str, list[Change]] = {}
    for each in matter.changes:
        spec = matter.specs.get(each.monitor_id)
        groups.setdefault(group_of(spec) if spec else "", []).append(each)
    return [
        replace(matter, changes=changes, open=_open_of(matter, group, {each.monitor_id for each in changes}))
        for group, changes in groups.items()
    ]


def _open_of(matter: _Matter, group: str, monitor_ids: set[int]) -> list[Incident]:
    return [each for each in matter.open if each.group == group or _members([each]) & monitor_ids]


def _sum(one: Assembled, two: Assembled) -> Assembled:
    return Assembled(
        one.changes + two.changes,
        one.decisions + two.decisions,
        one.notifications + two.notifications,
        two.more,
        two.over,
    )
