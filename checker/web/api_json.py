"""What is told as JSON: monitors, incidents, windows, uptime. Times are epoch seconds; never a secret."""

from __future__ import annotations

from typing import Any

from checker.maintenance import MaintenanceSpec, active
from checker.model import Incident, Kind, MonitorState
from checker.rules.uptime import Uptime
from checker.schedule import describe
from checker.slugs import slug as slug_of
from checker.store.figures import Figures
from checker.store.views import Watched
from checker.store.windows import OneOff


def window_json(window: OneOff, now: float) -> dict[str, Any]:
    """Return a one-off window as the API tells it."""
    return {
        "id": window.id,
        "name": window.name,
        "monitors": list(window.monitors),
        "description": window.description,
        "source": "api",
        "schedule": "",
        "start": window.start,
        "end": window.end,
        "open": window.start <= now < window.end,
    }


def recurring_json(spec: MaintenanceSpec, now: float) -> dict[str, Any]:
    """Return a recurring window as the API tells it."""
    window = active(spec, now)
    return {
        "id": None,
        "name": spec.name,
        "monitors": list(spec.monitors),
        "description": spec.description,
        "source": "file",
        "schedule": describe(spec.schedule),
        "start": window.start if window else None,
        "end": window.end if window else None,
        "open": window is not None,
    }


def uptime_json(name: str, found: Uptime, start: float, end: float) -> dict[str, Any]:
    """Return a monitor's uptime as the API tells it."""
    return {
        "name": name,
        "start": start,
        "end": end,
        "uptime": found.share,
        "up_seconds": found.up,
        "warn_seconds": found.warn,
        "down_seconds": found.down,
        "uncounted_seconds": found.uncounted,
        "blind_seconds": found.blind,
        "paused_seconds": found.paused,
        "maintenance_seconds": found.maintenance,
        "falls": found.falls,
    }


def standing_json(name: str, state: MonitorState) -> dict[str, Any]:
    """Return where something stands."""
    return {
        "name": name,
        "state": state.state,
        "since": state.since,
        "reason": state.reason,
        "cause": state.cause,
    }


def component_json(part: Watched) -> dict[str, Any]:
    """Return a component as the API tells it."""
    return {
        **standing_json(part.spec.name, part.state),
        "full_name": part.spec.full_name,
        "endpoint": part.spec.parent,
        "value": part.state.value,
        "unit": part.state.unit,
        "last_seen": part.state.last_seen,
        "last_good": part.state.last_good,
    }


def monitor_json(watched: Watched) -> dict[str, Any]:
    """Return an endpoint or a heartbeat as the API tells it; never its URL, headers or tokens."""
    spec, state = watched.spec, watched.state
    return {
        **standing_json(spec.name, state),
        "kind": spec.kind,
        "slug": spec.slug or slug_of(spec.name),
        "source": spec.whose,
        "tags": list(spec.tags),
        "channels": None if spec.channels is None else list(spec.channels),
        "depends_on": list(spec.depends_on),
        "description": spec.description,
        "schedule": describe(spec.schedule) if spec.schedule else "",
        "failures": state.failures,
        "last_seen": state.last_seen,
        "last_good": state.last_good,
        "started": state.started,
        "last_start": state.last_start,
        "last_duration": state.last_duration,
        "due_at": state.due_at,
        "pings": state.pings,
        "processed": state.processed,
        "backlog": state.backlog,
        "metrics": state.value if spec.kind is Kind.HEARTBEAT and isinstance(state.value, dict) else {},
        "latency": state.latency,
        "instance": state.instance or None,
        "sequence": state.sequence,
        "snoozed_until": watched.snoozed_until,
        "components": [component_json(part) for part in watched.components],
    }


def figures_json(each: Figures) -> dict[str, Any]:
    """Return the numbers of one span."""
    spread = each.spread
    return {
        "label": each.label,
        "since": each.start,
        "uptime": each.uptime.share,
        "up_seconds": each.uptime.up,
        "down_seconds": each.uptime.down,
        "uncounted_seconds": each.uptime.uncounted,
        "blind_seconds": each.uptime.blind,
        "falls": each.uptime.falls,
        "counted_since": spread.since,
        "count": spread.looks,
        "failures": spread.failures,
        "p50": spread.p50,
        "p95": spread.p95,
        "p99": spread.p99,
    }


def incident_json(incident: Incident) -> dict[str, Any]:
    """Return an incident as the API tells it; times are epoch seconds."""
    return {
        "id": incident.id,
        "dedup_key": incident.dedup_key,
        "title": incident.title,
        "cause": incident.cause,
        "severity": incident.severity.value,
        "since": incident.since,
        "resolved_at": incident.resolved_at,
        "acknowledged_at": incident.acknowledged_at,
        "snoozed_until": incident.snoozed_until,
        "suppressed": list(incident.suppressed),
        "monitors": [
            {
                "name": member.name,
                "state": member.state.value,
                "cause": member.cause.value,
                "reason": member.reason,
                "since": member.since,
                "resolved_at": member.resolved_at,
            }
            for member in incident.members
        ],
    }
