"""What an alert rests on: last good, exit code, durations, queue figures, the last output. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from checker.channels._words import MAX_TITLE, line, moment
from checker.model import Member
from checker.rules.text import clean
from healthkit.durations import humanize

MAX_OUTPUT_LINES = 5
MAX_FIGURES = 8
FAR_FUTURE = 32_503_680_000.0  # the year 3000: what is later is no moment of ours

Facts = tuple[tuple[str, str], ...]


def facts(member: Member, now: float) -> Facts:
    """Return (name, value) of what is known about a member that is not well, as of `now`."""
    evidence = member.evidence
    found = [
        ("last good", _past(evidence, "last_good", now)),
        ("first failure", _past(evidence, "first_failure", now)),
        ("due", _past(evidence, "due_at", now)),
        ("started", _past(evidence, "started", now)),
        ("exit code", _number(evidence, "exit_code")),
        ("HTTP status", _number(evidence, "http_status")),
        ("answered in", _span(evidence, "latency")),
        ("failures in a row", _number(evidence, "failures", least=2)),
        ("ran for", _span(evidence, "duration")),
        ("usually takes", _span(evidence, "usual_duration")),
        ("the run before took", _span(evidence, "last_duration")),
        ("reading", _reading(evidence)),
        ("waiting", _number(evidence, "backlog")),
        ("processed", _number(evidence, "processed")),
        *_figures(evidence.get("figures")),
    ]
    return tuple((name, value) for name, value in found if value)


def output(member: Member) -> str:
    """Return the last lines that a job left, "" when it left none."""
    text = member.evidence.get("output")
    if not isinstance(text, str) or not text.strip():
        return ""
    return "\n".join(line(each) for each in clean(text, 4_000).strip().splitlines()[-MAX_OUTPUT_LINES:])


def description(member: Member) -> str:
    """Return what the configuration says about the monitor, such as where its runbook is."""
    text = member.evidence.get("description")
    return line(text) if isinstance(text, str) else ""


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _past(evidence: Mapping[str, Any], key: str, now: float) -> str:
    at = _finite(evidence.get(key))
    if at is None or not 0 <= at <= FAR_FUTURE:
        return ""
    ago = f", {humanize(now - at)} before this" if now - at >= 1 else ""
    return f"{moment(at)}{ago}"


def _span(evidence: Mapping[str, Any], key: str) -> str:
    value = _finite(evidence.get(key))
    return "" if value is None or value < 0 else humanize(value)


def _number(evidence: Mapping[str, Any], key: str, *, least: float = -math.inf) -> str:
    value = _finite(evidence.get(key))
    return "" if value is None or value < least else f"{value:,.6g}"


def _reading(evidence: Mapping[str, Any]) -> str:
    value = evidence.get("value")
    if isinstance(value, Mapping):
        return ", ".join(
            f"{line(str(key), 60)} {line(str(each), 60)}" for key, each in list(value.items())[:5]
        )
    if value is None or isinstance(value, bool):
        return ""
    shown = _number(evidence, "value") or line(str(value), MAX_TITLE)
    return f"{shown} {line(str(evidence.get('unit') or ''), 40)}".strip()


def _figures(given: Any) -> list[tuple[str, str]]:
    if not isinstance(given, Mapping):
        return []
    pairs = list(given.items())[:MAX_FIGURES]
    return [
        (line(str(key), 60).replace("_", " "), _number(given, key) or line(str(value), 100))
        for key, value in pairs
    ]
