"""Counting on in one step gives what `advance` gives look by look, and only where it changes nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.model import Cause, MonitorSpec, MonitorState, Origin, Poll, State, Verdict
from checker.rules.steady import counted_on, is_settled, says_the_same
from checker.state import advance, initial
from tests.checker.judging import T0, component, endpoint

VERDICTS = st.sampled_from(Verdict)
SPECS = st.builds(
    lambda make, fail, recover, when: make(fail_after=fail, recover_after=recover, fail_when=when),
    st.sampled_from([endpoint, component]), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from([None, (1, 1), (2, 3), (3, 5)]),
)  # fmt: skip
FIGURES = st.tuples(st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=4)), st.floats(0, 9))


def lived(spec: MonitorSpec, verdicts: list[Verdict]) -> tuple[MonitorState, Poll]:
    """Return the state after looks a second apart, and the last of them."""
    state, look = initial(spec, T0), Poll(Verdict.PASS, T0)
    for number, verdict in enumerate(verdicts, 1):
        look = Poll(verdict, T0 + number, reason="" if verdict is Verdict.PASS else "so it is", latency=0.1)
        state, _ = advance(spec, state, look, look.at)
    return state, look


@given(
    SPECS,
    st.lists(VERDICTS, min_size=1, max_size=9),
    st.lists(FIGURES, min_size=1, max_size=6),
    st.booleans(),
)
@settings(max_examples=300)
def test_counting_on_is_what_judging_each_look_gives(
    spec: MonitorSpec, verdicts: list[Verdict], figures: list[tuple[object, float]], told: bool
) -> None:
    state, look = lived(spec, verdicts)
    if not is_settled(spec, state, look):
        return
    judged, look = state, replace(look, origin=Origin("web-0", 0) if told else None)
    for number, (value, latency) in enumerate(figures, 1):
        origin = Origin(f"web-{number % 2}", number) if told else None
        again = replace(look, at=look.at + number, value=value, unit="ms", latency=latency, origin=origin)
        assert says_the_same(again, look)
        judged, changes = advance(spec, judged, again, again.at)
        assert not changes
    assert counted_on(state, again, len(figures)) == judged


@given(SPECS, st.lists(VERDICTS, max_size=6), VERDICTS)
@settings(max_examples=100)
def test_what_says_the_same_for_long_settles(
    spec: MonitorSpec, before: list[Verdict], verdict: Verdict
) -> None:
    state, look = lived(spec, [*before, *[verdict] * 8])
    assert is_settled(spec, state, look)


def test_a_look_that_did_not_count_settles_nothing() -> None:
    state, look = lived(endpoint(), [Verdict.PASS] * 3)
    assert not is_settled(endpoint(), replace(state, state=State.PAUSED), replace(look, at=T0 + 4))
    assert not is_settled(endpoint(), state, replace(look, at=T0 + 1))  # it came late, out of order


PART = Poll(Verdict.PASS, T0, value=1, details={"identity": "postgres:orders", "durationMs": 3})
LOOK = Poll(Verdict.PASS, T0, latency=0.1, components=(("database:write", PART),))


def with_part(**changes: object) -> Poll:
    return replace(LOOK, components=(("database:write", replace(PART, **changes)),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        replace(LOOK, verdict=Verdict.WARN),
        replace(LOOK, cause=Cause.HTTP),
        replace(LOOK, reason="answered 503"),
        replace(LOOK, latency=None),
        replace(LOOK, at=T0 - 1),
        replace(LOOK, at=float("nan")),
        replace(LOOK, components=()),
        replace(LOOK, components=(("queue:depth", PART),)),
        replace(LOOK, components=(*LOOK.components, ("queue:depth", PART))),
        with_part(verdict=Verdict.FAIL),
        with_part(reason="40 s behind"),
        with_part(at=T0 - 1),
        with_part(details={"identity": "postgres:users"}),
        with_part(details={"identity": "postgres:orders", "dependsOn": ["dns"]}),
    ],
)
def test_what_says_something_new_is_not_counted_on(other: Poll) -> None:
    assert not says_the_same(other, LOOK)


def test_other_figures_say_the_same() -> None:
    later = with_part(at=T0 + 1, value=2, unit="ms", details={"identity": "postgres:orders", "durationMs": 9})
    assert says_the_same(replace(later, at=T0 + 1, latency=0.2, http_status=203), LOOK)
