"""What holds for every sequence of observations, and a slow obvious reference that agrees."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from checker.model import (
    Blind,
    Change,
    Command,
    Deadline,
    MonitorSpec,
    MonitorState,
    Observation,
    Ping,
    PingKind,
    Poll,
    State,
    Verdict,
)
from checker.schedule import Cron, Every, OnCalendar
from checker.state import advance, caught_up, initial
from tests.checker.judging import T0, Life, component, endpoint, heartbeat, ping

NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-5, 100).map(float))
OFFSETS = st.one_of(
    st.floats(-90_000, 90_000), st.integers(-600, 600).map(float), st.sampled_from([0.0, 60.0, 1e308])
)
RIDS = st.sampled_from(["", "", "a", "b", "c"])
BODIES = st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"exit\nline", b'{"output": 5}', b"[" * 30]))
SCHEDULES = st.sampled_from(
    [
        Every(60.0),
        Every(3600.0),
        Cron("*/5 * * * *"),
        Cron("0 2 * * *", "Europe/Berlin"),
        OnCalendar("2026-01-01"),
        None,
    ]
)
HEARTBEATS = st.builds(
    heartbeat, schedule=SCHEDULES, grace=st.sampled_from([0.0, 60.0, 3600.0]), fail_after=st.integers(1, 3),
    recover_after=st.integers(1, 3), max_runtime=st.sampled_from([None, 0.0, 90.0]),
    min_runtime=st.sampled_from([None, 5.0]), stalled_after=st.sampled_from([None, 120.0]),
    source=st.sampled_from(["file", "api"]),
)  # fmt: skip
ENDPOINTS = st.builds(
    lambda make, fail, recover: make(fail_after=fail, recover_after=recover),
    st.sampled_from([endpoint, component]), st.integers(1, 3), st.integers(1, 3),
)  # fmt: skip
SPECS = st.one_of(HEARTBEATS, ENDPOINTS)


@st.composite
def observations(draw: st.DrawFn, now: float) -> Observation:
    """Anything that may arrive at `now`, the nonsense included."""
    at = now + draw(OFFSETS)
    match draw(st.integers(0, 5)):
        case 0 | 1:
            return Ping(
                draw(st.sampled_from(PingKind)), draw(st.sampled_from([now, at, math.nan])), rid=draw(RIDS),
                exit_code=draw(st.sampled_from([None, 0, 3])), body=draw(BODIES), processed=draw(NUMBERS),
                backlog=draw(NUMBERS),
            )  # fmt: skip
        case 2:
            text, value = draw(st.text(max_size=8)), draw(st.one_of(st.none(), st.text(max_size=3), NUMBERS))
            return Poll(
                draw(st.sampled_from(Verdict)), draw(st.sampled_from([now, at])), reason=text, value=value
            )
        case 3:
            return Deadline(at)
        case 4:
            return Blind(at, draw(st.sampled_from([now, at + 1, at])))
        case _:
            return Command(
                draw(st.sampled_from(["pause", "resume", "dance"])), now, draw(st.text(max_size=3))
            )


@st.composite
def lives(draw: st.DrawFn) -> tuple[MonitorSpec, list[tuple[float, Observation]]]:
    """A monitor and what happened to it; the clock mostly goes on, and sometimes jumps."""
    now, story = T0, []
    for _ in range(draw(st.integers(1, 30))):
        now += draw(
            st.one_of(st.floats(0, 200), st.sampled_from([0.0, 60.0, 3600.0, 90_000.0, -3600.0, -1.0]))
        )
        story.append((now, draw(observations(now))))
    return draw(SPECS), story


def replay(
    spec: MonitorSpec, story: list[tuple[float, Observation]]
) -> list[tuple[MonitorState, tuple[Change, ...]]]:
    state, steps = initial(spec, T0), []
    for now, observation in story:
        state, changes = advance(spec, state, observation, now)
        steps.append((state, changes))
    return steps


@settings(max_examples=200)
@given(lives())
def test_no_story_tells_of_two_falls_without_a_way_out_between_them(
    life: tuple[MonitorSpec, list[tuple[float, Observation]]],
) -> None:
    """Changes form one unbroken chain that ends in the state, and each leads somewhere else."""
    spec, story = life
    at = State.NEW
    for state, changes in replay(spec, story):
        assert len(changes) <= 1
        for change in changes:
            assert change.old is at
            assert change.new is not at
            at = change.new
        assert state.state is at


@settings(max_examples=120)
@given(lives())
def test_every_story_is_told_the_same_twice_and_fits_into_the_store(
    life: tuple[MonitorSpec, list[tuple[float, Observation]]],
) -> None:
    spec, story = life
    steps = replay(spec, story)
    assert steps == replay(spec, story)
    for state, changes in steps:
        json.dumps(asdict(state), allow_nan=False).encode("utf-8")
        for change in changes:
            text = json.dumps([change.reason, dict(change.evidence)], allow_nan=False, ensure_ascii=False)
            assert "\0" not in change.reason
            text.encode("utf-8")


@settings(max_examples=120)
@given(lives())
def test_the_deadline_is_a_moment_and_asking_at_it_gets_somewhere(
    life: tuple[MonitorSpec, list[tuple[float, Observation]]],
) -> None:
    """None while down or paused; else asking at the deadline ends in down within two steps."""
    spec, story = life
    state, _ = replay(spec, story)[-1]
    if state.state in (State.DOWN, State.PAUSED):
        assert state.deadline is None
    for _ in range(3):
        if state.deadline is None:
            break
        assert math.isfinite(state.deadline)
        state, _ = advance(spec, state, Deadline(state.deadline), state.deadline)
    assert state.deadline is None


@settings(max_examples=120)
@given(lives(), st.floats(0, 1e6), st.floats(0, 1e6))
def test_blind_time_changes_nothing_and_brings_no_deadline_nearer(
    life: tuple[MonitorSpec, list[tuple[float, Observation]]], ago: float, length: float
) -> None:
    spec, story = life
    state, _ = replay(spec, story)[-1]
    end = story[-1][0] + length
    after, changes = advance(spec, state, Blind(end - length - ago, end), end)
    assert changes == ()
    assert after.state is state.state
    if state.deadline is not None:
        assert after.deadline is not None
        assert after.deadline >= state.deadline


@settings(max_examples=100)
@given(lives(), st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)), max_size=4), st.integers(0, 4))
def test_to_be_told_of_blind_times_late_or_in_parts_is_as_good_as_at_once(
    life: tuple[MonitorSpec, list[tuple[float, Observation]]], spans: list[tuple[float, float]], some: int
) -> None:
    spec, story = life
    state, _ = replay(spec, story)[-1]
    now, times = max(state.since, story[-1][0]), list[Blind]()
    for seen, length in spans:
        times.append(Blind(now + seen, now + seen + length, len(times) + 1))
        now = times[-1].end
    once = state
    for each in times:
        once, _ = advance(spec, once, each, each.end)
    late = caught_up(spec, caught_up(spec, state, times[:some]), times)
    assert late == once
    assert caught_up(spec, late, times) is late


@settings(max_examples=120)
@given(lives(), st.floats(0, 1e6))
def test_a_deadline_asked_too_early_brings_nothing_down(
    life: tuple[MonitorSpec, list[tuple[float, Observation]]], early: float
) -> None:
    spec, story = life
    state, _ = replay(spec, story)[-1]
    if state.deadline is not None:
        now = math.nextafter(state.deadline, -math.inf) - early
        assert advance(spec, state, Deadline(now), now) == (state, ())


# A slow obvious reference for heartbeats with an interval: it looks at the whole history at each moment.

STORIES = st.lists(
    st.tuples(st.sampled_from(["success", "fail"]), st.integers(1, 500)), min_size=1, max_size=12
)


def expected_falls(story: list[tuple[str, int]], every: int, grace: int, until: int) -> list[tuple[int, str]]:
    """Second by second: down when it said fail, or the last sign is older than interval and grace."""
    signs: dict[int, str] = {}
    moment = 0
    for kind, gap in story:
        moment += gap
        signs[moment] = kind
    down, last, falls = False, 0, []
    for second in range(moment + until):
        if second - last >= every + grace and not down:
            falls.append((second, "missed"))
            down = True
        if second in signs:
            last = second
            if signs[second] == "fail" and not down:
                falls.append((second, "failed"))
            down = signs[second] == "fail"
    return falls


@settings(max_examples=200, deadline=None)
@given(STORIES, st.sampled_from([30, 60, 200]), st.sampled_from([0, 10, 100]))
def test_the_falls_are_those_of_a_slow_obvious_reference(
    story: list[tuple[str, int]], every: int, grace: int
) -> None:
    life = Life(heartbeat(schedule=Every(float(every)), grace=float(grace)))
    for kind, gap in story:
        life.ping(kind, after=gap)
    life.wait(999)
    told = [(change.at - T0, str(change.cause)) for change in life.changes if change.new is State.DOWN]
    assert told == [(float(at), why) for at, why in expected_falls(story, every, grace, 1000)]


def expected_states(verdicts: str, fail_after: int, recover_after: int) -> list[str]:
    """Look by look, from the whole tail of the history."""
    state, states = "new", []
    for end in range(1, len(verdicts) + 1):
        tail = verdicts[:end]

        def last(count: int, letters: str, tail: str = tail) -> bool:
            return len(tail) >= count and all(letter in letters for letter in tail[-count:])

        if last(fail_after, "f"):
            state = "down"
        elif state == "down":
            if last(recover_after, "pw"):
                state = "up" if tail[-1] == "p" else "warn"
        elif last(fail_after, "fw"):
            state = "warn"
        elif tail[-1] == "p" and (state != "warn" or last(recover_after, "p")):
            state = "up"
        states.append(state)
    return states


@settings(max_examples=120)
@given(st.text("pwf", min_size=1, max_size=20), st.integers(1, 3), st.integers(1, 3))
def test_the_states_of_an_endpoint_are_those_of_a_slow_obvious_reference(
    verdicts: str, fail_after: int, recover_after: int
) -> None:
    life = Life(endpoint(fail_after=fail_after, recover_after=recover_after))
    assert life.polls(verdicts) == expected_states(verdicts, fail_after, recover_after)


@given(st.permutations([("success", 100.0), ("success", 160.0), ("start", 210.0), ("success", 220.0)]))
def test_late_or_in_order_the_same_successes_end_in_the_same_expectation(
    arrivals: list[tuple[str, float]],
) -> None:
    life = Life(heartbeat())
    for kind, at in arrivals:
        life.see(ping(kind, T0 + at), T0 + 230)
    state = life.state
    assert (state.state, state.due_at, state.last_good) == (State.UP, T0 + 280, T0 + 220)
    assert state.pings == 4
