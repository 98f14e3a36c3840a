"""Words that came from outside, made harmless and short; and the words of our own reasons."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from checker.schedule import Schedule, local_time
from healthkit.durations import humanize

TAIL_LINES = 10
TAIL_CHARACTERS = 2_000
LINE_CHARACTERS = 300
_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Timeout|Interrupt|Exit): ")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
# Controls but tab and newline, and the marks that turn the direction of text around.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def clean(text: str, limit: int = TAIL_CHARACTERS) -> str:
    """Return text that every database, terminal and page takes: no controls, escapes or lone surrogates."""
    if text.isascii() and text.isprintable():
        return text[:limit]
    text = _INVISIBLE.sub("", _ANSI.sub("", text[: limit * 4].replace("\r\n", "\n").replace("\r", "\n")))
    return text.encode("utf-8", "replace").decode("utf-8")[:limit]


def plain(value: Any) -> Any:
    """Return an observed value as a short JSON scalar; NaN and infinities are nothing."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return clean(str(value), LINE_CHARACTERS)


def output(body: bytes) -> str:
    """Return the last lines of a ping's body; of a JSON body, those of its `output` (PulseMon: `body`)."""
    text = body.decode("utf-8", "replace")
    if text.lstrip()[:1] == "{":
        text = _json_output(text)
    lines = clean(text[-4 * TAIL_CHARACTERS :], 4 * TAIL_CHARACTERS).strip().splitlines()
    return "\n".join(lines[-TAIL_LINES:])[-TAIL_CHARACTERS:]


def last_line(text: str) -> str:
    """Return the last line that says something, cut to a length that fits into a title.

    The line of a Python exception says more than the few that some libraries print after it.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines[-4:] if _RAISED.match(line)]
    return [*lines, *raised][-1][:LINE_CHARACTERS] if lines else ""


def when(schedule: Schedule | None, at: float, now: float) -> str:
    """Return a moment and how long ago it was: `2026-11-21 02:15 CET (20 min ago)`."""
    return f"{local_time(schedule, at)} ({ago(at, now)} ago)"


def ago(at: float, now: float) -> str:
    """Return how long ago a moment was, in words; never negative."""
    return humanize(max(0.0, now - at))


def _json_output(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(document, dict):
        return text
    found = document.get("output", document.get("body", ""))
    return found if isinstance(found, str) else ""
