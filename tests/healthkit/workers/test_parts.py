"""What the adapters share: slugs, run ids, who is told what, and when a worker beats."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.heartbeat import Heartbeat
from healthkit.pings import Ping
from healthkit.workers._beats import Backlog, Beats
from healthkit.workers._jobs import Jobs, automatic_url, run_id, slug
from healthkit.workers._watch import Loops, Watch
from tests.waiting import wait_for


class Recorded:
    """Heartbeats whose pings are kept here."""

    def __init__(self) -> None:
        self.pings: list[Ping] = []

    def make(self, url: str) -> Heartbeat:
        return Heartbeat(url, clock=lambda: 1.0, submit=self.pings.append)

    def told(self) -> list[str]:
        return [ping.target.path.rpartition("/")[2] + ping.suffix for ping in self.pings]


@given(st.text(max_size=300))
def test_any_name_has_a_slug_that_the_checker_takes(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-]{1,100}", slug(name))


@given(st.text(max_size=100))
def test_any_run_has_an_id_that_is_a_uuid_and_always_the_same(run: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", run_id(run))
    assert run_id(run) == run_id(run)


def test_a_uuid_stays_what_it_is() -> None:
    assert run_id("0F8FAD5B-D9CB-469F-A165-70867728950E") == "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_an_automatic_url_keeps_a_query() -> None:
    assert automatic_url("https://c.example/ping/k/", "A.b") == "https://c.example/ping/k/a-b?create=1"
    assert automatic_url("https://c.example/ping/k?a=1", "x") == "https://c.example/ping/k/x?a=1&create=1"


def test_a_named_job_has_its_own_url_and_others_an_automatic_one_if_at_all() -> None:
    recorded = Recorded()
    jobs = Jobs({"a": "https://c.example/ping/own"}, "https://c.example/ping/key", {"b"}, recorded.make)
    for name in "abc":
        jobs.began(name, 1)
        jobs.ended(name, 1, "broken" if name == "b" else None)
    assert recorded.told() == ["own/start", "own", "b/start", "b/fail"]
    assert (jobs.processed, jobs.failed) == (3, 1)


def test_a_wrong_url_is_said_once_and_the_job_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs({"a": "checker.example/secret"})
    for _ in range(3):
        jobs.began("a", 1)
    assert caplog.text.count("the job a has no heartbeat") == 1
    assert "secret" not in caplog.text


def test_no_count_is_lost_among_threads() -> None:
    jobs = Jobs()

    def count() -> None:
        for number in range(5_000):
            jobs.ended("a", number)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert jobs.processed == 40_000


def test_a_worker_beats_at_its_pace_and_within_a_second_of_news() -> None:
    now = [1000.0]
    recorded, jobs = Recorded(), Jobs()
    watch = Watch(Beats(recorded.make("https://c.example/ping/w"), 30.0, lambda: now[0]), jobs)
    sent: list[float] = []
    for tenth in range(700):
        now[0] = 1000.0 + tenth / 10
        if tenth in (205, 206, 207):
            jobs.ended("a", tenth)
        before = len(recorded.pings)
        watch.turned()
        sent += [tenth / 10] * (len(recorded.pings) - before)
    assert sent == [0.0, 20.5, 21.5, 51.5]
    assert [ping.figures["processed"] for ping in recorded.pings] == [0, 1, 3, 3]


def test_a_backlog_that_hangs_holds_nobody_up_and_an_old_one_is_not_told() -> None:
    hang, answers, now = threading.Event(), iter([7.0]), [0.0]

    def read() -> float:
        for answer in answers:
            return answer
        hang.wait(20)
        raise OSError("gone")

    backlog = Backlog(read, 1.0, lambda: now[0])
    assert backlog.latest() is None
    wait_for(lambda: backlog.latest() == 7, what="the first reading")
    now[0] = 100.0
    assert backlog.latest() is None
    hang.set()


def test_loops_are_alive_while_one_turns_or_works() -> None:
    now = [0.0]
    loops = Loops(30.0, lambda: now[0])
    now[0] = 59.0
    assert loops.alive()
    now[0] = 61.0
    assert not loops.alive()
    loops.begin("run")
    now[0] = 10_000.0
    assert loops.alive()
    loops.end("run")
    now[0] += 61
    assert not loops.alive()


def test_without_a_url_nothing_is_done_and_nothing_asked() -> None:
    def read() -> Any:
        raise AssertionError("nobody wants to know")

    watch = Watch(None, Jobs(), backlog=read)
    watch.turned()
    watch.farewell("it")
    assert watch.figures() == {"processed": 0, "failed": 0}
