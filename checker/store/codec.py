"""Frozen nouns to JSON and back: small and fast for states, forgiving to what another version wrote."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from checker.model import (
    NOTHING,
    Cause,
    Change,
    Event,
    Incident,
    Kind,
    Member,
    MonitorSpec,
    MonitorState,
    Notification,
    PingRules,
    Severity,
    State,
)
from checker.probe_spec import USUAL
from checker.schedule import Cron, Every, OnCalendar, Schedule
from checker.store.probe_codec import probe_of, probe_to

_COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_CAUSES = {str(cause): cause for cause in Cause}
_STATES = {str(state): state for state in State}
_REASON = 2_000  # characters of a reason that are kept


def dumps(value: Any) -> str:
    """Return compact JSON; NaN and infinities become null, and what JSON has no word for becomes its text."""
    try:
        return _COMPACT(value)
    except (TypeError, ValueError):
        return _COMPACT(_plain(value))


def clean(text: str, limit: int = _REASON) -> str:
    """Return text that every database takes: no NUL, no lone surrogates, `limit` characters at most."""
    text = text[:limit].replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


# What `monitor_state.data` holds, in this order: new fields go to the end, and none ever goes or moves, so
# that
# two versions of the checker can read each other's rows. State, since, deadline and told have columns of
# their own.
_STATE_FIELDS = (
    "cause",
    "reason",
    "failures",
    "successes",
    "first_failure",
    "last_good",
    "last_seen",
    "last_start",
    "runs",
    "last_duration",
    "pings",
    "processed",
    "backlog",
    "progressed_at",
    "due_at",
    "value",
    "unit",
    "latency",
    "warnings",
    "passes",
    "last_failure",
    "allowance",
    "falls",
    "looks",
    "durations",
    "instance",
    "sequence",
)
LATENCY = _STATE_FIELDS.index("latency")  # its place, for queries that want nothing else
_CAUSE, _WHY, _RUNS = (_STATE_FIELDS.index(each) for each in ("cause", "reason", "runs"))
_OFTEN = _STATE_FIELDS.index("falls")  # the fields from here on are rarely anything
_fields_of = operator.attrgetter(*_STATE_FIELDS)
_LISTS = ("falls", "durations")
_NEW = vars(MonitorState())
_read = json.JSONDecoder().raw_decode


def state_to(state: MonitorState) -> str:
    """Return what `monitor_state.data` holds: a short JSON list."""
    found = _fields_of(state)
    return dumps(found if any(found[_OFTEN:]) else found[:_OFTEN])


def state_of(
    state: str, since: float, deadline: float | None, data: str, told: int | None = None
) -> MonitorState:
    """Return the state that the columns of a `monitor_state` row hold."""
    known = _NEW | dict(zip(_STATE_FIELDS, _read(data)[0], strict=False))
    known["state"], known["since"], known["deadline"] = _STATES[state], since, deadline
    known["told"], known["cause"] = told or 0, _CAUSES.get(known["cause"], Cause.NONE)
    known["runs"] = tuple([(rid, at) for rid, at in known["runs"]]) if known["runs"] else ()
    for name in _LISTS:
        if known[name] != ():
            known[name] = tuple(known[name] or ())
    new = object.__new__(MonitorState)
    object.__setattr__(new, "__dict__", known)  # past the check for frozen ones: a ping reads a state
    return new


def why_of(data: str) -> tuple[Cause, str, bool]:
    """Return a state's cause, its reason, and whether a run is under way, with nothing else made of it."""
    known = _read(data)[0]
    return _CAUSES.get(known[_CAUSE], Cause.NONE), known[_WHY], bool(known[_RUNS])


# What `monitor.spec` holds; kind, name, slug, token, parent and source have columns of their own.
_SPEC_DEFAULTS: dict[str, Any] = {
    "tags": (),
    "channels": None,
    "depends_on": (),
    "identity": "",
    "description": "",
    "severity": "",
    "fail_after": 1,
    "recover_after": 1,
    "fail_when": None,
    "remind_every": None,
    "url": "",
    "every": 30.0,
    "timeout": 10.0,
    "headers": {},
    "grace": 3600.0,
    "max_runtime": None,
    "learn_runtime": False,
    "min_runtime": None,
    "min_interval": None,
    "extend_on_progress": False,
    "stalled_after": None,
    "manual_resume": False,
    "push_token": "",
    "announced": "",
    "title": None,
}
_TUPLES = ("tags", "channels", "depends_on", "fail_when")
_RULES = frozenset(field.name for field in fields(PingRules))


def spec_to(spec: MonitorSpec) -> dict[str, Any]:
    """Return a specification as JSON, without what has its default or a column of its own."""
    found = {name: getattr(spec, name) for name in _SPEC_DEFAULTS}
    found["headers"] = dict(found["headers"])
    data = {name: value for name, value in found.items() if value != _SPEC_DEFAULTS[name]}
    data.update({name: list(data[name]) for name in _TUPLES if data.get(name) is not None})
    if spec.schedule is not None:
        data["schedule"] = schedule_to(spec.schedule)
    if spec.rules is not None:
        data["rules"] = asdict(spec.rules)
    if spec.probe is not USUAL and spec.probe != USUAL:
        data["probe"] = probe_to(spec.probe)
    return data


def spec_of(
    data: Mapping[str, Any], *, kind: str, name: str, slug: str, token: str | None, parent: str, source: str
) -> MonitorSpec:
    """Return the specification a row holds; keys of a newer version are left out."""
    known = {key: value for key, value in data.items() if key in _SPEC_DEFAULTS}
    known.update({key: tuple(known[key]) for key in _TUPLES if known.get(key) is not None})
    schedule = schedule_of(data["schedule"]) if data.get("schedule") else None
    rules = {key: value for key, value in (data.get("rules") or {}).items() if key in _RULES}
    return MonitorSpec(
        kind=Kind(kind),
        name=name,
        slug=slug,
        token=token or "",
        parent=parent,
        source=source,
        schedule=schedule,
        rules=PingRules(**rules) if rules else None,
        probe=probe_of(data["probe"]) if data.get("probe") else USUAL,
        **known,
    )


def schedule_to(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as JSON, in the words of the configuration."""
    if isinstance(schedule, Every):
        return {"every": schedule.seconds}
    if isinstance(schedule, Cron):
        return {"cron": schedule.expression, "timezone": schedule.timezone}
    return {"oncalendar": schedule.expression, "timezone": schedule.timezone}


def schedule_of(data: Mapping[str, Any]) -> Schedule:
    """Return the schedule that `schedule_to` wrote."""
    if "every" in data:
        return Every(data["every"])
    if "cron" in data:
        return Cron(data["cron"], data["timezone"])
    return OnCalendar(data["oncalendar"], data["timezone"])


def change_of(row: Any) -> Change:
    """Return the change a row of the `change` table holds."""
    return Change(
        at=row.at,
        old=State(row.old),
        new=State(row.new),
        cause=_CAUSES.get(row.cause, Cause.NONE),
        reason=row.reason,
        evidence=row.evidence or NOTHING,
        monitor_id=row.monitor_id,
        id=row.id,
    )


def member_to(member: Member) -> dict[str, Any]:
    """Return a member as JSON."""
    return {
        "monitor_id": member.monitor_id,
        "name": member.name,
        "state": member.state,
        "reason": member.reason,
        "cause": member.cause,
        "since": member.since,
        "resolved_at": member.resolved_at,
        "evidence": dict(member.evidence),
    }


def member_of(data: Mapping[str, Any]) -> Member:
    """Return the member that `member_to` wrote, or a row of `incident_member` holds."""
    return Member(
        monitor_id=data["monitor_id"],
        name=data["name"],
        state=State(data["state"]),
        reason=data["reason"],
        cause=_CAUSES.get(data["cause"], Cause.NONE),
        since=data["since"],
        resolved_at=data["resolved_at"],
        evidence=data["evidence"] or NOTHING,
    )


def member_row(row: Any) -> Member:
    """Return the member that a row of `incident_member` holds."""
    return Member(
        row.monitor_id,
        row.name,
        _STATES[row.state],
        row.reason,
        _CAUSES.get(row.cause, Cause.NONE),
        row.since,
        row.resolved_at,
        row.evidence or NOTHING,
    )


def incident_to(incident: Incident) -> dict[str, Any]:
    """Return an incident with its members as JSON."""
    return {
        "id": incident.id,
        "group": incident.group,
        "dedup_key": incident.dedup_key,
        "title": incident.title,
        "cause": incident.cause,
        "since": incident.since,
        "severity": incident.severity,
        "resolved_at": incident.resolved_at,
        "acknowledged_at": incident.acknowledged_at,
        "members": [member_to(member) for member in incident.members],
        "suppressed": list(incident.suppressed),
    }


def incident_of(data: Mapping[str, Any]) -> Incident:
    """Return the incident that `incident_to` wrote."""
    return Incident(
        id=data["id"],
        group=data["group"],
        dedup_key=data["dedup_key"],
        title=data["title"],
        cause=data["cause"],
        since=data["since"],
        severity=Severity(data["severity"]),
        resolved_at=data["resolved_at"],
        acknowledged_at=data["acknowledged_at"],
        members=tuple(member_of(each) for each in data["members"]),
        suppressed=tuple(data["suppressed"]),
    )


def notification_to(notification: Notification) -> dict[str, Any]:
    """Return a notification as JSON: frozen when it was decided, so a late send tells the truth of then."""
    return {
        "event": notification.event,
        "at": notification.at,
        "url": notification.url,
        "incident": incident_to(notification.incident),
    }


def notification_of(data: Mapping[str, Any]) -> Notification:
    """Return the notification that `notification_to` wrote."""
    return Notification(
        event=Event(data["event"]), incident=incident_of(data["incident"]), at=data["at"], url=data["url"]
    )


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return str(value)
