"""What a `Health` does beside answering: background runs, delays, pauses, listeners, its own particulars."""

from __future__ import annotations

import gc
import os
import socket
import threading
import weakref
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from healthkit import ConfigurationError, Fail, Health, Status, UnknownCheckError, Warn, discovery
from healthkit.carriers import ThreadCarrier
from healthkit.engine import collect
from healthkit.model import StatusChange
from healthkit.registration import build
from healthkit.runner import Runner
from healthkit.scheduler import scheduler
from healthkit.selection import Filters
from healthkit.wire import render
from tests.healthkit.dial import Dial
from tests.waiting import wait_for


class Patient:
    """A check that does as it is told, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False
        self.open = threading.Event()
        self.open.set()

    def __call__(self) -> int:
        self.calls += 1
        self.open.wait(60)
        if self.fails:
            raise Fail("broken")
        return self.calls


@pytest.fixture
def patient() -> Iterator[Patient]:
    found = Patient()
    yield found
    found.open.set()


def test_a_background_check_runs_without_a_caller(patient: Patient) -> None:
    health = Health("shop")
    health.add(patient, name="probe", every=0.05)
    assert patient.calls == 0, "never at registration"
    health.start()
    wait_for(lambda: patient.calls >= 3, what="three runs")


def test_the_callers_of_a_background_check_get_its_last_reading_and_wait_for_nothing(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health("shop")
    health.add(patient, name="probe", every=3600)
    assert health.report().readings[0].value == 1
    monkeypatch.setattr(ThreadCarrier, "carry", None)  # so that a run would fail
    assert [health.report().readings[0].value for _ in range(10)] == [1] * 10


def test_a_background_check_that_hangs_becomes_a_failure_and_never_stays_a_stale_pass(
    patient: Patient,
) -> None:
    health = Health("shop")
    health.add(patient, name="probe", every=0.1, timeout=0.2)
    assert health.report().status is Status.PASS
    patient.open.clear()
    wait_for(lambda: health.report().status is Status.FAIL, what="the failure")
    assert "limit 0.2 s" in health.report().readings[0].output
    patient.open.set()
    wait_for(lambda: health.report().status is Status.PASS, what="recovery")


def test_a_job_that_wants_to_end_the_thread_does_not(patient: Patient) -> None:
    def ends() -> float | None:
        if patient.calls < 2:
            raise SystemExit
        return None

    scheduler.after(0, ends)
    health = Health("shop")
    health.add(patient, name="probe", every=0.05)
    health.start()
    wait_for(lambda: patient.calls >= 2, what="two runs")


def test_a_background_reading_older_than_it_should_be_is_read_again_before_it_is_served() -> None:
    clock = Dial()
    health = Health("shop", clock=clock)
    health.add(lambda: clock.now, name="probe", every=60, timeout=5)
    first = health.report()
    clock.now += 64.9
    assert health.report().readings[0] is first.readings[0]
    clock.now += 0.2  # and the scheduler, which goes by another clock, has not run it
    assert health.report().readings[0].time == clock.now


def test_a_hung_background_check_is_found_out_at_its_timeout_though_nobody_asks(patient: Patient) -> None:
    seen: list[StatusChange] = []
    health = Health("shop")
    health.on_change(seen.append)
    health.add(patient, name="probe", every=3600, timeout=0.2)
    patient.open.clear()
    health.start()
    wait_for(lambda: [change.after for change in seen] == [Status.FAIL], what="the change")


def test_a_background_check_costs_no_more_once_its_health_is_gone(patient: Patient) -> None:
    health = Health("shop")
    health.add(patient, name="probe", every=0.02)
    health.start()
    wait_for(lambda: patient.calls >= 1, what="a run")
    gone = weakref.ref(health)
    del health
    wait_for(lambda: gc.collect() >= 0 and gone() is None, what="the end of the Health")
    calls = patient.calls
    other = Health("other")
    other.add(lambda: None, name="beat", every=0.02)
    other.start()
    wait_for(lambda: other.report().attributes["sequence"] > 5, what="five runs of another check")
    assert patient.calls <= calls + 1


def test_a_check_added_after_the_start_runs_too(patient: Patient) -> None:
    health = Health("shop")
    health.start()
    health.add(patient, name="probe", every=0.05)
    wait_for(lambda: patient.calls >= 2, what="two runs")


def test_a_hung_background_check_is_judged_by_the_clock_once_a_period(patient: Patient) -> None:
    clock = Dial()
    found = Runner(build(patient, name="probe", every=60, timeout=5), clock=clock, monotonic=clock)
    patient.open.clear()
    assert found.turn() == 5
    clock.now += 5
    assert found.turn() == 55
    assert found.snapshot.status is Status.FAIL
    clock.now += 55
    found.turn()
    wait_for(lambda: patient.calls, 30, "the first run, in its thread")
    assert patient.calls == 1


def test_background_runs_keep_their_beat_and_never_catch_up(patient: Patient) -> None:
    clock = Dial()
    found = Runner(build(patient, name="probe", every=60, timeout=5), clock=clock, monotonic=clock)
    found.turn()
    clock.now += 61  # a little late
    wait_for(lambda: found._flight is None, what="the first landing")
    found.turn()
    wait_for(lambda: found._flight is None, what="the second landing")
    assert (patient.calls, found.turn()) == (2, 59)
    clock.now += 3600  # asleep
    found.turn()
    wait_for(lambda: found._flight is None, what="the third landing")
    assert (patient.calls, found.turn()) == (3, 60)


def test_every_and_the_apps_loop_exclude_each_other() -> None:
    async def probe() -> None: ...

    with pytest.raises(ConfigurationError, match="on_app_loop"):
        Health("shop").add(probe, every=5, on_app_loop=True)


def test_before_its_initial_delay_is_over_a_check_is_unproven_and_not_run(patient: Patient) -> None:
    clock = Dial()
    health = Health("shop", clock=clock)
    health.add(patient, name="probe", initial_delay="1m", tags={"ready"})
    assert health.report().status is Status.WARN
    assert health.report("ready").status is Status.FAIL, "nothing proved that it is ready"
    entry = render(health.report())["checks"]["probe:status"][0]
    assert (entry["status"], entry["output"]) == ("warn", "not run yet: waits 1 min from the start")
    assert patient.calls == 0
    clock.now += 60
    assert health.report("ready").status is Status.PASS


def test_failures_count_only_from_the_third_in_a_row(patient: Patient) -> None:
    health = Health("shop")
    health.add(patient, name="probe", fail_after=3, fresh_for=0)
    assert health.report().status is Status.PASS
    patient.fails = True
    assert [health.report().status for _ in range(4)] == [Status.PASS] * 2 + [Status.FAIL] * 2


def test_a_disabled_check_is_not_run_and_weighs_nothing(patient: Patient) -> None:
    clock = Dial()
    health = Health("shop", clock=clock)
    patient.fails = True
    health.add(patient, name="probe", fresh_for=0)
    assert health.report().status is Status.FAIL
    health.disable("probe", "the provider moves", for_="10m")
    calls = patient.calls
    report = health.report()
    assert (report.status, patient.calls) == (Status.PASS, calls)
    entry = render(report)["checks"]["probe:status"][0]
    assert entry["disabled"] == {"reason": "the provider moves", "forSeconds": 600.0}
    clock.now += 600
    assert health.report().status is Status.FAIL
    health.disable("probe")
    assert render(health.report())["checks"]["probe:status"][0]["disabled"] is True
    health.enable("probe")
    assert health.report().status is Status.FAIL


def test_the_age_of_a_disabled_check_makes_no_report_old(patient: Patient) -> None:
    clock = Dial()
    health = Health("shop", clock=clock)
    health.add(patient, name="probe", fresh_for=60)
    health.add(lambda: None, name="other")
    health.disable("other")
    clock.now += 3600
    report = health.report()
    assert (report.time, report.max_age) == (clock.now, 60)


@pytest.mark.parametrize("method", ["disable", "enable"])
def test_a_check_that_is_not_there_cannot_be_disabled(method: str) -> None:
    with pytest.raises(UnknownCheckError, match="dsik"):
        getattr(Health("shop"), method)("dsik")


def test_listeners_hear_every_change_in_order_and_not_the_first_pass(patient: Patient) -> None:
    seen: list[StatusChange] = []
    health = Health("shop")
    health.on_change(lambda _change: 1 / 0)

    @health.on_change
    def hear(change: StatusChange) -> None:
        seen.append(change)

    health.add(patient, name="probe", fresh_for=0)
    for fails in (False, True, True, False, True):
        patient.fails = fails
        health.report()
    wait_for(lambda: len(seen) == 3, what="three changes")
    told = [(change.before, change.after) for change in seen]
    assert told == [(Status.PASS, Status.FAIL), (Status.FAIL, Status.PASS), (Status.PASS, Status.FAIL)]
    assert (seen[0].service, seen[0].check.key, seen[0].reading.output) == ("shop", "probe:status", "broken")


def test_the_first_reading_is_told_when_it_is_bad(patient: Patient) -> None:
    seen: list[StatusChange] = []
    health = Health("shop")
    health.on_change(seen.append)
    patient.fails = True
    health.add(patient, name="probe")
    health.report()
    wait_for(lambda: [(c.before, c.after) for c in seen] == [(Status.UNKNOWN, Status.FAIL)], what="it")


def test_a_startup_that_passed_has_passed_for_good_in_this_process(patient: Patient) -> None:
    health = Health("shop")
    health.add(patient, name="probe", fresh_for=0)
    patient.fails = True
    assert health.report("startup").status is Status.FAIL
    patient.fails = False
    assert health.report("startup").status is Status.PASS
    patient.fails = True
    calls = patient.calls
    later = health.report("startup")
    assert (later.status, patient.calls, later.readings) == (Status.PASS, calls, ())
    assert "passed" in later.attributes["notes"][0]
    assert health.report("ready").status is Status.FAIL
    health.add(patient, name="another", tags={"startup"})
    assert health.report("startup").status is Status.FAIL, "what is registered later starts the question anew"


def test_a_part_of_the_startup_checks_ends_no_startup(patient: Patient) -> None:
    health = Health("shop")
    health.add(lambda: None, name="fine")
    patient.fails = True
    health.add(patient, name="probe")
    part = health.narrow(health.group("startup"), Filters(checks=("fine",)))
    assert health.report_of(collect(part), part).status is Status.PASS
    assert health.report("startup").status is Status.FAIL


def test_the_document_tells_its_process_and_its_sequence(patient: Patient) -> None:
    health = Health("shop")
    health.add(patient, name="probe", fresh_for=0)
    documents = [render(health.report()) for _ in range(3)]
    assert {document["instance"] for document in documents} == {f"{socket.gethostname()}:{os.getpid()}"}
    numbers = [document["sequence"] for document in documents]
    assert numbers == sorted(set(numbers))
    assert render(Health("shop", instance="web-1").report())["instance"] == "web-1"


def test_a_forked_child_has_an_instance_a_start_and_background_runs_of_its_own(patient: Patient) -> None:
    health = Health("shop")
    health.add(patient, name="probe", every=0.05)
    mine = health.report().attributes["instance"]
    reader, writer = os.pipe()
    if os.fork() == 0:
        patient.calls = 0
        other = health.report().attributes["instance"]
        wait_for(lambda: patient.calls >= 3, what="runs in the child")
        os.write(writer, f"{other != mine}".encode())
        os._exit(0)
    os.wait()
    assert os.read(reader, 10) == b"True"
    os.close(reader)
    os.close(writer)


class Offered:
    name = "offered"
    measurement = "ping"

    def __call__(self) -> str:
        return "pong"


def plain() -> int:
    return 7


def registers(health: Health) -> None:
    health.add(plain, name="registered")


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{value}", discovery.GROUP)


def offer(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> None:
    monkeypatch.setattr(discovery, "entry_points", lambda group: [p for p in points if p.group == group])


def test_checks_of_other_distributions_are_discovered_in_every_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, point("a", "Offered"), point("b", "plain"), point("c", "registers"))
    health = Health("shop")
    assert [check.key for check in health.discover()] == ["offered:ping", "b:status", "registered:status"]
    assert health.report().status is Status.PASS
    assert health.discover(only=["a", "b"]) == (), "what is there already stays"


def test_what_is_discovered_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, point("a", "Offered"), point("b", "plain"))
    assert [check.name for check in Health("shop").discover(only=["b"])] == ["b"]
    assert [check.name for check in Health("shop").discover(without=["b"])] == ["offered"]


def test_what_cannot_be_loaded_fails_visibly_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, EntryPoint("gone", "no.such.module:check", discovery.GROUP))
    health = Health("shop")
    health.discover()
    assert "cannot be loaded: ModuleNotFoundError" in health.report().readings[0].output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"every": 0}, "every"),
        ({"every": "often"}, "every"),
        ({"initial_delay": -1}, "initial_delay"),
        ({"fail_after": 0}, "fail_after"),
        ({"fail_after": 1.5}, "fail_after"),
        ({"fail_after": True}, "fail_after"),
    ],
)
def test_a_mistake_in_an_option_is_told_at_registration(options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Health("shop").add(plain, **options)


def test_an_option_that_there_is_not_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="'evry'; did you mean 'every'"):
        Health("shop").add(plain, evry=5)  # type: ignore[call-arg]


def test_a_report_of_a_tag_is_a_group_of_ones_own() -> None:
    health = Health("shop")

    def shaky() -> None:
        raise Warn("slow")

    health.add(shaky, name="stripe", tags={"billing"})
    health.add(plain, name="disk")
    assert [reading.check.name for reading in health.report("billing").readings] == ["stripe"]
    with pytest.raises(UnknownCheckError):
        health.report("biling")


def test_a_child_forked_behind_pythons_back_notices_at_its_first_question(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health("shop")
    health.add(patient, name="probe", every=3600)
    first = health.report()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    second = health.report()
    assert second.attributes["instance"].endswith(":1")
    assert second.readings[0] is not first.readings[0]
    monkeypatch.undo()
    assert health.report().attributes["instance"].endswith(f":{os.getpid()}")
