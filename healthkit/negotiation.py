"""Which format a caller asked for: `?format=` first, then `Accept` with its q values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from healthkit.formats import FORMATS, HTML, JSON, PLAIN_JSON, PROMETHEUS, TEXT, Format

MAX_ACCEPT = 1_000
_ORDER = {
    "application/health+json": JSON,
    "application/json": PLAIN_JSON,
    "text/plain": TEXT,
    "text/html": HTML,
}
_WILDCARDS = {"*/*": JSON, "application/*": JSON, "text/*": TEXT}


def by_name(name: str) -> Format | None:
    """Return the format that `?format=` names, or None."""
    return FORMATS.get(name.strip().lower())


@lru_cache(maxsize=64)
def by_accept(accept: str) -> Format:
    """Return the format an `Accept` header likes best, and JSON where it likes nothing that is to be had.

    A health endpoint always answers: where RFC 9110 (section 12.5.1) allows a 406, this one sends JSON.
    """
    best, best_q = JSON, 0.0
    for media_type, parameters in _ranges(accept):
        form = _ORDER.get(media_type) or _WILDCARDS.get(media_type)
        q = _quality(parameters)
        if form is not None and q > best_q:
            is_metrics = form is TEXT and "version" in parameters  # a Prometheus scraper names its version
            best, best_q = (PROMETHEUS if is_metrics else form), q
    return best


def _ranges(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each media type with its parameters: the more specific first, then in the order given."""
    ranges = []
    for part in accept.lower().split(","):
        media_type, *rest = (piece.strip() for piece in part.split(";"))
        pairs = (piece.partition("=") for piece in rest)
        ranges.append((media_type, {key.strip(): value.strip() for key, _, value in pairs}))
    return iter(sorted(ranges, key=lambda item: item[0].count("*")))


def _quality(parameters: dict[str, str]) -> float:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
