"""Small words that all channels use: one line, a cut, a moment, an address that may be followed. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from checker.rules.text import clean

MAX_TITLE = 200
MAX_LINE = 400


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


def moment(at: float) -> str:
    """Return epoch seconds as `2026-11-21 19:44:05 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def address(url: str) -> str:
    """Return a URL that a browser may follow, "" when it is none."""
    found = line(url, 2_000)
    return found if found.startswith(("https://", "http://")) and " " not in found else ""
