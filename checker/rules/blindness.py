"""The one incident that is about the checker itself: it cannot reach anything. Pure."""

from __future__ import annotations

from dataclasses import replace

from checker.model import Event, Incident, Severity

BLIND = "/blind"  # the group: no monitor can have this name
TITLE = "the checker cannot reach anything"
CAUSE = (
    "every reference and every endpoint that was asked gave no answer: the checker's own network is away. "
    "Nothing is counted against what it watches, and deadlines move by as long as this lasts"
)


def sighted(present: Incident | None, since: float | None, now: float) -> tuple[Incident, Event] | None:
    """Return what becomes of the incident of a checker that is blind `since` (None: it sees)."""
    if present is None and since is not None:
        key = f"healthkit-blind-t{since * 1000:.0f}"
        return Incident(0, BLIND, key, TITLE, CAUSE, since, Severity.CRITICAL), Event.OPENED
    if present is not None and since is None:
        return replace(present, resolved_at=now), Event.RESOLVED
    return None
