"""What is told, and what is not: changes, levels and open incidents in; decisions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from checker.incidents import Decision, judge
from checker.maintenance import MaintenanceSpec
from checker.model import (
    Cause,
    Change,
    Command,
    Deadline,
    Event,
    Incident,
    MonitorSpec,
    MonitorState,
    Severity,
    State,
)
from checker.rules.reminders import Reminders
from checker.schedule import Cron
from checker.state import advance, initial
from tests.checker.judging import T0, component, endpoint, heartbeat, ping, poll

SHOP, WRITE, PAYMENTS, WORKER, NIGHTLY = 1, 2, 3, 4, 5
MONITORS: dict[int, MonitorSpec] = {
    SHOP: endpoint("shop"),
    WRITE: component("database:write"),
    PAYMENTS: component("payments:responseTime"),
    WORKER: heartbeat(name="worker"),
    NIGHTLY: heartbeat(name="nightly", depends_on=("shop/database:write",)),
}


class Desk:
    """The assembler's part, in memory: keeps incidents, hands changes over once, remembers what was told."""

    def __init__(self, monitors: dict[int, MonitorSpec] | None = None, **settings: Any) -> None:
        self.monitors = dict(MONITORS if monitors is None else monitors)
        self.now = T0
        self.states: dict[int, MonitorState] = {
            number: replace(initial(spec, T0), state=State.UP) for number, spec in self.monitors.items()
        }
        self.settings = {"settle": 0.0, **settings}
        self.waiting: list[Change] = []
        self.incidents: dict[int, Incident] = {}
        self.told: list[tuple[Event, Incident]] = []
        self.judged: float | None = None
        self._changes = 0

    def see(self, monitor: int, observation: Any) -> None:
        self.states[monitor], changes = advance(
            self.monitors[monitor], self.states[monitor], observation, self.now
        )
        for change in changes:
            self._changes += 1
            self.waiting.append(replace(change, monitor_id=monitor, id=self._changes))

    def poll(self, **verdicts: str) -> None:
        """One look at the shop, all in one transaction: `poll(shop="fail", write="fail")`."""
        for name, verdict in verdicts.items():
            number = {"shop": SHOP, "write": WRITE, "payments": PAYMENTS}[name]
            self.see(number, poll(verdict, self.now, reason=f"{name} says {verdict}"))

    def ping(self, monitor: int, kind: str = "success") -> None:
        self.see(monitor, ping(kind, self.now, exit_code=1 if kind == "fail" else None))

    def command(self, monitor: int, verb: str) -> None:
        self.see(monitor, Command(verb, self.now))

    @property
    def open(self) -> list[Incident]:
        return [incident for incident in self.incidents.values() if incident.resolved_at is None]

    def judge(self, after: float = 1.0) -> list[Decision]:
        self.now += after
        changes, self.waiting = self.waiting, []
        decisions = judge(
            self.open,
            changes,
            self.monitors,
            states=self.states,
            now=self.now,
            last_judged=self.judged,
            **self.settings,
        )
        for decision in decisions:
            incident = decision.incident
            if incident.id == 0:
                assert all(each.dedup_key != incident.dedup_key for each in self.incidents.values())
                incident = replace(incident, id=len(self.incidents) + 1)
            self.incidents[incident.id] = incident
            if decision.event is not None:
                self.told.append((decision.event, incident))
        groups = [incident.group for incident in self.open]
        assert len(groups) == len(set(groups)), "two open incidents of one group"
        self.judged = self.now
        return decisions

    @property
    def events(self) -> list[str]:
        return [f"{event} {incident.group}" for event, incident in self.told]

    @property
    def last(self) -> Incident:
        return self.told[-1][1]


def names(members: Sequence[Any]) -> list[str]:
    return sorted(member.name for member in members)


def test_an_endpoint_and_its_component_that_fall_together_are_one_message_naming_the_component() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail", payments="pass")
    desk.judge()
    assert desk.events == ["opened shop"]
    incident = desk.last
    assert incident.title == "shop: database:write is failing"
    assert incident.cause == "write says fail"
    assert incident.severity is Severity.CRITICAL
    assert names(incident.members) == ["shop", "shop/database:write"]
    assert incident.dedup_key == "healthkit-shop-1"
    assert incident.since == T0
    desk.poll(shop="pass", write="pass")
    desk.judge()
    assert desk.events == ["opened shop", "resolved shop"]
    assert desk.last.resolved_at == desk.now
    assert desk.last.dedup_key == "healthkit-shop-1"
    assert desk.last.title == "shop: database:write is failing"
    assert {member.state for member in desk.last.members} == {State.UP}


def test_nothing_new_is_nothing_told() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail")
    desk.judge()
    for _ in range(5):
        desk.poll(shop="fail", write="fail")
        assert desk.judge() == []


def test_two_unrelated_jobs_that_fail_at_once_are_two_incidents() -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.poll(shop="fail")
    desk.judge()
    assert desk.events == ["opened shop", "opened worker"]
    assert [incident.title for _, incident in desk.told] == ["shop is failing", "worker failed"]


def test_a_degraded_component_is_a_warning() -> None:
    desk = Desk()
    desk.poll(shop="warn", write="warn")
    desk.judge()
    assert desk.last.severity is Severity.WARNING
    assert desk.last.title == "shop: database:write is degraded"


def test_a_non_critical_component_that_is_down_is_a_warning_with_that_component_as_its_cause() -> None:
    desk = Desk()
    desk.poll(shop="warn", payments="fail")
    desk.judge()
    assert desk.events == ["opened shop"]
    assert desk.last.severity is Severity.WARNING
    assert desk.last.title == "shop: payments:responseTime is failing"


def test_an_incident_is_told_again_only_when_it_gets_worse() -> None:
    desk = Desk()
    desk.poll(shop="warn", payments="fail", write="pass")
    desk.judge()
    desk.poll(shop="fail", write="fail")
    desk.judge()
    assert desk.events == ["opened shop", "updated shop"]
    assert desk.last.severity is Severity.CRITICAL
    assert desk.last.title == "shop: payments:responseTime and 1 more are failing"
    desk.poll(shop="warn", write="pass")
    desk.judge()
    assert desk.events == ["opened shop", "updated shop"]
    assert desk.open[0].severity is Severity.WARNING
    desk.poll(shop="pass", payments="pass")
    desk.judge()
    assert desk.events == ["opened shop", "updated shop", "resolved shop"]


def test_another_component_that_falls_is_told_though_it_is_as_bad_already() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail")
    desk.judge()
    desk.poll(payments="fail")
    desk.judge()
    assert desk.events == ["opened shop", "updated shop"]


def test_a_whole_that_cannot_be_reached_is_the_title_whatever_its_parts_were() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail")
    desk.judge()
    desk.states[SHOP] = replace(desk.states[SHOP], cause=Cause.UNREACHABLE, reason="connection refused")
    desk.judge()
    assert desk.open[0].title == "shop cannot be reached"
    assert desk.events == ["opened shop"]


def test_a_fall_that_is_over_before_anyone_judged_is_told_and_then_resolved() -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.ping(WORKER)
    desk.judge()
    assert desk.events == ["opened worker"]
    desk.judge()
    assert desk.events == ["opened worker", "resolved worker"]


def test_grace_new_and_the_first_good_look_are_no_news() -> None:
    desk = Desk()
    desk.states[SHOP] = initial(MONITORS[SHOP], T0)
    desk.poll(shop="pass")
    desk.states[WORKER] = replace(desk.states[WORKER], state=State.GRACE)
    desk.waiting.append(Change(T0, State.UP, State.GRACE, monitor_id=WORKER, id=99))
    assert desk.judge() == []


def test_a_lost_change_is_made_good_by_the_levels() -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.waiting.clear()
    desk.judge()
    assert desk.events == ["opened worker"]
    assert desk.last.dedup_key.startswith("healthkit-worker-t")
    assert desk.last.members[0].evidence == {"first_failure": T0}


def test_evidence_of_the_fall_travels_with_the_member() -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.judge()
    assert desk.last.members[0].evidence["exit_code"] == 1


# --- what explains what -----------------------------------------------------------------------------


def test_what_a_dependency_explains_is_attached_and_not_told() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail")
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    assert desk.events == ["opened shop"]
    assert desk.last.suppressed == ("nightly",)
    assert "nightly" in names(desk.last.members)


def test_a_child_that_falls_later_joins_quietly_and_its_recovery_is_recorded() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail")
    desk.judge()
    desk.ping(NIGHTLY, "fail")
    (decision,) = desk.judge()
    assert decision.event is None
    assert decision.incident.suppressed == ("nightly",)
    desk.ping(NIGHTLY)
    (decision,) = desk.judge()
    assert decision.event is None
    assert decision.incident.suppressed == ()
    recovered = [member for member in decision.incident.members if member.name == "nightly"]
    assert recovered[0].resolved_at == desk.now
    desk.poll(shop="pass", write="pass")
    desk.judge()
    assert desk.events == ["opened shop", "resolved shop"]


def test_a_child_that_stays_down_after_its_dependency_recovered_is_told_then() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail")
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    desk.poll(shop="pass", write="pass")
    desk.judge()
    assert desk.events == ["opened shop", "opened nightly", "resolved shop"]


def test_a_child_is_given_a_while_to_follow_its_dependency() -> None:
    desk = Desk(settle=300.0)
    desk.poll(shop="fail", write="fail")
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    desk.poll(shop="pass", write="pass")
    desk.judge()
    desk.judge(after=200)
    assert desk.events == ["opened shop", "resolved shop"]
    desk.judge(after=100)
    assert desk.events == ["opened shop", "resolved shop", "opened nightly"]


def test_a_child_that_falls_before_anyone_looked_at_its_dependency_waits_for_that_look() -> None:
    desk = Desk(settle=300.0)
    desk.poll(shop="pass", write="pass")
    desk.now += 1
    desk.ping(NIGHTLY, "fail")
    assert desk.judge() == []
    for _ in range(2):
        desk.now += 10
        desk.poll(shop="fail", write="fail")
    desk.judge()
    assert [(event, incident.group) for event, incident in desk.told] == [(Event.OPENED, "shop")]
    assert desk.last.suppressed == ("nightly",)


def test_a_child_waits_too_for_a_dependency_that_nobody_has_seen_well_yet() -> None:
    desk = Desk(settle=300.0)
    for number in (SHOP, WRITE):
        desk.states[number] = initial(desk.monitors[number], desk.now)
    desk.ping(NIGHTLY, "fail")
    assert desk.judge() == []
    desk.poll(shop="fail", write="fail")
    desk.judge()
    assert [(event, incident.group) for event, incident in desk.told] == [(Event.OPENED, "shop")]


def test_a_child_that_falls_while_the_judge_was_on_its_way_waits_all_the_same() -> None:
    """The judge's moment is taken before it reads, and the fall may be committed in between."""
    desk = Desk(settle=300.0)
    desk.poll(shop="pass", write="pass")
    desk.now += 1
    desk.ping(NIGHTLY, "fail")
    assert desk.judge(after=-0.5) == []


def test_a_child_whose_dependency_is_seen_well_after_its_fall_is_told_then() -> None:
    desk = Desk(settle=300.0)
    desk.poll(shop="pass", write="pass")
    desk.now += 1
    desk.ping(NIGHTLY, "fail")
    assert desk.judge() == []
    desk.now += 10
    desk.poll(shop="pass", write="pass")
    desk.judge()
    assert [(event, incident.group) for event, incident in desk.told] == [(Event.OPENED, "nightly")]


def test_a_child_does_not_wait_for_ever_for_a_look_that_never_comes() -> None:
    desk = Desk(settle=300.0)
    desk.poll(shop="pass", write="pass")
    desk.now += 1
    desk.ping(NIGHTLY, "fail")
    assert desk.judge() == []
    desk.judge(after=61)
    assert desk.events == ["opened nightly"]


def test_a_database_with_twelve_jobs_behind_it_is_one_message_and_twelve_recoveries() -> None:
    jobs = {100 + n: heartbeat(name=f"job-{n:02}", depends_on=("shop/database:write",)) for n in range(12)}
    desk = Desk({**MONITORS, **jobs}, settle=300.0)
    desk.poll(shop="fail", write="fail")
    for job in jobs:
        desk.ping(job, "fail")
    desk.judge()
    desk.poll(shop="pass", write="pass")
    desk.judge()
    for job in jobs:
        desk.ping(job)
        desk.judge(after=5)
    desk.judge(after=1000)
    assert desk.events == ["opened shop", "resolved shop"]
    assert len(desk.told[0][1].suppressed) == 12


def test_a_child_with_an_incident_of_its_own_is_no_longer_listed_with_its_former_cause() -> None:
    desk = Desk()
    desk.poll(shop="fail", write="fail", payments="fail")
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    desk.poll(write="pass")
    desk.judge()
    assert desk.events == ["opened shop", "opened nightly"]
    shop = next(incident for incident in desk.open if incident.group == "shop")
    assert shop.suppressed == ()
    assert shop.title == "shop: payments:responseTime is failing"


def test_a_chain_of_dependencies_ends_at_its_root() -> None:
    monitors = {
        1: heartbeat(name="disk"),
        2: heartbeat(name="database", depends_on=("disk",)),
        3: heartbeat(name="jobs", depends_on=("database",)),
    }
    desk = Desk(monitors)
    for number in (3, 2, 1):
        desk.ping(number, "fail")
    desk.judge()
    assert desk.events == ["opened disk"]
    assert desk.last.suppressed == ("database", "jobs")


def test_a_circle_of_dependencies_hangs_nothing_and_tells_one() -> None:
    monitors = {
        1: heartbeat(name="a", depends_on=("c",)),
        2: heartbeat(name="b", depends_on=("a",)),
        3: heartbeat(name="c", depends_on=("b",)),
        4: heartbeat(name="d", depends_on=("b", "d", "nobody")),
    }
    desk = Desk(monitors)
    for number in monitors:
        desk.ping(number, "fail")
    desk.judge()
    assert desk.events == ["opened a"]
    assert desk.last.suppressed == ("b", "c", "d")


def test_a_component_needs_what_its_endpoint_needs_and_its_own_group_explains_nothing() -> None:
    monitors = {
        1: heartbeat(name="database"),
        2: endpoint("api", depends_on=("database", "api/orders:age")),
        3: component("orders:age", parent="api"),
    }
    desk = Desk(monitors)
    desk.see(3, poll("fail", T0))
    desk.judge()
    assert desk.events == ["opened api"]
    desk = Desk(monitors)
    desk.ping(1, "fail")
    desk.see(2, poll("fail", T0))
    desk.see(3, poll("fail", T0))
    desk.judge()
    assert desk.events == ["opened database"]
    assert desk.last.suppressed == ("api", "api/orders:age")


def test_a_warning_explains_nothing() -> None:
    desk = Desk()
    desk.poll(shop="warn", write="warn")
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    assert desk.events == ["opened nightly", "opened shop"]


def test_a_child_with_an_open_incident_keeps_it_when_its_dependency_falls_later() -> None:
    desk = Desk()
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    desk.poll(shop="fail", write="fail")
    desk.judge()
    desk.ping(NIGHTLY)
    desk.judge()
    assert desk.events == ["opened nightly", "opened shop", "resolved nightly"]


# --- maintenance, pauses, removals ------------------------------------------------------------------

WINDOW = MaintenanceSpec("window", Cron("0 * * * *"), 600.0, ("shop", "worker"))  # T0 is a full hour


def test_under_maintenance_nothing_is_told_and_what_stays_down_is_told_when_it_ends() -> None:
    desk = Desk(maintenance=[WINDOW])
    desk.poll(shop="fail", write="fail")
    desk.ping(WORKER, "fail")
    desk.judge()
    desk.poll(shop="pass", write="pass")
    desk.judge()
    assert desk.events == []
    desk.judge(after=600)
    assert desk.events == ["opened worker"]


def test_a_recovery_from_before_the_window_is_told_within_it() -> None:
    desk = Desk(maintenance=[WINDOW])
    desk.now = T0 - 60
    desk.poll(shop="fail", write="fail")
    desk.judge()
    desk.now = T0 + 60
    desk.poll(shop="pass", write="pass", payments="fail")
    desk.judge()
    assert desk.events == ["opened shop", "resolved shop"]


def test_a_blip_within_a_window_is_not_told_after_it() -> None:
    desk = Desk(maintenance=[WINDOW])
    desk.ping(WORKER, "fail")
    desk.now += 30
    desk.ping(WORKER)
    desk.judge(after=700)
    assert desk.events == []


def test_what_hangs_on_a_dependency_in_maintenance_is_silent_too() -> None:
    desk = Desk(maintenance=[WINDOW])
    desk.poll(shop="fail", write="fail")
    desk.ping(NIGHTLY, "fail")
    desk.judge()
    assert desk.events == []
    desk.judge(after=600)
    assert desk.events == ["opened shop"]
    assert desk.last.suppressed == ("nightly",)


@pytest.mark.parametrize("how", ["paused", "removed"])
def test_a_monitor_that_is_paused_or_removed_leaves_its_incident_and_that_is_told(how: str) -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.judge()
    if how == "paused":
        desk.command(WORKER, "pause")
    else:
        del desk.monitors[WORKER], desk.states[WORKER]
    desk.judge()
    assert desk.events == ["opened worker", "resolved worker"]
    assert desk.last.members[0].reason == how


def test_a_fall_and_a_pause_before_anyone_judged_is_silence() -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.command(WORKER, "pause")
    desk.judge()
    assert desk.events == []


def test_a_resumed_monitor_that_falls_again_is_a_new_incident() -> None:
    desk = Desk()
    desk.ping(WORKER, "fail")
    desk.judge()
    desk.command(WORKER, "pause")
    desk.command(WORKER, "resume")
    desk.judge()
    desk.ping(WORKER, "fail")
    desk.judge()
    assert desk.events == ["opened worker", "resolved worker", "opened worker"]
    assert len({incident.dedup_key for incident in desk.incidents.values()}) == 2


# --- where and how often ----------------------------------------------------------------------------


def test_a_component_tells_where_its_endpoint_does() -> None:
    desk = Desk({1: endpoint("shop", channels=("ops",)), 2: component()})
    desk.see(2, poll("fail", T0))
    assert desk.judge()[0].channels == ("ops",)


def test_channels_of_all_members_are_told_and_none_means_all() -> None:
    desk = Desk({1: endpoint("shop", channels=("ops",)), 2: component(channels=("db", "ops"))})
    desk.see(1, poll("fail", T0))
    desk.see(2, poll("fail", T0))
    assert desk.judge()[0].channels == ("ops", "db")
    desk = Desk({1: heartbeat(channels=()), 2: heartbeat(name="other")})
    desk.ping(1, "fail")
    desk.ping(2, "fail")
    assert [decision.channels for decision in desk.judge()] == [None, ()]


def test_reminders_come_at_their_interval_until_someone_acknowledges() -> None:
    desk = Desk(reminders=Reminders(3600.0))
    desk.ping(WORKER, "fail")
    desk.judge()
    for _ in range(12):
        desk.judge(after=600)
    assert desk.events == ["opened worker", "reminder worker", "reminder worker"]
    desk.incidents[1] = replace(desk.incidents[1], acknowledged_at=desk.now)
    desk.judge(after=7200)
    assert len(desk.told) == 3


def test_names_of_any_length_and_script_give_a_key_that_every_receiver_takes() -> None:
    name = "ключ 🔑 " * 500
    desk = Desk({1: heartbeat(name=name)})
    desk.ping(1, "fail")
    desk.judge()
    assert len(desk.last.dedup_key) <= 255
    assert desk.last.dedup_key.isascii()
    assert len(desk.last.title) < 200


@pytest.mark.parametrize(
    ("settings", "kind", "title"),
    [
        ({}, "fail", "worker failed"),
        ({"min_runtime": 60.0}, "fast", "worker finished too fast"),
        ({"max_runtime": 60.0}, "hang", "worker has not finished in time"),
        ({}, "miss", "worker did not report in time"),
        ({"stalled_after": 120.0}, "stall", "worker is stalled"),
    ],
)
def test_the_title_tells_one_failure_from_another(settings: dict[str, float], kind: str, title: str) -> None:
    desk = Desk({1: heartbeat(**settings)})
    if kind == "fail":
        desk.ping(1, "fail")
    elif kind == "stall":
        desk.see(1, ping("success", desk.now, processed=1, backlog=9))
    else:
        desk.ping(1, "success" if kind == "miss" else "start")
    if kind == "fast":
        desk.ping(1)
    elif kind != "fail":
        desk.now += 100_000 if kind == "miss" else 150
        desk.see(1, Deadline(desk.now))
    desk.judge()
    assert desk.last.title == title
