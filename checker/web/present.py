"""What was read from the store, turned into what a person reads: a verdict, troubles, tables. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from checker.model import Incident, Kind, Member, Severity, State
from checker.moments import latency, span, utc
from checker.schedule import describe
from checker.store.views import ChannelView, Delivery, Overview, Watched
from checker.verdict import AFFECTED, LOOKS, TROUBLED, Look, Verdict, names, verdict, worst
from healthkit.durations import humanize

FIGURES = 5  # of a heartbeat's own, beside what is processed and waits
SHOWN = 500  # working heartbeats on the page; those that are not working are always shown


DELIVERY_LOOKS = {
    "sent": Look("ok", "delivered"),
    "waiting": Look("warn", "waiting"),
    "gave up": Look("bad", "gave up"),
}
MOMENTS = 1_000_000_000.0  # a number beyond it, in evidence, is a moment in epoch seconds
DURATIONS = frozenset({"duration", "running", "usual"})


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person should know of the checker itself: a banner, or a line at the end (`quiet`)."""

    tone: str
    title: str
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the dashboard shows."""

    now: float
    verdict: Verdict
    notices: Sequence[Notice]
    tiles: Sequence[dict[str, str]]
    troubles: Sequence[dict[str, Any]]
    incidents: Sequence[dict[str, Any]]
    endpoints: Sequence[dict[str, Any]]
    heartbeats: Sequence[dict[str, Any]]
    more_heartbeats: int
    channels: Sequence[dict[str, Any]]
    recent: Sequence[Incident]
    ping_url: str
    node: str


def page(
    overview: Overview, *, now: float, notices: Iterable[Notice] = (), ping_url: str = "", node: str = ""
) -> Page:
    """Return the dashboard's content at `now`."""
    endpoints = [monitor for monitor in overview.monitors if monitor.spec.kind is Kind.ENDPOINT]
    heartbeats = [monitor for monitor in overview.monitors if monitor.spec.kind is Kind.HEARTBEAT]
    calm = [job for job in heartbeats if job.state.state not in TROUBLED]
    shown = [job for job in heartbeats if job.state.state in TROUBLED] + calm[:SHOWN]
    opened = {incident.group: incident for incident in overview.open}
    return Page(
        now=now,
        verdict=verdict(overview.monitors),
        notices=(*notices, *_broken_channels(overview)),
        tiles=_tiles(overview, endpoints, heartbeats, now),
        troubles=[
            _trouble(m, opened.get(m.spec.name))
            for m in _by_badness(overview.monitors)
            if worst(m) in TROUBLED
        ],
        incidents=[_incident(incident) for incident in overview.open],
        endpoints=[_endpoint(monitor, now) for monitor in _by_badness(endpoints)],
        heartbeats=[_heartbeat(monitor, now) for monitor in shown],
        more_heartbeats=len(heartbeats) - len(shown),
        channels=[_channel(channel) for channel in overview.channels],
        recent=overview.recent,
        ping_url=ping_url,
        node=node,
    )


def _by_badness(monitors: Iterable[Watched]) -> list[Watched]:
    """Return the worst first; among equals those that are in trouble for longest, the others by name."""

    def place(monitor: Watched) -> tuple[bool, bool, float, str]:
        state = worst(monitor)
        troubled = state in TROUBLED
        since = monitor.state.since if troubled else 0.0
        return state is not State.DOWN, not troubled, since, monitor.spec.name

    return sorted(monitors, key=place)


def _by_state(monitors: Iterable[Watched]) -> list[Watched]:
    places = {State.DOWN: 0, State.WARN: 1}
    return sorted(monitors, key=lambda m: (places.get(m.state.state, 2), m.spec.name))


def _broken_channels(overview: Overview) -> list[Notice]:
    return [
        Notice("bad", f"Channel {channel.name} is broken, nobody is told by it:", channel.last_error)
        for channel in overview.channels
        if channel.broken_since is not None
    ]


def _tiles(
    overview: Overview, endpoints: Sequence[Watched], heartbeats: Sequence[Watched], now: float
) -> list[dict[str, str]]:
    broken = [channel.name for channel in overview.channels if channel.broken_since is not None]
    sent = [channel.last_sent_at for channel in overview.channels if channel.last_sent_at is not None]
    alerts = {
        "title": "Alerts",
        "tone": "bad" if broken else "ok",
        "figure": str(len(overview.open)),
        "text": "open incident" if len(overview.open) == 1 else "open incidents",
        "note": f"broken channel: {names(broken)}" if broken else "",
    }
    if sent and not broken:
        alerts["note"] = f"last delivered {span(now - max(sent))} ago"
    return [
        _share("Availability", endpoints, "answering and able", "no endpoint yet"),
        _share("Execution", heartbeats, "jobs and workers on time", "no heartbeat yet"),
        alerts,
    ]


def _share(title: str, monitors: Sequence[Watched], words: str, none: str) -> dict[str, str]:
    states = [worst(monitor) for monitor in monitors]
    live = [state for state in states if state is not State.PAUSED]
    good = sum(state in (State.UP, State.GRACE) for state in live)
    tone = "bad" if State.DOWN in live else "warn" if State.WARN in live else "ok" if good else "mute"
    late = live.count(State.GRACE)
    quiet = live.count(State.NEW)
    notes = [f"{late} late" if late else "", f"{quiet} without a sign yet" if quiet else ""]
    paused = len(states) - len(live)
    notes.append(f"{paused} paused" if paused else "")
    if not monitors:
        return {"title": title, "tone": "mute", "figure": "", "text": none, "note": ""}
    figure = f"{good} of {len(live)}"
    return {
        "title": title,
        "tone": tone,
        "figure": figure,
        "text": words,
        "note": ", ".join(filter(None, notes)),
    }


def _trouble(monitor: Watched, opened: Incident | None) -> dict[str, Any]:
    bad = [part for part in _by_badness(monitor.components) if part.state.state in TROUBLED]
    own = monitor.state if monitor.state.state in TROUBLED else None
    told = [f"{part.spec.name}: {part.state.reason}" for part in bad]  # the endpoint's reason repeats one
    began = [part.state.since for part in bad] + ([own.since] if own else [])
    return {
        "name": monitor.spec.name,
        "kind": monitor.spec.kind.value,
        "state": LOOKS[worst(monitor)],
        "since": min(began, default=0.0),
        "reason": "" if own is None or own.reason in told else own.reason,
        "parts": [_part(part) for part in bad],
        "incident": opened.id if opened else 0,
        "acknowledged": bool(opened and opened.acknowledged_at),
    }


def _part(part: Watched) -> dict[str, Any]:
    return {
        "name": part.spec.name,
        "state": LOOKS[part.state.state],
        "since": part.state.since,
        "reason": part.state.reason,
        "reading": _reading(part.state.value, part.state.unit),
    }


def _reading(value: Any, unit: str | None) -> str:
    """Return a component's value in a few characters."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, float):
        value = f"{value:.4g}"
    elif isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    return f"{str(value)[:60]} {str(unit or '')[:20]}".strip()


def _endpoint(monitor: Watched, now: float) -> dict[str, Any]:
    state = monitor.state
    facts = [f"for {span(now - state.since)}"] if state.since else []
    if state.latency is not None:
        facts.append(f"answered in {latency(state.latency)}")
    if state.last_seen:
        facts.append(f"asked {span(now - state.last_seen)} ago")
    return {
        "name": monitor.spec.name,
        "address": _address(monitor.spec.url),
        "state": LOOKS[state.state],
        "reason": state.reason,
        "facts": facts,
        "parts": [_part(part) for part in _by_state(monitor.components)],
    }


def _address(url: str) -> str:
    """Return a url without what may be secret in it: user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    path = path.split("?")[0].split("#")[0]
    return f"{scheme}{separator}{host.rpartition('@')[2].split('?')[0]}{slash}{path}"


def _heartbeat(monitor: Watched, now: float) -> dict[str, Any]:
    state, spec = monitor.state, monitor.spec
    due = "" if state.due_at is None else _due(state.due_at - now)
    progress = [] if state.processed is None else [f"{state.processed:,.0f} processed"]
    if state.backlog is not None:
        progress.append(f"{state.backlog:,.0f} waiting")
    progress += [f"{name} {number:,g}" for name, number in _figures(state.value)]
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


def _figures(value: Any) -> list[tuple[str, float]]:
    """Return the figures that a heartbeat's last ping gave, as many as a table cell takes."""
    return list(value.items())[:FIGURES] if isinstance(value, dict) else []


def _due(left: float) -> str:
    return f"in {span(left)}" if left >= 0 else f"{span(-left)} overdue"


def _incident(incident: Incident) -> dict[str, Any]:
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


def _channel(channel: ChannelView) -> dict[str, Any]:
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


def incident_page(incident: Incident, sent: Sequence[Delivery], now: float) -> dict[str, Any]:
    """Return what an incident's own page shows."""
    over = incident.resolved_at is not None
    loud = "bad" if incident.severity is Severity.CRITICAL else "warn"
    return {
        "now": now,
        "incident": incident,
        "tone": "ok" if over else loud,
        "lasted": (incident.resolved_at if over and incident.resolved_at else now) - incident.since,
        "members": [_member(member) for member in incident.members],
        "deliveries": [{"look": DELIVERY_LOOKS[each.status], "row": each} for each in sent],
    }


def _member(member: Member) -> dict[str, Any]:
    shown = {key.replace("_", " "): _evidence(key, value) for key, value in member.evidence.items()}
    return {
        "name": member.name,
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
