"""The headline of an incident: who, and what is wrong, in a few words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from checker.model import Cause, Kind, Member, State

NAME_CHARACTERS = 120
NAMED = 12  # endpoints that a cause names
Affected = tuple[Kind, Member]

_HEARTBEAT = {
    Cause.MISSED: "did not report in time",
    Cause.FAILED: "failed",
    Cause.OVERRUN: "has not finished in time",
    Cause.TOO_FAST: "finished too fast",
    Cause.TOO_OFTEN: "runs too often",
    Cause.STALLED: "is stalled",
    Cause.FLAPPING: "is flapping",
}
_ENDPOINT = {
    Cause.UNREACHABLE: "cannot be reached",
    Cause.HTTP: "answers with an error",
    Cause.DOCUMENT: "gives an answer that cannot be read",
    Cause.CONDITION: "is not as expected",
    Cause.FLAPPING: "is flapping",
}
_BLINDING = frozenset({Cause.UNREACHABLE, Cause.DOCUMENT})  # then the components are not known


def headline(affected: Sequence[Affected]) -> tuple[str, str]:
    """Return title and cause of an incident, from its members that are not well (at least one)."""
    kind, member = min(affected, key=_weight)
    others = sum(other_kind is kind and other.state is member.state for other_kind, other in affected) - 1
    return _title(kind, member, others), member.reason or str(member.cause)


def shared(identity: str, members: Sequence[Member]) -> tuple[str, str]:
    """Return title and cause of an incident about one thing that several endpoints stand on."""
    fails = any(member.state is State.DOWN for member in members)
    first = min(members, key=lambda each: (each.state is not State.DOWN, each.since, each.monitor_id))
    endpoints = dict.fromkeys(member.name.partition("/")[0] for member in members)
    seen = f"seen by {names(list(endpoints))}"
    title = f"{_short(identity)} is {'failing' if fails else 'degraded'}"
    return title, f"{first.reason} ({seen})" if first.reason else seen


def names(found: Sequence[str]) -> str:
    """Return names in a row, those beyond the first few as a count."""
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(_short(each) for each in found[:NAMED]) + more


def _weight(one: Affected) -> tuple[bool, int, float, int]:
    """Sort key: what is down before what warns; the part that fails before the whole it makes fail."""
    kind, member = one
    blinding = kind is Kind.ENDPOINT and member.cause in _BLINDING
    rank = 0 if blinding else 2 if kind is Kind.ENDPOINT else 1
    return member.state is not State.DOWN, rank, member.since, member.monitor_id


def _title(kind: Kind, member: Member, others: int) -> str:
    if kind is Kind.HEARTBEAT:
        return f"{_short(member.name)} {_HEARTBEAT.get(member.cause, 'is down')}"
    fails = member.state is State.DOWN
    if kind is Kind.ENDPOINT:
        word = "is failing" if fails else "is degraded"
        return f"{_short(member.name)} {_ENDPOINT.get(member.cause, word) if fails else word}"
    endpoint, _, key = member.name.partition("/")
    many = f" and {others} more" if others else ""
    if member.cause is Cause.GONE:
        return f"{_short(endpoint)}: {_short(key)}{many} {'are' if others else 'is'} gone"
    how = "flapping" if member.cause is Cause.FLAPPING else "failing" if fails else "degraded"
    word = ("are " if others else "is ") + how
    return f"{_short(endpoint)}: {_short(key)}{many} {word}"


def _short(name: str) -> str:
    return name if len(name) <= NAME_CHARACTERS else name[: NAME_CHARACTERS - 1] + "…"
