"""From one state to the next: the one place where a `Change` is made."""

from __future__ import annotations

from typing import Any

from checker.model import Cause, Change, MonitorState, State
from checker.rules.changed import replace

Step = tuple[MonitorState, tuple[Change, ...]]
GOOD = frozenset({State.UP})
BAD = frozenset({State.DOWN, State.WARN})
FALLS_KEPT = 6


def change(
    old: MonitorState, new: MonitorState, now: float, *, cause: Cause | None = None, own: bool = True,
    **evidence: Any,
) -> Step:  # fmt: skip
    """Return the new state, and the change if it is another one; evidence that is None is left out.

    A fall that is not its `own` is that of its parts, and they are counted by themselves.
    """
    if new.state is old.state:
        return new, ()
    evidence.setdefault("last_good", old.last_good)
    evidence.setdefault("first_failure", new.first_failure or old.first_failure)
    if old.state in BAD and new.state not in BAD:
        evidence["lasted"] = max(0.0, now - old.since)
    row = Change(
        at=now,
        old=old.state,
        new=new.state,
        cause=new.cause if cause is None else cause,
        reason=new.reason,
        evidence={key: value for key, value in evidence.items() if value is not None and value != ""},
    )
    if not own:
        return replace(new, since=now), (row,)
    if new.state is State.DOWN or (new.state is State.WARN and old.state is not State.DOWN):
        return replace(new, since=now, falls=(*old.falls[1 - FALLS_KEPT :], now)), (row,)
    return replace(new, since=now), (row,)
