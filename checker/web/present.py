"""What was read from the store, turned into what a person reads: a verdict, troubles, tables. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from checker.model import Incident, Kind, State
from checker.moments import latency, span
from checker.schedule import describe
from checker.store.board import Tally
from checker.store.noise import Noisy
from checker.store.views import ChannelView, Delivery, Watched
from checker.verdict import AFFECTED, LOOKS, TROUBLED, Look, Verdict, look_of, names, summed_up, worst
from checker.web.present_incident import delivery
from healthkit.durations import humanize

FIGURES = 5  # of a heartbeat's own, beside what is processed and waits
PAGE = 50  # endpoints, jobs or incidents on one page
TROUBLES = 50  # that are told one by one
PARTS = 20  # components of one endpoint, the worst first; its own page has all
REASONS = 8  # that are told of one endpoint's components


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person should know of the checker itself: a banner, or a line at the end (`quiet`)."""

    tone: str
    title: str
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a viewer asked to see of the long lists: a part of the names, a tag, and which pages."""

    search: str = ""
    tag: str = ""
    endpoints: int = 1
    jobs: int = 1

    @property
    def asked(self) -> bool:
        """Whether something is looked for: then that is shown, and nothing else."""
        return bool(self.search or self.tag)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a long list; `pages` counts all of them, `total` all rows."""

    rows: Sequence[dict[str, Any]]
    number: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Board:
    """All that was read for the dashboard."""

    tally: Tally
    troubles: Sequence[Watched]  # the worst first, some of them
    endpoints: Sequence[Watched]
    jobs: Sequence[Watched]
    found: tuple[int, int]  # endpoints and jobs that the choice leaves
    open: Sequence[Incident]
    open_count: int
    recent: Sequence[Incident]
    channels: Sequence[ChannelView]
    owed: Sequence[Delivery]
    noisy: Sequence[Noisy]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the dashboard shows."""

    now: float
    verdict: Verdict
    notices: Sequence[Notice]
    tiles: Sequence[dict[str, str]]
    troubles: Sequence[dict[str, Any]]
    more_troubles: int
    incidents: Sequence[dict[str, Any]]
    more_incidents: int
    endpoints: Listed
    heartbeats: Listed
    choice: Choice
    grown: bool  # whether there are so many that one looks for them by name
    channels: Sequence[dict[str, Any]]
    owed: Sequence[dict[str, Any]]
    noisy: Sequence[Noisy]
    recent: Sequence[Incident]
    ping_url: str
    node: str


def page(
    board: Board,
    *,
    now: float,
    choice: Choice,
    notices: Iterable[Notice] = (),
    ping_url: str = "",
    node: str = "",
) -> Page:
    """Return the dashboard's content at `now`."""
    opened = _opened(board.open)
    troubles = board.tally.troubles
    down = [each.name for each in troubles if each.state is State.DOWN]
    return Page(
        now=now,
        verdict=summed_up(board.tally.of(), names(down)),
        notices=(*notices, *_broken_channels(board.channels)),
        tiles=_tiles(board, now),
        troubles=[_trouble(each, opened.get(each.spec.name), now) for each in board.troubles],
        more_troubles=len(troubles) - len(board.troubles),
        incidents=[_incident(incident) for incident in board.open],
        more_incidents=board.open_count - len(board.open),
        endpoints=listed(
            [_endpoint(each, now) for each in _by_badness(board.endpoints)], choice.endpoints, board.found[0]
        ),
        heartbeats=listed(
            [_heartbeat(each, now) for each in _by_badness(board.jobs)], choice.jobs, board.found[1]
        ),
        choice=choice,
        grown=board.tally.of().total() > PAGE or choice.asked,
        channels=[_channel(channel) for channel in board.channels],
        owed=[delivery(each) for each in board.owed],
        noisy=board.noisy,
        recent=board.recent,
        ping_url=ping_url,
        node=node,
    )


def _opened(found: Sequence[Incident]) -> dict[str, Incident]:
    """Return the open incident that each endpoint and heartbeat is in, by its name; its own first."""
    by_member = {
        member.name.partition("/")[0]: incident
        for incident in found
        for member in incident.members
        if member.resolved_at is None
    }
    return by_member | {incident.group: incident for incident in found}


def listed(rows: Sequence[dict[str, Any]], number: int, total: int) -> Listed:
    """Return one page of `total` rows."""
    return Listed(rows, number, max(1, -(-total // PAGE)), total)


def _by_badness(monitors: Iterable[Watched]) -> list[Watched]:
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


def _broken_channels(channels: Iterable[ChannelView]) -> list[Notice]:
    return [
        Notice("bad", f"Channel {channel.name} is broken, nobody is told by it:", channel.last_error)
        for channel in channels
        if channel.broken_since is not None
    ]


def _tiles(board: Board, now: float) -> list[dict[str, str]]:
    broken = [channel.name for channel in board.channels if channel.broken_since is not None]
    sent = [channel.last_sent_at for channel in board.channels if channel.last_sent_at is not None]
    alerts = {
        "title": "Alerts",
        "tone": "bad" if broken else "warn" if board.open_count else "ok",
        "figure": f"{board.open_count:,}",
        "text": "open incident" if board.open_count == 1 else "open incidents",
        "note": f"broken channel: {names(broken)}" if broken else "",
    }
    if sent and not broken:
        alerts["note"] = f"last delivered {span(now - max(sent))} ago"
    of = board.tally.of
    return [
        _share("Availability", of(Kind.ENDPOINT), "answering and able", "no endpoint yet"),
        _share("Execution", of(Kind.HEARTBEAT), "jobs and workers on time", "no heartbeat yet"),
        alerts,
    ]


def _share(title: str, count: Counter[State], words: str, none: str) -> dict[str, str]:
    live = count.total() - count[State.PAUSED]
    good = count[State.UP] + count[State.GRACE]
    tone = "bad" if count[State.DOWN] else "warn" if count[State.WARN] else "ok" if good else "mute"
    if not count.total():
        return {"title": title, "tone": "mute", "figure": "", "text": none, "note": ""}
    notes = ((State.GRACE, "late"), (State.NEW, "without a sign yet"), (State.PAUSED, "paused"))
    note = ", ".join(f"{count[state]:,} {word}" for state, word in notes if count[state])
    return {"title": title, "tone": tone, "figure": f"{good:,} of {live:,}", "text": words, "note": note}


def _trouble(monitor: Watched, opened: Incident | None, now: float) -> dict[str, Any]:
    bad = [part for part in _by_badness(monitor.components) if part.state.state in TROUBLED]
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


def _endpoint(monitor: Watched, now: float) -> dict[str, Any]:
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


def _heartbeat(monitor: Watched, now: float) -> dict[str, Any]:
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
