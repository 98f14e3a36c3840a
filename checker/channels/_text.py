"""An incident in words: the same facts in the same order on every channel."""

from __future__ import annotations

from datetime import UTC, datetime

from checker.model import Event, Incident, Member, Notification, Severity
from checker.rules.text import clean
from healthkit.durations import humanize

MAX_MEMBERS = 20
MAX_SUPPRESSED = 20
MAX_TITLE = 200
MAX_LINE = 400
MAX_OUTPUT_LINES = 5
WITH_EVIDENCE = 3  # members whose last output is shown

_LABELS = {
    Event.UPDATED: "Update",
    Event.RESOLVED: "Resolved",
    Event.TEST: "Test",
    Event.DRILL: "Drill",
}


def line(text: str, limit: int = MAX_LINE) -> str:
    """Return text as one harmless line of at most `limit` characters."""
    whole = " ".join(clean(text, 4 * limit).split())
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def clip(text: str, limit: int) -> str:
    """Return text of at most `limit` characters, cut at a line's end where there is one."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    head, newline, _ = cut.rpartition("\n")
    return (head if newline and len(head) > limit // 2 else cut) + "…"


def label(notification: Notification) -> str:
    """Return the one word in front: Down, Warning, Still down, Resolved, Test, ..."""
    known = _LABELS.get(notification.event)
    if known is not None:
        return known
    warning = notification.incident.severity is Severity.WARNING
    if notification.event is Event.REMINDER:
        return "Still a warning" if warning else "Still down"
    return "Warning" if warning else "Down"


def headline(notification: Notification, limit: int = MAX_TITLE) -> str:
    """Return what happened in one line: `Down: shop`."""
    return line(f"{label(notification)}: {notification.incident.title}", limit)


def moment(at: float) -> str:
    """Return epoch seconds as `2026-11-21 19:44:05 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(notification: Notification) -> str:
    """Return how long the incident lasted, or has lasted when this was decided."""
    incident = notification.incident
    end = incident.resolved_at if incident.resolved_at is not None else notification.at
    return humanize(max(0.0, end - incident.since))


def facts(notification: Notification) -> list[tuple[str, str]]:
    """Return (name, value) of what there is to say about the incident as a whole."""
    incident = notification.incident
    found = [("Cause", line(incident.cause))] if incident.cause else []
    found.append(("Since", moment(incident.since)))
    if incident.resolved_at is not None:
        found.append(("Resolved", f"{moment(incident.resolved_at)}, after {duration(notification)}"))
    else:
        found.append(("For", duration(notification)))
    return found


def member_line(member: Member) -> str:
    """Return a monitor of the incident in one line: `shop/database:write: down, read-only`."""
    state = "recovered" if member.resolved_at is not None else str(member.state)
    reason = line(member.reason)
    return f"{line(member.name, MAX_TITLE)}: {state}" + (f", {reason}" if reason else "")


def member_lines(incident: Incident, limit: int = MAX_MEMBERS) -> list[str]:
    """Return the monitors of the incident, a line each, at most `limit`, then a count."""
    lines = [member_line(member) for member in incident.members[:limit]]
    more = len(incident.members) - limit
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def suppressed_line(incident: Incident) -> str:
    """Return the monitors that fail with it and are not told on their own; "" when there are none."""
    if not incident.suppressed:
        return ""
    names = ", ".join(line(name, MAX_TITLE) for name in incident.suppressed[:MAX_SUPPRESSED])
    more = len(incident.suppressed) - MAX_SUPPRESSED
    return f"Affected by it: {names}" + (f", and {more:,} more" if more > 0 else "")


def output_lines(incident: Incident) -> list[tuple[str, str]]:
    """Return (monitor, its last output) of the first members that left one."""
    found = []
    for member in incident.members[:WITH_EVIDENCE]:
        output = member.evidence.get("output")
        if isinstance(output, str) and output.strip():
            last = clean(output, 4_000).strip().splitlines()[-MAX_OUTPUT_LINES:]
            found.append((line(member.name, MAX_TITLE), "\n".join(line(each) for each in last)))
    return found


def link(notification: Notification) -> str:
    """Return the incident's URL, "" when there is none that a browser should follow."""
    url = line(notification.url, 2_000)
    return url if url.startswith(("https://", "http://")) and " " not in url else ""


def body(notification: Notification) -> str:
    """Return everything but the headline and the link as plain text."""
    incident = notification.incident
    parts = ["\n".join(f"{name}: {value}" for name, value in facts(notification))]
    parts.append("\n".join(f"- {each}" for each in member_lines(incident)))
    parts.append(suppressed_line(incident))
    parts += [f"Last output of {name}:\n{text}" for name, text in output_lines(incident)]
    return "\n\n".join(part for part in parts if part)


def plain(notification: Notification) -> str:
    """Return all of it as plain text: headline, facts, monitors, evidence, link."""
    parts = (headline(notification), body(notification), link(notification))
    return "\n\n".join(part for part in parts if part) + "\n"
