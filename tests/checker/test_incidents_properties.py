"""What holds for incidents whatever happens, and whenever it is judged."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from checker.maintenance import MaintenanceSpec
from checker.model import Event, MonitorSpec, State
from checker.rules.flapping import is_flapping
from checker.rules.storms import Storm
from checker.schedule import Cron
from tests.checker.judging import component, endpoint, heartbeat, poll
from tests.checker.test_incidents import Desk

MONITORS: dict[int, MonitorSpec] = {
    1: endpoint("shop"),
    2: component("database:write"),
    3: component("queue:depth"),
    4: heartbeat(name="a", depends_on=("shop/database:write",)),
    5: heartbeat(name="b", depends_on=("a", "c")),
    6: heartbeat(name="c", depends_on=("b",)),
    7: endpoint("api", depends_on=("shop",)),
    8: component("orders:age", parent="api", identity="postgres:orders"),
    9: component("rows:age", parent="shop", identity="postgres:orders"),
    10: endpoint("admin"),
    11: component("orders:write", parent="admin", identity="postgres:orders"),
}
WINDOWS = [MaintenanceSpec("often", Cron("*/10 * * * *"), 120.0, ("shop", "a"))]
STORMS = st.sampled_from([None, Storm(), Storm(least=3)])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(list(MONITORS)), st.sampled_from(["good", "bad", "warn", "pause", "resume"])
        ),
        st.tuples(st.just(0), st.floats(0.5, 400)),
    ),
    max_size=40,
)


def play(desk: Desk, steps: list[tuple[int, str | float]]) -> None:
    for monitor, what in steps:
        if isinstance(what, float):
            desk.judge(after=what)
            continue
        desk.now += 0.25
        if what in ("pause", "resume"):
            desk.command(monitor, what)
        elif MONITORS[monitor].url or MONITORS[monitor].parent:
            desk.see(monitor, poll({"good": "pass", "bad": "fail", "warn": "warn"}[what], desk.now))
        else:
            desk.ping(monitor, "fail" if what == "bad" else "success")


def told(desk: Desk) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event, incident in desk.told:
        found[incident.dedup_key].append(event)
    return found


@settings(max_examples=300, deadline=None)
@given(STEPS, st.booleans(), st.sampled_from([0.0, 300.0]), STORMS)
def test_every_incident_is_opened_once_and_resolved_at_most_once_after_it(
    steps: list[tuple[int, str | float]], windows: bool, settle: float, storm: Storm | None
) -> None:
    desk = Desk(MONITORS, maintenance=WINDOWS if windows else [], settle=settle, storm=storm)
    play(desk, steps)
    desk.judge()
    for events in told(desk).values():
        assert events[0] is Event.OPENED
        assert events.count(Event.OPENED) == 1
        assert Event.RESOLVED not in events[:-1]
    for incident in desk.incidents.values():
        resolved = told(desk)[incident.dedup_key].count(Event.RESOLVED)
        assert resolved == (incident.resolved_at is not None)
        assert incident.resolved_at is None or incident.resolved_at >= incident.since


@settings(max_examples=300, deadline=None)
@given(STEPS, st.booleans(), st.sampled_from([0.0, 300.0]), STORMS)
def test_once_everything_is_well_everything_is_resolved(
    steps: list[tuple[int, str | float]], windows: bool, settle: float, storm: Storm | None
) -> None:
    desk = Desk(MONITORS, maintenance=WINDOWS if windows else [], settle=settle, storm=storm)
    play(desk, steps)
    for number in MONITORS:
        play(desk, [(number, "resume"), (number, "good")])
    desk.judge()
    desk.judge(after=3600)  # what flapped has been calm for a while
    assert desk.open == []
    assert desk.judge() == []


@settings(max_examples=300, deadline=None)
@given(STEPS, st.sampled_from([0.0, 300.0]), STORMS)
def test_whatever_is_down_is_in_an_open_incident_of_its_own_or_of_what_explains_it(
    steps: list[tuple[int, str | float]], settle: float, storm: Storm | None
) -> None:
    """Nothing is lost: after the time to follow, every monitor that is not well is in an open incident."""
    desk = Desk(MONITORS, settle=settle, storm=storm)
    play(desk, steps)
    desk.judge()
    desk.judge(after=301)
    desk.judge()
    inside = {
        member.monitor_id
        for incident in desk.open
        for member in incident.members
        if member.resolved_at is None
    }
    unwell = {number for number, state in desk.states.items() if state.state in (State.DOWN, State.WARN)}
    flapping = {
        number for number, state in desk.states.items() if is_flapping(MONITORS[number], state, desk.now)
    }
    assert unwell <= inside <= unwell | flapping
    assert desk.judge(after=0) == []


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_every_fall_that_nothing_explains_is_told(steps: list[tuple[int, str | float]]) -> None:
    """Without dependencies and windows: what fell was told, also when it was over before anyone judged."""
    desk = Desk({1: heartbeat(name="x"), 2: heartbeat(name="y")})
    fell: set[str] = set()
    for number, what in steps:
        if isinstance(what, float):
            desk.judge(after=what)
        elif what in ("good", "bad"):
            monitor = 1 + number % 2
            desk.now += 0.25
            desk.ping(monitor, "fail" if what == "bad" else "success")
            fell |= {desk.monitors[monitor].name} if what == "bad" else set()
    desk.judge()
    assert {incident.group for event, incident in desk.told if event is Event.OPENED} == fell
