"""Whether a document was made for this look, and lately: else a cache or a stub may have answered. Pure."""

from __future__ import annotations

from checker.probe_spec import STALE_AFTER, ProbeSpec
from healthkit.wire import Component, Document, timestamp

TOO_STALE = 3  # times as old as that is no doubt any more: what it tells is not known
_UNPROVEN = "unproven: the nonce did not come back, so a cache or a stub may have answered"


def doubts(document: Document, probe: ProbeSpec, at: float, nonce: str | None) -> tuple[list[str], bool]:
    """Return why a document may not tell how things are now, and whether that is beyond doubt.

    A document that has no time and was sent no nonce is believed: few of other makes have either.
    """
    found = []
    if nonce is not None and document.nonce != nonce:
        found.append(_UNPROVEN)
    limit = _limit(document, probe)
    if limit is None or (document.time is not None and at - document.time <= limit):
        return found, False  # the oldest reading is young enough, as it is nearly always
    limit = max(limit, TOO_STALE * min((_slowness(each) for each in document.components), default=0.0))
    age = _age(document, at)
    if age is None or age <= limit:
        return found, False
    found.append(
        f"stale, unproven: its newest reading is of {_when(at - age)}, so a cache or a stub may have "
        "answered, or its clock is wrong"
    )
    return found, age > TOO_STALE * limit


def stale(component: Component, probe: ProbeSpec, at: float) -> str:
    """Return why a component's reading is too old to count; "" where it is not, or has no time."""
    if probe.stale_after is None or component.time is None:
        return ""
    limit = max(probe.stale_after, TOO_STALE * _slowness(component))
    return f"stale: it was last read at {_when(component.time)}" if at - component.time > limit else ""


def _age(document: Document, at: float) -> float | None:
    """Return how old the newest reading is: the oldest may be that of a check that seldom runs."""
    times = [each.time for each in document.components if each.time is not None]
    if document.time is not None:
        times.append(document.time)
    return at - max(times) if times else None


def _limit(document: Document, probe: ProbeSpec) -> float | None:
    """Return how old a document may be, in seconds; None where nobody knows."""
    if probe.stale_after is None and document.instance is None and not document.dialect:
        return None  # a stranger's `time` may mean anything
    return STALE_AFTER if probe.stale_after is None else probe.stale_after


def _slowness(component: Component) -> float:
    """Return how long its document says that a reading is good for, in seconds, where that is long."""
    told = component.details.get("freshFor")
    if isinstance(told, bool) or not isinstance(told, int | float):
        return 0.0
    return min(max(float(told), 0.0), 31_622_400.0)


def _when(moment: float) -> str:
    """Return a moment as people read it. Not how long ago it was: a reason is to stay the same."""
    try:
        return timestamp(moment)[:19].replace("T", " ") + " UTC"
    except (ValueError, OverflowError, OSError):
        return "long ago"
