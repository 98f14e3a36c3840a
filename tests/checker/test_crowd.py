"""Instances behind one URL: one that fails while others pass neither hides nor makes the whole flap."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.crowd import Crowd
from checker.model import Cause, Kind, MonitorSpec, MonitorState, Origin, Poll, State, Verdict
from checker.state import advance

PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL
SPEC = MonitorSpec(Kind.ENDPOINT, "shop", fail_after=2)


def look(verdict: Verdict, at: float = 0.0, *, reason: str = "read-only") -> Poll:
    """A look at an instance whose endpoint and one component say the same."""
    cause = {PASS: Cause.NONE, WARN: Cause.DEGRADED, FAIL: Cause.FAILING}[verdict]
    said = "" if verdict is PASS else reason
    part = Poll(verdict, at, cause, said)
    return Poll(verdict, at, cause, said, components=(("database:write", part),))


def judged(looks: Iterable[tuple[str, Verdict]], crowd: Crowd | None = None) -> list[Poll]:
    crowd = crowd or Crowd()
    return [crowd.judge(look(verdict), Origin(name)) for name, verdict in looks]


def test_a_single_instance_is_judged_as_if_it_had_no_name() -> None:
    said = [look(verdict) for verdict in (PASS, FAIL, WARN, PASS)]
    crowd = Crowd()
    assert [crowd.judge(each, Origin("a")) for each in said] == said


def test_a_restarted_app_is_its_own_successor_not_a_second_instance() -> None:
    found = judged([("host:1", FAIL), ("host:1", FAIL), ("host:2", PASS), ("host:2", PASS), ("host:3", PASS)])
    assert [each.verdict for each in found] == [FAIL, FAIL, PASS, PASS, PASS]


def test_one_of_three_that_fails_is_a_steady_warning_that_names_it() -> None:
    found = judged([*[(name, PASS) for name in "abcabc"], ("b", FAIL), ("a", PASS), ("c", PASS), ("b", FAIL)])
    assert [each.verdict for each in found[6:]] == [WARN] * 4
    for each in found[6:]:
        assert each.reason == "1 of 3 instances: b: read-only"
        assert each.cause is Cause.FAILING
        assert dict(each.components)["database:write"].reason == "1 of 3 instances: b: read-only"


def test_it_is_well_again_once_that_very_instance_was_met_well() -> None:
    crowd = Crowd()
    judged([*[(name, PASS) for name in "abcabc"], ("b", FAIL), ("a", PASS)], crowd)
    found = judged([("c", PASS), ("a", PASS), ("b", PASS), ("c", PASS)], crowd)
    assert [each.verdict for each in found] == [WARN, WARN, PASS, PASS]


def test_what_all_have_in_common_fails_at_once_and_ends_soon() -> None:
    names = [f"host:{n}" for n in range(8)]
    crowd = Crowd()
    judged([(name, PASS) for name in names * 2], crowd)
    falls = judged([(name, FAIL) for name in names[:4]], crowd)
    assert [each.verdict for each in falls] == [WARN, WARN, FAIL, FAIL]
    assert falls[2].reason.startswith("3 of 8 instances: host:0: read-only; host:1: read-only; ")
    ends = judged([(name, PASS) for name in names[4:7]], crowd)
    assert [each.verdict for each in ends] == [FAIL, PASS, PASS]


def test_both_of_two_and_more_than_half_count_in_full() -> None:
    assert judged([("a", PASS), ("b", PASS), ("a", PASS), ("b", FAIL), ("a", FAIL)])[-1].verdict is FAIL
    crowd = Crowd()
    judged([(name, PASS) for name in "abcab"], crowd)
    found = judged([("a", FAIL), ("b", FAIL), ("c", PASS), ("a", FAIL), ("c", PASS)], crowd)
    assert [each.verdict for each in found] == [WARN, FAIL, FAIL, FAIL, FAIL]


def test_an_instance_that_was_shut_down_is_forgotten() -> None:
    crowd = Crowd()
    judged([*[(name, PASS) for name in "abab"], ("b", FAIL)], crowd)
    found = judged([("a", PASS)] * 15, crowd)
    assert found[0].verdict is WARN
    assert found[-1].verdict is PASS
    assert found[-1].reason == ""


def test_a_component_that_only_some_have_is_counted_among_those() -> None:
    crowd = Crowd()
    bare = Poll(PASS, 0.0)
    for _ in range(2):
        crowd.judge(look(PASS), Origin("new"))
        crowd.judge(bare, Origin("old"))
    found = crowd.judge(look(FAIL), Origin("new"))
    assert found.reason == "1 of 2 instances: new: read-only"
    assert dict(found.components)["database:write"].verdict is FAIL  # all that have it
    assert crowd.names() == {"database:write"}


def test_an_older_copy_of_what_an_instance_said_is_doubted_and_its_parts_do_not_count() -> None:
    crowd = Crowd()
    crowd.judge(look(PASS), Origin("a", 57, 1000.0))
    old = crowd.judge(look(PASS), Origin("a", 41, 900.0))
    assert (old.verdict, old.cause, old.components) == (WARN, Cause.DOCUMENT, ())
    assert "reading 41 of a came after its reading 57" in old.reason
    assert crowd.judge(look(PASS), Origin("a", 58, 1001.0)).verdict is PASS
    assert crowd.judge(look(PASS), Origin("a", 1, 1100.0)).verdict is PASS  # it began anew
    assert crowd.judge(look(PASS), Origin("a", None, None)).verdict is PASS


@pytest.mark.parametrize(("instances", "bad"), [(2, 1), (3, 1), (8, 1), (8, 2)])
def test_behind_a_balancer_that_draws_lots_a_bad_instance_neither_flaps_nor_hides(
    instances: int, bad: int
) -> None:
    chance = random.Random(7)
    crowd, state, states = Crowd(), MonitorState(), []
    for at in range(600):
        number = chance.randrange(instances)
        fails = number < bad and at > 60
        poll = crowd.judge(look(FAIL if fails else PASS, float(at)), Origin(f"host:{number}"))
        state, changes = advance(SPEC, state, poll, float(at))
        states += [(at, change.new) for change in changes]
    assert [each for _, each in states] == [State.UP, State.WARN]
    assert 60 < states[1][0] < 120


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(Verdict)), max_size=60),
    st.sampled_from("abcd"),
)
def test_whatever_came_before_all_well_for_a_while_is_well_and_all_bad_is_down(
    before: list[tuple[str, Verdict]], last: str
) -> None:
    crowd = Crowd()
    judged(before, crowd)
    well = judged([(name, PASS) for name in "abcd" * 2], crowd)[-1]
    assert (well.verdict, well.reason) == (PASS, "")
    bad = judged([(name, FAIL) for name in "abcd" * 2], crowd)[-1]
    assert bad.verdict is FAIL
    alone = judged([(last, PASS)] * 40, crowd)[-1]
    assert alone.verdict is PASS
