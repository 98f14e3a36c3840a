"""What one transaction of the door does: many callers' observations, folded into the states they touch.

It runs on the store's writer thread, and may run again: it changes nothing but the database.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from checker.model import Change, Command, Kind, MonitorSpec, MonitorState, Observation, Ping, PingKind, Poll
from checker.registry import Registry
from checker.state import advance, caught_up, initial
from checker.store import blind, components, door
from checker.store.bulk import Row
from checker.store.monitors import Monitor
from healthkit.bounds import clean
from healthkit.errors import HealthkitError

Counted = Mapping[int, tuple[MonitorState, MonitorState]]
UNCOUNTED: Counted = MappingProxyType({})

MAX_IDENTITY = 200  # characters
MAX_NEEDS = 20  # names that a component may depend on

_ENDS = (PingKind.SUCCESS, PingKind.FAIL)


class UnknownMonitorError(HealthkitError, LookupError):
    """No live monitor has that id: it was removed meanwhile."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an observation did, committed. `n` is the ping's number; `components` are of a poll's document."""

    monitor_id: int
    before: MonitorState
    after: MonitorState
    changes: tuple[Change, ...]
    n: int = 0
    components: tuple[Recorded, ...] = ()


@dataclass(slots=True)
class Brought:
    """What one caller brings: observations, rows of polls that say nothing new, and looks counted before."""

    observations: Sequence[tuple[int, Observation]]
    history: Sequence[Row]
    counted: Counted

    def __len__(self) -> int:
        return len(self.observations) + len(self.history)

    @property
    def has_polls(self) -> bool:
        """Whether anything of it is a look at an endpoint."""
        return bool(self.history) or any(isinstance(each, Poll) for _, each in self.observations)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did: what each caller's observations came to, and what others should know of it."""

    results: list[list[Recorded]]
    created: list[Monitor]
    described: list[Monitor]  # components whose document tells something else of them than before
    changed: bool
    commanded: bool
    deadline: float  # the earliest that was written


class Fold:
    """One transaction: the states of all touched monitors, advanced in order, and written once."""

    def __init__(self, conn: Connection, registry: Registry, times: blind.Times, now: float) -> None:
        self._conn = conn
        self._registry = registry
        self._blind = times
        self._now = now
        self._created: dict[tuple[int, str], Monitor] = {}
        self._described: dict[int, Monitor] = {}
        self._states: dict[int, MonitorState] = {}
        self._touched: set[int] = set()
        self._pings: list[Row] = []
        self._polls: list[Row] = []
        self._changes: list[Row] = []
        self._commanded = False

    def run(self, batch: Sequence[Brought]) -> Outcome:
        """Return what each caller's observations did."""
        work = [request.observations for request in batch]
        self._create_components(work)
        if ids := self._ids(work):
            self._states = door.load_states(self._conn, ids, lock=True)
            self._blind.refresh(self._conn)
        for request in batch:
            self._count_on(request.counted)
            self._polls.extend(request.history)
        results = [[self._observe(monitor_id, each) for monitor_id, each in caller] for caller in work]
        self._write()
        deadlines = (self._states[each].deadline for each in self._touched)
        return Outcome(
            results,
            list(self._created.values()),
            list(self._described.values()),
            bool(self._changes),
            self._commanded,
            min((each for each in deadlines if each is not None), default=math.inf),
        )

    def _count_on(self, counted: Counted) -> None:
        """Let stand what was counted in memory, where nobody else has written meanwhile."""
        for monitor_id, (stood, stands) in counted.items():
            if self._states.get(monitor_id) == stood:
                self._states[monitor_id] = stands

    def _create_components(self, work: Sequence[Sequence[tuple[int, Observation]]]) -> None:
        missing: dict[int, dict[str, None]] = {}
        for caller in work:
            for monitor_id, each in caller:
                if isinstance(each, Poll):
                    for key, _ in each.components:
                        if self._registry.component(monitor_id, key) is None:
                            missing.setdefault(monitor_id, {})[key] = None
        if not missing:
            return
        wanted = [(Monitor(each, self._spec(each)), missing[each]) for each in sorted(missing)]
        for made in components.ensure_all(self._conn, wanted, self._now):
            if made.parent_id is not None:
                self._created[made.parent_id, made.spec.name] = made

    def _ids(self, work: Sequence[Sequence[tuple[int, Observation]]]) -> set[int]:
        found = set()
        for caller in work:
            for monitor_id, each in caller:
                found.add(monitor_id)
                if isinstance(each, Poll):
                    found.update(self._component(monitor_id, key)[0] for key, _ in each.components)
        return found

    def _observe(self, monitor_id: int, observation: Observation) -> Recorded:
        spec = self._spec(monitor_id)
        before, after, changes = self._advance(monitor_id, spec, observation)
        if isinstance(observation, Ping):
            duration = _duration(observation, before, after)
            self._pings.append(door.ping_row(monitor_id, after.pings, observation, self._now, duration))
            return Recorded(monitor_id, before, after, changes, after.pings)
        if isinstance(observation, Poll):
            self._polls.append(door.poll_row(monitor_id, observation))
            parts = [self._observe_component(monitor_id, key, look) for key, look in observation.components]
            return Recorded(monitor_id, before, after, changes, components=tuple(parts))
        self._commanded |= isinstance(observation, Command)
        return Recorded(monitor_id, before, after, changes)

    def _observe_component(self, endpoint_id: int, key: str, look: Poll) -> Recorded:
        monitor_id, spec = self._component(endpoint_id, key)
        before, after, changes = self._advance(monitor_id, spec, look)
        if look.details and (said := standing(spec, look.details)) is not spec:
            self._described[monitor_id] = Monitor(monitor_id, said, endpoint_id)
        # An endpoint's history is a row a poll; a component's is a row a turn of events, or it would explode.
        if _turned(before, after):
            self._polls.append(door.poll_row(monitor_id, look))
        return Recorded(monitor_id, before, after, changes)

    def _advance(
        self, monitor_id: int, spec: MonitorSpec, observation: Observation
    ) -> tuple[MonitorState, MonitorState, tuple[Change, ...]]:
        before = self._states.get(monitor_id)
        if before is None:
            before = initial(spec, self._now)
        elif before.told < self._blind.latest and spec.kind is Kind.HEARTBEAT:
            before = caught_up(spec, before, self._blind.after(before.told))
        after, changes = advance(spec, before, observation, self._now)
        self._states[monitor_id] = after
        self._touched.add(monitor_id)
        if changes:
            changes = tuple(replace(each, monitor_id=monitor_id) for each in changes)
            self._changes.extend(door.change_row(each) for each in changes)
        return before, after, changes

    def _write(self) -> None:
        for each in self._described.values():
            components.described(self._conn, each.id, each.spec)
        door.save_states(self._conn, {each: self._states[each] for each in self._touched})
        if self._pings:
            door.insert_pings(self._conn, self._pings)
        if self._polls:
            door.insert_polls(self._conn, self._polls)
        if self._changes:
            door.insert_changes(self._conn, self._changes)

    def _spec(self, monitor_id: int) -> MonitorSpec:
        spec = self._registry.by_id(monitor_id)
        if spec is None:  # removed between the caller's question and this transaction
            raise UnknownMonitorError(
                f"monitor {monitor_id}: no such monitor is live; it was removed meanwhile"
            )
        return spec

    def _component(self, endpoint_id: int, key: str) -> tuple[int, MonitorSpec]:
        made = self._created.get((endpoint_id, key))
        if made is not None:
            return made.id, made.spec
        found = self._registry.component(endpoint_id, key)
        if found is None:
            raise UnknownMonitorError(f"monitor {endpoint_id}: its component {key!r} was removed meanwhile")
        return found, self._spec(found)


def standing(spec: MonitorSpec, details: Mapping[str, Any]) -> MonitorSpec:
    """Return a component's specification with what its document tells now of what it stands on."""
    identity, needs = details.get("identity"), details.get("dependsOn")
    if (identity is None or identity == spec.identity) and (needs is None or needs == [*spec.depends_on]):
        return spec  # the common case
    new_identity = clean(identity, MAX_IDENTITY) if isinstance(identity, str) else spec.identity
    new_needs = spec.depends_on
    if isinstance(needs, list):
        texts = [clean(each, MAX_IDENTITY) for each in needs[:MAX_NEEDS] if isinstance(each, str)]
        new_needs = tuple(dict.fromkeys(texts))
    if new_identity == spec.identity and new_needs == spec.depends_on:
        return spec
    return replace(spec, identity=new_identity, depends_on=new_needs)


def _duration(ping: Ping, before: MonitorState, after: MonitorState) -> float | None:
    """Return how long the run took that this ping ended, in seconds; None where nobody knows."""
    if ping.kind not in _ENDS:
        return None
    return after.last_duration if len(after.runs) < len(before.runs) else ping.duration


def _turned(before: MonitorState, after: MonitorState) -> bool:
    """Tell whether a component's verdict or reason is another than before."""
    return (
        before.state is not after.state
        or before.reason != after.reason
        or (before.failures > 0) is not (after.failures > 0)
        or (before.warnings > 0) is not (after.warnings > 0)
    )
