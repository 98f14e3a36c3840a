"""Monitors, components, incidents and channels as rows of the pages. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from checker.model import Incident, State
from checker.moments import latency, span
from checker.schedule import describe
from checker.store.views import ChannelView, Watched
from checker.verdict import AFFECTED, LOOKS, TROUBLED, Look, look_of, worst
from healthkit.durations import humanize

FIGURES = 5  # of a heartbeat's own, beside what is processed and waits
PARTS = 20  # components of one endpoint, the worst first; its own page has all
REASONS = 8  # that are told of one endpoint's components


def by_badness(monitors: Iterable[Watched]) -> list[Watched]:
    """Return the worst first; among equals those that are in trouble for longest, the others by name."""

    def place(monitor: Watched) -> tuple[bool, bool, float, str]:
        state = worst(monitor)
        troubled = state in TROUBLED
        since = monitor.state.since if troubled else 0.0
        return state is not State.DOWN, not troubled, since, monitor.spec.name

    return sorted(monitors, key=place)


def by_state(monitors: Iterable[Watched]) -> list[Watched]:
    """Return what is down first, then what is degraded; by name."""
    places = {State.DOWN: 0, State.WARN: 1}
    return sorted(monitors, key=lambda m: (places.get(m.state.state, 2), m.spec.name))


def trouble_row(monitor: Watched, opened: Incident | None, now: float) -> dict[str, Any]:
    """Return what is not well of an endpoint or a heartbeat, with the incident it is in."""
    bad = [part for part in by_badness(monitor.components) if part.state.state in TROUBLED]
    own = monitor.state if monitor.state.state in TROUBLED else None
    told = [f"{part.spec.name}: {part.state.reason}" for part in bad]  # the endpoint's reason repeats one
    parts = alike(part_of(part) for part in bad)
    began = [part.state.since for part in bad] + ([own.since] if own else [])
    return {
        "name": monitor.spec.name,
        "kind": monitor.spec.kind.value,
        "state": LOOKS[worst(monitor)],
        "since": min(began, default=0.0),
        "reason": "" if own is None or own.reason in told else own.reason,
        "parts": parts[:REASONS],
        "more": sum(map(len, parts[REASONS:])),
        "incident": opened.id if opened else 0,
        "acknowledged": bool(opened and opened.acknowledged_at),
        "explains": _explained(monitor, opened),
        "explained": bool(opened and monitor.spec.name in opened.suppressed),
        "snoozed": (monitor.snoozed_until or 0.0) > now,
    }


def _explained(monitor: Watched, opened: Incident | None) -> list[str]:
    """Return what the same cause explains beside this monitor and its components."""
    if opened is None or opened.group != monitor.spec.name:
        return []
    return list(opened.suppressed[:AFFECTED])


def alike(parts: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return what is in the same state for the same reason together, in the order of the first of each."""
    found: dict[tuple[Look, str], list[dict[str, Any]]] = {}
    for each in parts:
        found.setdefault((each["state"], each["reason"]), []).append(each)
    return list(found.values())


def part_of(part: Watched) -> dict[str, Any]:
    """Return a component as a row."""
    return {
        "name": part.spec.name,
        "full_name": part.spec.full_name,
        "state": look_of(part.state),
        "since": part.state.since,
        "reason": part.state.reason,
        "reading": reading_of(part.state.value, part.state.unit),
    }


def reading_of(value: Any, unit: str | None) -> str:
    """Return a component's value in a few characters."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, float):
        value = f"{value:.4g}"
    elif isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    return f"{str(value)[:60]} {str(unit or '')[:20]}".strip()


def endpoint_row(monitor: Watched, now: float) -> dict[str, Any]:
    """Return an endpoint as a row, or as a table of its components."""
    state = monitor.state
    facts = [f"for {span(now - state.since)}"] if state.since else []
    if state.latency is not None:
        facts.append(f"answered in {latency(state.latency)}")
    if state.last_seen:
        facts.append(f"asked {span(now - state.last_seen)} ago")
    return {
        "name": monitor.spec.name,
        "address": address(monitor.spec.url),
        "state": LOOKS[state.state],
        "reason": state.reason,
        "facts": facts,
        "parts": [part_of(part) for part in by_state(monitor.components)[:PARTS]],
        "more": max(0, len(monitor.components) - PARTS),
        "count": len(monitor.components),
    }


def address(url: str) -> str:
    """Return a url without what may be secret in it: user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    path = path.split("?")[0].split("#")[0]
    return f"{scheme}{separator}{host.rpartition('@')[2].split('?')[0]}{slash}{path}"


def heartbeat_row(monitor: Watched, now: float) -> dict[str, Any]:
    """Return a job or worker as a row."""
    state, spec = monitor.state, monitor.spec
    due = "" if state.due_at is None else _due(state.due_at - now)
    progress = [] if state.processed is None else [f"{state.processed:,.0f} processed"]
    if state.backlog is not None:
        progress.append(f"{state.backlog:,.0f} waiting")
    progress += [f"{name} {number:,g}" for name, number in figures_of(state.value)]
    return {
        "name": spec.name,
        "schedule": describe(spec.schedule) if spec.schedule else "",
        "state": LOOKS[state.state],
        "running": max(0.0, now - state.runs[0][1]) if state.runs else None,
        "last_seen": state.last_seen,
        "duration": "" if state.last_duration is None else humanize(state.last_duration),
        "due": due if state.state is not State.PAUSED else "",
        "reason": state.reason,
        "progress": ", ".join(progress),
    }


def figures_of(value: Any) -> list[tuple[str, float]]:
    """Return the figures that a heartbeat's last ping gave, as many as a table cell takes."""
    return list(value.items())[:FIGURES] if isinstance(value, dict) else []


def _due(left: float) -> str:
    return f"in {span(left)}" if left >= 0 else f"{span(-left)} overdue"


def incident_row(incident: Incident) -> dict[str, Any]:
    """Return an open incident as a row."""
    names = [member.name for member in incident.members if member.resolved_at is None]
    return {
        "id": incident.id,
        "title": incident.title,
        "cause": incident.cause,
        "severity": incident.severity.value,
        "since": incident.since,
        "acknowledged_at": incident.acknowledged_at,
        "affected": names[:AFFECTED],
        "more": max(0, len(names) - AFFECTED),
    }


def channel_row(channel: ChannelView) -> dict[str, Any]:
    """Return a channel as a row."""
    look = Look("ok", "working") if channel.last_sent_at else Look("mute", "not used yet")
    if channel.broken_since is not None:
        look = Look("bad", "broken")
    elif channel.failing:
        look = Look("warn", "retrying")
    trouble = channel.broken_since is not None or channel.failing
    return {
        "name": channel.name,
        "kind": channel.kind,
        "state": look,
        "last_sent_at": channel.last_sent_at,
        "waiting": channel.waiting,
        "error": channel.last_error if trouble else "",
        "error_at": channel.last_error_at,
    }
