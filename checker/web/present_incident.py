"""An incident on a page of its own: who is affected, on what evidence, and who was told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checker.model import Incident, Member, Severity, State
from checker.moments import latency, utc
from checker.store.views import Delivery
from checker.verdict import LOOKS, Look
from healthkit.durations import humanize

DELIVERY_LOOKS = {
    "sent": Look("ok", "delivered"),
    "waiting": Look("warn", "waiting"),
    "gave up": Look("bad", "gave up"),
}
MOMENTS = 1_000_000_000.0  # a number beyond it, in evidence, is a moment in epoch seconds
DURATIONS = frozenset({"duration", "running", "usual"})


def delivery(each: Delivery) -> dict[str, Any]:
    """Return what became of one message as a row."""
    return {"look": DELIVERY_LOOKS[each.status], "row": each}


def incident_page(incident: Incident, sent: Sequence[Delivery], now: float) -> dict[str, Any]:
    """Return what an incident's own page shows."""
    over = incident.resolved_at is not None
    loud = "bad" if incident.severity is Severity.CRITICAL else "warn"
    return {
        "now": now,
        "incident": incident,
        "tone": "ok" if over else loud,
        "snoozed": incident.snoozed_until if (incident.snoozed_until or 0.0) > now else None,
        "lasted": (incident.resolved_at if over and incident.resolved_at else now) - incident.since,
        "members": _together([_member(member) for member in incident.members]),
        "deliveries": [delivery(each) for each in sent],
    }


def _together(members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those that say the same, and bring no evidence of their own, as one with several names."""
    found: list[dict[str, Any]] = []
    same: dict[tuple[Look, str, float], dict[str, Any]] = {}
    for each in members:
        key = each["state"], each["reason"], each["since"]
        if each["evidence"] or each["output"]:
            found.append(each)
        elif key in same:
            same[key]["names"] += each["names"]
        else:
            same[key] = each
            found.append(each)
    return found


def _member(member: Member) -> dict[str, Any]:
    shown = {key.replace("_", " "): _evidence(key, value) for key, value in member.evidence.items()}
    return {
        "names": [member.name],
        "state": LOOKS[State.UP if member.resolved_at is not None else member.state],
        "since": member.since,
        "reason": member.reason,
        "output": shown.pop("output", ""),
        "evidence": {key: value for key, value in shown.items() if value},
    }


def _evidence(key: str, value: Any) -> str:
    """Return a piece of evidence as text; numbers that are moments are shown as such."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value > MOMENTS:
        return utc(float(value))
    if isinstance(value, float):
        return latency(value) if key == "latency" else humanize(value) if key in DURATIONS else f"{value:g}"
    return "" if value is None else str(value)[:4000]
