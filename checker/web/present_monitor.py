"""One monitor on a page of its own: how it stands, how it has been, and what it last said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checker.maintenance import Window
from checker.model import Change, Incident, Kind, MonitorState, State
from checker.moments import latency, span, utc
from checker.rules.uptime import Span, Uptime, spells
from checker.schedule import describe
from checker.slugs import slug
from checker.store.drills import Drill
from checker.store.figures import Figures
from checker.store.rollups import Bin
from checker.store.views import Output, Watched
from checker.verdict import LOOKS, Look, worst
from checker.web import charts
from checker.web.present_rows import address, by_state, figures_of, part_of, reading_of
from healthkit.durations import humanize

DAY = 86_400
KINDS = {
    "success": Look("ok", "success"),
    "fail": Look("bad", "failed"),
    "start": Look("mute", "start"),
    "log": Look("mute", "log"),
    "ign": Look("mute", "ignored"),
}
SOURCES = {
    "file": "the configuration",
    "api": "the API",
    "auto": "its first ping",
    "announced": "the app, which announced it",
}


@dataclass(frozen=True, slots=True)
class Known:
    """All that was read of a monitor; `watched` is its endpoint for a component, named by `full_name`."""

    watched: Watched
    full_name: str
    figures: Sequence[Figures]
    before: State  # 24 hours ago
    changes: Sequence[Change]  # the newest first
    lately: Sequence[Change]  # of the last 24 hours, in order
    blind: Sequence[Span]
    days: Mapping[int, Uptime]
    hours: Sequence[tuple[int, Bin]]
    outputs: Sequence[Output]
    durations: Sequence[float]
    incidents: Sequence[Incident]
    drills: Sequence[Drill]
    windows: Sequence[Window]
    noisy: int | None  # incidents lately, where they are too many
    prove_every: float | None = None
    public_url: str = ""


def monitor_page(known: Known, now: float) -> dict[str, Any]:
    """Return what the page shows."""
    shown = chosen(known.watched, known.full_name)
    spec, state = shown.spec, shown.state
    look = LOOKS[worst(shown)]
    opened = next((each for each in known.incidents if each.resolved_at is None), None)
    return {
        "now": now,
        "name": known.full_name,
        "kind": spec.kind.value,
        "parent": spec.parent,
        "description": spec.description,
        "look": look,
        "tone": look.tone,
        "state": state,
        "since": state.since,
        "reason": state.reason,
        "running": max(0.0, now - state.runs[0][1]) if state.runs else None,
        "facts": _facts(shown, now),
        "paused": state.state is State.PAUSED,
        "snoozed": shown.snoozed_until if (shown.snoozed_until or 0.0) > now else None,
        "incident": opened,
        "flags": _flags(known, now),
        "parts": [part_of(part) for part in by_state(shown.components)],
        "numbers": [_numbers(each) for each in known.figures],
        "timeline": charts.timeline(_spells(known, now), known.blind, now - DAY, now),
        "days": charts.days(known.days, int(now // DAY)),
        "trace": charts.trace(_durations(known, spec.kind)),
        "words": "runs" if spec.kind is Kind.HEARTBEAT else "looks",
        "changes": [_change(each) for each in known.changes],
        "outputs": [_output(each) for each in known.outputs],
        "incidents": known.incidents,
        "windows": [_window(each, now) for each in known.windows],
        "status_url": f"{known.public_url}/status/{slug(spec.parent or spec.name)}",
        "badge_url": f"{known.public_url}/badge/{slug(spec.parent or spec.name)}.svg",
    }


def chosen(watched: Watched, full_name: str) -> Watched:
    """Return the endpoint or heartbeat itself, or the component of that name."""
    parts = (part for part in watched.components if part.spec.full_name == full_name)
    return next(parts, watched)


def _facts(shown: Watched, now: float) -> list[tuple[str, str]]:
    spec, state = shown.spec, shown.state
    facts = [
        ("address", address(spec.url)),
        ("schedule", describe(spec.schedule) if spec.schedule else ""),
        ("looked at every", humanize(spec.every) if spec.kind is not Kind.HEARTBEAT else ""),
        ("reading", reading_of(state.value, state.unit)),
        ("last sign" if spec.kind is Kind.HEARTBEAT else "last look", _ago(state.last_seen, now)),
        ("last success", _ago(state.last_good, now)),
        ("last start", _ago(state.last_start, now)),
        ("last run took", "" if state.last_duration is None else humanize(state.last_duration)),
        ("answered by", _told_by(state)),
        ("answered in", "" if state.latency is None else latency(state.latency)),
        ("next due", "" if state.due_at is None or state.state is State.PAUSED else utc(state.due_at)),
        ("failures in a row", str(state.failures) if state.failures else ""),
        ("processed", "" if state.processed is None else f"{state.processed:,.0f}"),
        ("waiting", "" if state.backlog is None else f"{state.backlog:,.0f}"),
        ("figures", ", ".join(f"{name} {number:,g}" for name, number in figures_of(state.value))),
        ("depends on", ", ".join(spec.depends_on)),
        ("stands on", spec.identity),
        ("tags", ", ".join(spec.tags)),
        ("tells", "" if spec.channels is None else ", ".join(spec.channels) or "nobody"),
        ("made by", SOURCES.get(spec.source, spec.source) if not spec.parent else "its document"),
    ]
    return [(name, text) for name, text in facts if text]


def _told_by(state: MonitorState) -> str:
    """Return which process made the last document, and which of its readings that was."""
    count = "" if state.sequence is None else f"reading {state.sequence:,}"
    return ", ".join(filter(None, (state.instance, count)))


def _flags(known: Known, now: float) -> list[tuple[str, str]]:
    """Return what a person should know beside the state: (tone, text)."""
    flags = []
    if known.noisy is not None:
        text = f"Noisy: in {known.noisy} incidents within a week. Mend it, or let it wait for more failures."
        flags.append(("warn", text))
    proved = max((each.proved_at for each in known.drills if each.proved_at is not None), default=None)
    old = known.prove_every is not None and (proved is None or now - proved > known.prove_every)
    if proved is not None:
        flags.append(("warn" if old else "ok", f"Proved on {utc(proved)[:10]}, {span(now - proved)} ago."))
    elif old:
        text = f"Never proved: run healthkit-checker drill {slug(known.full_name.partition('/')[0])}."
        flags.append(("warn", text))
    return flags


def _spells(known: Known, now: float) -> Sequence[Any]:
    turns = [(each.at, each.new) for each in known.lately]
    return list(spells(known.before, turns, now - DAY, now))


def _durations(known: Known, kind: Kind) -> list[float]:
    if kind is Kind.HEARTBEAT:
        return list(known.durations)
    middle = (found.sketch.quantile(0.5) for _, found in known.hours)
    return [each for each in middle if each is not None]


def _numbers(each: Figures) -> dict[str, str]:
    share = each.uptime.share
    took = each.spread
    return {
        "label": each.label,
        "uptime": "–" if share is None else _percent(share),
        "down": span(each.uptime.down) if each.uptime.down >= 1 else "–",
        "blind": span(each.uptime.blind) if each.uptime.blind >= 1 else "–",
        "falls": f"{each.uptime.falls:,}",
        "looks": f"{took.looks:,}",
        "failures": f"{took.failures:,}",
        **{
            name: "–" if value is None else latency(value)
            for name, value in (("p50", took.p50), ("p95", took.p95), ("p99", took.p99))
        },
    }


def _percent(share: float) -> str:
    """Return a share in percent that never says 100 where something was down."""
    text = f"{share * 100:.2f}"
    return "99.99 %" if text == "100.00" and share < 1 else f"{text.rstrip('0').rstrip('.')} %"


def _change(each: Change) -> dict[str, Any]:
    return {
        "at": each.at,
        "look": LOOKS[each.new],
        "reason": each.reason,
        "lasted": each.evidence.get("lasted"),
    }


def _output(each: Output) -> dict[str, Any]:
    text = "" if each.body is None else each.body.decode("utf-8", "replace").replace("\0", "\ufffd")
    code = "" if each.exit_code is None else f"exit {each.exit_code}"
    took = "" if each.duration is None else f"took {humanize(each.duration)}"
    return {
        "n": each.n,
        "at": each.at,
        "look": KINDS.get(each.kind, Look("mute", each.kind)),
        "facts": ", ".join(filter(None, (code, took))),
        "text": text.strip(),
    }


def _window(each: Window, now: float) -> dict[str, Any]:
    return {
        "name": each.spec.name,
        "open": each.start <= now < each.end,
        "text": f"{utc(each.start)} to {utc(each.end)}",
    }


def _ago(at: float | None, now: float) -> str:
    return "" if at is None else f"{span(now - at)} ago"
