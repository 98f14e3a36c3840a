"""What an endpoint's conditions make of what was seen of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from checker.conditions.language import parse
from checker.conditions.seen import Seen
from checker.model import Cause, Verdict
from checker.probe_spec import ProbeSpec

Outcome = tuple[Verdict, Cause, str]


def judged(probe: ProbeSpec, seen: Seen, outcome: Outcome) -> Outcome:
    """Return the outcome with what does not hold: each failed condition in the reason, with its value."""
    broken = _failures(probe.conditions, seen)
    doubtful = _failures(probe.warn_conditions, seen)
    verdict, cause, reason = outcome
    told = "; ".join(filter(None, (reason, *broken, *doubtful)))
    if broken:
        return Verdict.FAIL, cause if verdict is Verdict.FAIL else Cause.CONDITION, told
    if doubtful and verdict is Verdict.PASS:
        return Verdict.WARN, Cause.CONDITION, told
    return verdict, cause, told


@lru_cache(maxsize=10_000)
def asks_for(conditions: tuple[str, ...], subject: str) -> bool:
    """Tell whether one of the conditions is about this subject."""
    return any(parse(each).subject == subject for each in conditions)


def _failures(conditions: Sequence[str], seen: Seen) -> list[str]:
    return [said for each in conditions if (said := parse(each).failure(seen))]
