"""From changes to incidents: what is one cause, who belongs to it, what is told. Pure: `judge(...)`.

Level-triggered: what is open is compared with how the monitors stand now, so a lost or repeated call does
no harm. Changes add what the levels no longer show: a fall that is over already opens its incident in one
call and is resolved by the next. A call makes one decision a group at most, so an incident never opens and
ends at once.

A monitor that is not well and in no incident

- is left alone under an open maintenance window that covers it, or while it is snoozed, and opens its
  incident when that ends;
- joins the incident of the dependency that explains it, as suppressed: attached, never told on its own;
- waits a little when such a dependency has just recovered: it probably follows; or when nobody has looked at
  the dependency since: the cause is probably seen next;
- joins the open incident of its group, or opens one.

An open incident whose members are all snoozed tells nothing before its end; when a snooze ends before the
trouble does, it is told again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from checker.maintenance import MaintenanceSpec
from checker.model import (
    Cause,
    Change,
    Event,
    Incident,
    Member,
    MonitorSpec,
    MonitorState,
    Severity,
    Snooze,
    State,
)
from checker.rules.blindness import BLIND
from checker.rules.reminders import Reminders
from checker.rules.scene import SETTLE, View
from checker.rules.sharing import shared_identity
from checker.rules.snoozing import NOBODY, about
from checker.rules.storms import STORM, Storm, gathered, storm_title
from checker.rules.titles import headline, shared
from checker.rules.transition import BAD
from checker.rules.trouble import Trouble
from checker.slugs import slug

KEY_CHARACTERS = 200
NO_REMINDERS = Reminders()


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an incident. `event` None: record it, tell nobody. `channels` None: all of them.

    `incident.id` 0 means that it is new; `dedup_key` is its name for ever.
    """

    incident: Incident
    event: Event | None
    channels: tuple[str, ...] | None
    woken: bool = False  # of reminders: a snooze ended, so that everybody is told


def judge(
    open_incidents: Sequence[Incident],
    changes: Sequence[Change],
    monitors: Mapping[int, MonitorSpec],
    *,
    states: Mapping[int, MonitorState],
    maintenance: Sequence[MaintenanceSpec] = (),
    now: float,
    settle: float = SETTLE,
    reminders: Reminders = NO_REMINDERS,
    last_judged: float | None = None,
    storm: Storm | None = None,
    snoozes: Mapping[int, Snooze] = NOBODY,
) -> list[Decision]:
    """Return what becomes of incidents: opened, updated, resolved, reminded, or only recorded.

    `monitors` are all live ones: a member that is not among them was removed and leaves its incident.
    `states` must hold every changed monitor and every member of `open_incidents`; besides, every monitor that
    may need an incident, and what it depends on. `open_incidents` must hold those of the groups of all
    monitors in `states`. A reminder is due when a multiple of a rhythm of `reminders` since the beginning
    lies between `last_judged` and `now`. `snoozes` are by monitor; those that are over by `now` are told of
    again, so each is to be given once after its end. With `storm`, very many new incidents at once become
    one; then `open_incidents` must hold an open storm.
    """
    view = View(monitors, states, changes, maintenance, now, settle, snoozes)
    incidents = {incident.group: incident for incident in open_incidents}
    own, attached = view.placed(incidents)
    if storm is not None:
        own = gathered(own, incidents, now, storm)
    decisions = []
    for group in sorted({*incidents, *own} - {BLIND}):
        decision = _decide(view, group, incidents.get(group), own, attached.get(group, ()))
        if decision is None or decision.event is None:
            incident = decision.incident if decision else incidents[group]
            decision = _woken(view, incident) or decision
        if last_judged is not None and (decision is None or decision.event is None):
            incident = decision.incident if decision else incidents[group]
            decision = _reminder(view, incident, reminders, last_judged) or decision
        if decision is not None:
            decisions.append(decision)
    return decisions


def _decide(
    view: View,
    group: str,
    before: Incident | None,
    own: Mapping[str, Sequence[Trouble]],
    attached: Sequence[Trouble],
) -> Decision | None:
    """Return what becomes of the incident of one group; None when nothing about it changed."""
    troubles = own.get(group, ())
    members = {member.monitor_id: member for member in before.members} if before else {}
    busy = {each.member.monitor_id for each in (*troubles, *attached)}
    elsewhere = {each.member.monitor_id for found in own.values() for each in found}
    for number, member in members.items():
        if number not in busy and member.resolved_at is None:
            members[number] = _left(view, member, elsewhere)
    worse = any(
        _worse(members.get(each.member.monitor_id), each.member) for each in troubles if not each.known
    )
    for trouble in (*troubles, *attached):
        members[trouble.member.monitor_id] = _renewed(members.get(trouble.member.monitor_id), trouble.member)
    explained = {each.member.monitor_id for each in attached} - {each.member.monitor_id for each in troubles}
    after = _incident(view, group, before, list(members.values()), troubles, explained)
    if after == before:
        return None
    louder = (
        before is not None and before.severity is Severity.WARNING and after.severity is Severity.CRITICAL
    )
    event: Event | None = None
    if after.resolved_at is not None:
        event = Event.RESOLVED
    elif before is None:
        event = Event.OPENED
    elif (worse or louder or _is_renamed(view, before, after)) and not view.snoozed.hides(after):
        event = Event.UPDATED
    return Decision(after, event, view.channels(group, after.members))


def _incident(
    view: View,
    group: str,
    before: Incident | None,
    members: list[Member],
    troubles: Sequence[Trouble],
    explained: set[int],
) -> Incident:
    """Return the incident with these members; it is over when only what it explains is in it any more."""
    open_members = [member for member in members if member.resolved_at is None]
    placed = {each.member.monitor_id for each in troubles}
    apart = set(before.suppressed) if before else set()
    ours = [
        member
        for member in open_members
        if member.monitor_id in placed or (member.monitor_id not in explained and member.name not in apart)
    ]
    own = {member.monitor_id for member in ours}
    if before is None:
        title, cause = _headline(view, group, ours, members)
        new = Incident(0, group, _key(group, troubles, view.now), title, cause, min(m.since for m in ours))
    elif not ours:
        new = replace(before, resolved_at=view.now)
    else:
        title, cause = _headline(view, group, ours, members)
        new = replace(before, title=title, cause=cause)
    return replace(
        new,
        severity=view.severity(ours) if ours else new.severity,
        members=tuple(members),
        suppressed=tuple(sorted(member.name for member in open_members if member.monitor_id not in own)),
    )


def _headline(view: View, group: str, ours: Sequence[Member], members: Sequence[Member]) -> tuple[str, str]:
    if group == STORM:
        return storm_title(members)
    found = [(view.monitors[member.monitor_id], member) for member in ours]
    identity = shared_identity(found)
    if identity:
        return shared(identity, [member for spec, member in found if spec.identity == identity])
    return headline([(spec.kind, member) for spec, member in found])


def _is_renamed(view: View, before: Incident | None, after: Incident) -> bool:
    """Tell whether it turned out that the thing is shared: the first message named one endpoint's part."""
    if before is None or before.title == after.title or before.group == STORM:
        return False
    now, then = (
        shared_identity(
            [
                (spec, member)
                for member in incident.members
                if (spec := view.monitors.get(member.monitor_id)) is not None
            ]
        )
        for incident in (after, before)
    )
    return bool(now) and not then


def _key(group: str, troubles: Sequence[Trouble], now: float) -> str:
    """Return a name that stays and never comes again: by the first change, or by the moment."""
    first = min((trouble.change_id for trouble in troubles if trouble.change_id), default=0)
    return f"healthkit-{slug(group)[:KEY_CHARACTERS]}-{first or f't{now * 1000:.0f}'}"


def _left(view: View, member: Member, elsewhere: set[int]) -> Member:
    """Return a member that may have left: recovered, paused, removed, or with an incident of its own."""
    if member.monitor_id not in view.monitors:
        return replace(member, resolved_at=view.now, reason="removed")
    level = view.levels.get(member.monitor_id)
    if level is State.PAUSED:
        return replace(member, resolved_at=view.now, state=level, reason="paused")
    if level is not None and level not in BAD:
        return replace(member, resolved_at=view.now, state=level, reason="")
    if member.monitor_id in elsewhere:
        return replace(member, resolved_at=view.now, reason="has an incident of its own")
    return member


def _worse(before: Member | None, now: Member) -> bool:
    """Tell whether a monitor fell that was not down in this incident."""
    was_down = before is not None and before.resolved_at is None and before.state is State.DOWN
    return now.state is State.DOWN and not was_down


def _renewed(before: Member | None, now: Member) -> Member:
    """Return the member as it stands; another wording of the same trouble is no news."""
    if before is None or before.resolved_at is not None:
        return now
    if now.cause is Cause.FLAPPING and before.cause is Cause.FLAPPING:
        return before if before.state is State.DOWN or now.state is not State.DOWN else now
    if now.cause is Cause.FLAPPING and before.state is State.DOWN:
        return replace(now, state=State.DOWN, since=before.since)
    return (
        before if (before.state, before.cause) == (now.state, now.cause) else replace(now, since=before.since)
    )


def _woken(view: View, incident: Incident) -> Decision | None:
    """Return that an incident is told again because a snooze is over and the trouble is not."""
    if not view.snoozed.ended(incident) or view.snoozed.hides(incident):
        return None
    channels = view.channels(incident.group, incident.members)
    return Decision(incident, Event.REMINDER, channels, woken=True)


def _reminder(view: View, incident: Incident, reminders: Reminders, last: float) -> Decision | None:
    if incident.acknowledged_at is not None or view.snoozed.hides(incident):
        return None
    specs = [view.monitors[each.monitor_id] for each in about(incident) if each.monitor_id in view.monitors]
    if not reminders.any_due(specs, incident.since, last, view.now):
        return None
    return Decision(incident, Event.REMINDER, view.channels(incident.group, incident.members))
