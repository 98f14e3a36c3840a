"""What a run of looks that all say the same does to a state: it counts, and nothing else. Pure.

Most looks find what the one before them found. They need no judgement of their own: `counted_on` gives in
one step what `advance` would have given look by look.
"""

from __future__ import annotations

from checker.model import MonitorSpec, MonitorState, Poll, State, Verdict
from checker.rules.changed import replace
from checker.rules.poll import told_by
from checker.rules.text import clean, plain

_STANDING = ("identity", "dependsOn")  # what the door reads in a component's details


def is_settled(spec: MonitorSpec, state: MonitorState, poll: Poll) -> bool:
    """Tell whether more looks that say the same as `poll`, the last one, will change nothing but counters."""
    if poll.at != state.last_seen:
        return False  # it did not count: paused, or out of order
    if poll.verdict is Verdict.PASS:
        return state.state is State.UP and state.looks == 0
    if poll.verdict is Verdict.WARN:
        return state.state is State.WARN and state.looks == 0
    every_look = (1 << spec.fail_when[1]) - 1 if spec.fail_when else 0
    return state.state is State.DOWN and state.looks == every_look


def says_the_same(poll: Poll, last: Poll) -> bool:
    """Tell whether a look, with each of its parts, says what the last one said, but for figures."""
    if not (poll.at >= last.at and _agree(poll, last) and len(poll.components) == len(last.components)):
        return False
    for (key, part), (last_key, last_part) in zip(poll.components, last.components, strict=True):
        if key != last_key or not (part.at >= last_part.at and _agree(part, last_part)):
            return False
        new, old = part.details, last_part.details
        if any(new.get(name) != old.get(name) for name in _STANDING):
            return False
    return True


def counted_on(state: MonitorState, poll: Poll, count: int) -> MonitorState:
    """Return a settled state after `count` more looks that said the same, of which `poll` is the last."""
    failed, passed = poll.verdict is Verdict.FAIL, poll.verdict is Verdict.PASS
    return replace(
        state,
        failures=state.failures + count if failed else 0,
        successes=0 if failed else state.successes + count,
        warnings=0 if passed else state.warnings + count,
        passes=state.passes + count if passed else 0,
        last_good=state.last_good if failed else poll.at,
        last_seen=poll.at,
        latency=poll.latency if poll.latency is not None else state.latency,
        value=plain(poll.value),
        unit=clean(poll.unit, 40) if poll.unit else None,
        **told_by(state, poll),
    )


def _agree(poll: Poll, last: Poll) -> bool:
    return (
        poll.verdict is last.verdict
        and poll.cause is last.cause
        and poll.reason == last.reason
        and (poll.latency is None) is (last.latency is None)
        and (poll.origin is None) is (last.origin is None)
    )
