"""The monitors as they stand at one moment, and whose trouble is whose. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from checker.maintenance import MaintenanceSpec, Window, active, covering
from checker.model import (
    NOTHING,
    Cause,
    Change,
    Incident,
    Kind,
    Member,
    MonitorSpec,
    MonitorState,
    Severity,
    Snooze,
    State,
)
from checker.rules import sharing
from checker.rules.causes import Causes, group_of
from checker.rules.flapping import is_flapping, said
from checker.rules.snoozing import NOBODY, Snoozed
from checker.rules.transition import BAD
from checker.rules.trouble import Trouble
from checker.schedule import Every

FRESH = 5.0  # seconds at most that a good look must be younger than a fall to clear the one looked at
SKEW = 5.0  # seconds that a fall may be younger than the look at it: it was committed meanwhile
NOTICE = 60.0  # seconds at most that a dependency is given to be seen failing
SETTLE = 300.0  # seconds at most that a monitor is given to follow its dependency's recovery
GATHER = 15.0  # seconds at most that others on the same thing are given to be seen failing with it


class View:
    """The monitors as they stand at one moment."""

    def __init__(
        self,
        monitors: Mapping[int, MonitorSpec],
        states: Mapping[int, MonitorState],
        changes: Sequence[Change],
        maintenance: Sequence[MaintenanceSpec],
        now: float,
        settle: float,
        snoozes: Mapping[int, Snooze] = NOBODY,
    ) -> None:
        self.monitors, self.states, self.now = monitors, states, now
        self._changes, self._maintenance, self._settle = changes, maintenance, settle
        self._windows: dict[float, list[Window]] = {}
        self.levels = {change.monitor_id: change.new for change in changes}
        self.levels.update({monitor_id: state.state for monitor_id, state in states.items()})
        self.causes = Causes(monitors, self.levels)
        self.snoozed = Snoozed(snoozes, monitors, self.causes, now)

    def placed(
        self, incidents: Mapping[str, Incident]
    ) -> tuple[Mapping[str, Sequence[Trouble]], Mapping[str, Sequence[Trouble]]]:
        """Return all trouble by the group whose incident it belongs to: its own, and what it explains."""
        own: dict[str, list[Trouble]] = defaultdict(list)
        attached: dict[str, list[Trouble]] = defaultdict(list)
        homes = at_home(incidents.values())
        explained: list[tuple[int, Trouble]] = []
        fresh: list[Trouble] = []
        for trouble in self._troubles():
            number = trouble.member.monitor_id
            if number in homes:
                own[homes[number]].append(trouble)
            elif trouble.calm or self._is_left_alone(trouble):
                continue
            elif (root := self.causes.root(number)) is not None:
                explained.append((root, trouble))
            elif not self._follows(trouble) and not self._precedes(trouble):
                fresh.append(trouble)
        for group, trouble in self._shared(fresh, incidents, homes):
            own[group].append(trouble)
            homes[trouble.member.monitor_id] = group
        for root, trouble in explained:
            attached[homes.get(root) or group_of(self.monitors[root])].append(trouble)
        return own, attached

    def severity(self, members: Sequence[Member]) -> Severity:
        """Return how loud it is: a component that is down counts by what its endpoint makes of it."""
        return Severity.CRITICAL if any(self._critical(member) for member in members) else Severity.WARNING

    def channels(self, group: str, members: Sequence[Member]) -> tuple[str, ...] | None:
        """Return where the members of a group tell, together; a component tells where its endpoint does."""
        found: list[str] | None = None
        kin = (self.monitors.get(member.monitor_id) for member in members)
        named = any(spec is not None and group_of(spec) == group for spec in kin)
        for member in members:
            spec = self.monitors.get(member.monitor_id)
            if spec is None or (named and group_of(spec) != group):
                continue
            names = spec.channels
            if names is None and (endpoint := self.causes.endpoint_of(spec)) is not None:
                names = self.monitors[endpoint].channels
            if names is None:
                return None
            found = [*(found or ()), *names]
        return None if found is None else tuple(dict.fromkeys(found))

    def _shared(
        self, fresh: Sequence[Trouble], incidents: Mapping[str, Incident], homes: Mapping[int, str]
    ) -> Iterator[sharing.Placed]:
        known: dict[str, str] = {}  # identities that an open incident is about already
        for number, group in homes.items():
            spec = self.monitors.get(number)
            if spec is not None and spec.identity and self.levels.get(number) in BAD:
                known.setdefault(spec.identity, group)
        waiting = {
            group_of(each.spec) for each in fresh if each.spec.identity not in known and self._gathers(each)
        }
        return sharing.placed(fresh, incidents, known, waiting)

    def _gathers(self, trouble: Trouble) -> bool:
        """Tell whether others on the same thing have not been looked at since it fell: they may fail too."""
        since = self.now - trouble.member.since
        if not trouble.spec.identity or not -SKEW <= since < min(self._settle, GATHER):
            return False
        if trouble.at != self.now or self.levels[trouble.member.monitor_id] not in BAD:
            return False
        for each in self._standing_on.get(trouble.spec.identity, ()):
            state = self.states.get(each)
            if (
                state is None
                or state.state is not State.UP
                or group_of(self.monitors[each]) == group_of(trouble.spec)
            ):
                continue
            if state.failures or (state.last_seen or 0.0) <= trouble.member.since:
                return True
        return False

    @cached_property
    def _standing_on(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, spec in self.monitors.items():
            if spec.identity:
                found[spec.identity].append(number)
        return found

    def _is_left_alone(self, trouble: Trouble) -> bool:
        if self.snoozed.holds(trouble.member.monitor_id):
            return True
        return covering(self._open_windows(trouble.at), trouble.spec.full_name) is not None

    def _open_windows(self, at: float) -> list[Window]:
        if at not in self._windows:
            self._windows[at] = [window for spec in self._maintenance if (window := active(spec, at))]
        return self._windows[at]

    def _critical(self, member: Member) -> bool:
        spec = self.monitors[member.monitor_id]
        if spec.severity:
            return spec.severity == Severity.CRITICAL
        if member.state is not State.DOWN or spec.kind is not Kind.COMPONENT:
            return member.state is State.DOWN
        endpoint = self.causes.endpoint_of(spec)
        return endpoint is None or self.levels.get(endpoint) not in (State.UP, State.WARN)

    def _troubles(self) -> list[Trouble]:
        """Return what is not well now, and what fell and recovered within these changes; oldest first."""
        falls: dict[int, Change] = {}
        for change in self._changes:
            if change.new in BAD and (change.new is State.DOWN or change.monitor_id not in falls):
                falls[change.monitor_id] = change
        found = [self._trouble(monitor_id, falls.get(monitor_id)) for monitor_id in {*self.levels}]
        return sorted((each for each in found if each), key=lambda each: (each.at, each.member.monitor_id))

    def _trouble(self, monitor_id: int, fall: Change | None) -> Trouble | None:
        spec, level = self.monitors.get(monitor_id), self.levels[monitor_id]
        if spec is None or level is State.PAUSED:
            return None
        state = self.states.get(monitor_id)
        change_id = fall.id if fall else 0
        described = {"description": spec.description} if spec.description else {}
        if state is not None and is_flapping(spec, state, self.now):
            return self._flapping(monitor_id, spec, state, fall)
        if level in BAD and state is not None:
            evidence = {**(fall.evidence if fall else _evidence(state)), **described}
            member = Member(
                monitor_id, spec.full_name, level, state.reason, state.cause, state.since, None, evidence
            )
            return Trouble(member, spec, self.now, change_id)
        if fall is None:
            return None
        member = Member(
            monitor_id,
            spec.full_name,
            fall.new,
            fall.reason,
            fall.cause,
            fall.at,
            None,
            {**fall.evidence, **described},
        )
        return Trouble(member, spec, fall.at, change_id, over=True)

    def _flapping(
        self, monitor_id: int, spec: MonitorSpec, state: MonitorState, fall: Change | None
    ) -> Trouble:
        """Return a monitor that falls again and again: its incident stays open, whatever it is just now."""
        level = state.state if state.state in BAD else State.WARN
        evidence = fall.evidence if fall else _evidence(state)
        if spec.description:
            evidence = {**evidence, "description": spec.description}
        name, since = spec.full_name, state.falls[-1]
        member = Member(monitor_id, name, level, said(state), Cause.FLAPPING, since, None, evidence)
        if state.state not in BAD and fall is not None:
            return Trouble(replace(member, state=fall.new), spec, fall.at, fall.id, over=True)
        calm = state.state not in BAD
        return Trouble(member, spec, self.now, fall.id if fall else 0, calm=calm)

    def _follows(self, trouble: Trouble) -> bool:
        """Tell whether it fell before a dependency recovered just now: it may recover by itself."""
        patience = min(self._settle, _cycle(trouble.spec))
        for each in self.causes.needs(trouble.member.monitor_id):
            state = self.states.get(each)
            if state is None or state.state not in (State.UP, State.WARN):
                continue
            if trouble.member.since < state.since and -SKEW <= self.now - state.since < patience:
                return True
        return False

    def _precedes(self, trouble: Trouble) -> bool:
        """Tell whether it fell before anyone looked at a dependency again: the cause may be seen next."""
        if trouble.at != self.now or self.levels[trouble.member.monitor_id] not in BAD:
            return False  # over already: told as it was
        for each in self.causes.needs(trouble.member.monitor_id):
            state, spec = self.states.get(each), self.monitors[each]
            if state is None or state.state not in (State.UP, State.WARN, State.NEW):
                continue
            fell = trouble.member.since
            seen = fell + min(spec.every, FRESH)  # an answer may serve a reading that is older than itself
            if (state.last_good or 0.0) <= seen and -SKEW <= self.now - fell < min(
                self._settle, _notice(spec)
            ):
                return True
        return False


def _notice(spec: MonitorSpec) -> float:
    """Return how long it takes a monitor to show that it fell, at most; heartbeats are not waited for."""
    if spec.kind is Kind.HEARTBEAT:
        return 0.0
    return min((spec.every + spec.timeout) * (spec.fail_after + 1), NOTICE)


def _cycle(spec: MonitorSpec) -> float:
    """Return how long it takes a monitor to show that it recovered; for calendars, any time."""
    if spec.kind is not Kind.HEARTBEAT:
        return spec.every * (spec.recover_after + 1) + spec.timeout
    return spec.schedule.seconds + spec.grace if isinstance(spec.schedule, Every) else SETTLE


def _evidence(state: MonitorState) -> Mapping[str, float]:
    found = {"first_failure": state.first_failure, "last_good": state.last_good}
    return {key: value for key, value in found.items() if value is not None} or NOTHING


def at_home(incidents: Iterable[Incident]) -> dict[int, str]:
    """Return who is in an open incident for reasons of its own: monitor id -> the incident's group."""
    found: dict[int, str] = {}
    for incident in incidents:
        explained = set(incident.suppressed)
        for member in incident.members:
            if member.resolved_at is None and member.name not in explained:
                found.setdefault(member.monitor_id, incident.group)
    return found
