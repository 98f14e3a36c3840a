"""Unwatched: told once when nobody asks for too long, by one of all workers, and when somebody asks again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from healthkit import ConfigurationError, Health
from healthkit.endpoint import Endpoint, Request
from healthkit.watching import Sign, Watch, Watched
from tests.healthkit.dial import Dial
from tests.waiting import wait_for


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[Watched] = []

    def __call__(self, news: Watched) -> None:
        self.heard.append(news)

    def hears(self, *kinds: bool) -> bool:
        return bool(wait_for(lambda: [news.is_watched for news in self.heard] == [*kinds], what=f"{kinds}"))


@pytest.fixture
def ear() -> Ear:
    return Ear()


def watch(ear: Ear, within: float = 300.0, start: float = 1_000.0) -> Watch:
    found = Watch("shop", within, ear, ear)
    found.start(start)
    return found


def judged(found: Watch, begin: float, end: float) -> None:
    """Judge as the scheduler does, from `begin` to `end`."""
    moment = begin
    while moment <= end:
        found.judge(moment)
        moment += found.step


def test_silence_since_the_start_is_told_once_and_the_end_of_it_too(ear: Ear) -> None:
    found = watch(ear)
    judged(found, 1_000, 1_300)
    assert ear.heard == []
    judged(found, 1_310, 5_000)
    assert ear.hears(False)
    assert ear.heard[0].silence == 310
    assert str(ear.heard[0]) == "shop: nobody has asked for its health for 5 min 10 s"
    found.seen(5_000)
    found.seen(5_001)
    assert ear.hears(False, True)
    judged(found, 5_000, 5_400)
    assert ear.hears(False, True, False), "and silence is told again"


def test_who_is_asked_in_time_says_nothing(ear: Ear) -> None:
    found = watch(ear)
    for moment in range(1_000, 10_000, 10):
        if moment % 250 == 0:
            found.seen(moment)
        found.judge(moment)
    assert ear.heard == []


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0])
def test_a_process_that_slept_or_whose_clock_jumped_starts_counting_anew(ear: Ear, jump: float) -> None:
    found = watch(ear)
    judged(found, 1_000, 1_200)
    judged(found, 1_200 + jump, 1_490 + jump)
    assert ear.heard == []


def test_workers_of_one_server_count_each_others_callers_and_tell_once(tmp_path: Path) -> None:
    ears = [Ear() for _ in range(4)]
    workers = [watch(ear) for ear in ears]
    for worker in workers:
        worker._sign = Sign(tmp_path / "watched-shop")
    for moment in range(1_000, 3_000, 10):
        workers[moment // 10 % 4].seen(moment)
        workers[0].judge(moment)
    assert ears[0].heard == []
    for moment in range(3_000, 4_000, 10):
        for worker in workers:
            worker.judge(moment)
    wait_for(lambda: sum(len(ear.heard) for ear in ears) == 1, what="one telling")
    workers[2].seen(4_000)
    workers[3].seen(4_000)
    assert ears[2].hears(True) or ears[2].hears(False, True)
    assert sum(news.is_watched for ear in ears for news in ear.heard) == 1


def test_a_sign_that_cannot_be_written_makes_every_worker_tell(tmp_path: Path, ear: Ear) -> None:
    found = watch(ear)
    found._sign = Sign(tmp_path / "gone" / "watched-shop")
    found.seen(1_000)
    judged(found, 1_010, 2_000)
    assert ear.hears(False)
    found.seen(2_000)
    assert ear.hears(False, True)


def health(ear: Ear, clock: Dial, **options: Any) -> Health:
    found = Health("shop", watch_within="5m", on_unwatched=ear, on_watched=ear, clock=clock, **options)
    found.add(lambda: None, name="disk", tags={"system"})
    return found


@pytest.mark.parametrize("path", ["", "/", "/checks/disk", "/system"])
def test_whoever_asks_for_the_health_watches(ear: Ear, path: str) -> None:
    clock = Dial()
    found = health(ear, clock)
    endpoint = Endpoint(found)
    for _ in range(200):
        clock.now += 10
        assert endpoint.respond(Request("GET", path)).status == 200
        found._judge()
    assert ear.heard == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/live"), ("GET", "/ready"), ("GET", "/startup"), ("GET", "/nope"), ("POST", "")],
)
def test_an_orchestrators_probe_and_a_stray_request_are_no_watching(ear: Ear, method: str, path: str) -> None:
    clock = Dial()
    found = health(ear, clock)
    endpoint = Endpoint(found)
    for _ in range(40):
        clock.now += 10
        endpoint.respond(Request(method, path))
        found._judge()
    assert ear.hears(False)


def test_the_scheduler_tells_it_by_itself(ear: Ear) -> None:
    found = Health("shop", watch_within=0.1, on_unwatched=ear)
    found.start()
    assert ear.hears(False)


def test_a_listener_that_raises_is_told_again_the_next_time(caplog: pytest.LogCaptureFixture) -> None:
    found = Watch("shop", 300, lambda: 1 / 0, None)
    found.start(1_000)
    judged(found, 1_000, 1_400)
    wait_for(lambda: "ZeroDivisionError" in caplog.text, what="the log")
    assert "nobody has asked" in caplog.text


@pytest.mark.parametrize(
    "options", [{"on_unwatched": print}, {"watch_within": 0}, {"watch_within": 5, "on_unwatched": "slack"}]
)
def test_a_watch_without_sense_is_refused(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"watch_within|on_unwatched"):
        Health("shop", **options)


FAMILY = """
import os, sys
from healthkit.family import family
alone = family()
sys.stdout.flush()
names = []
for _ in range(2):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, str(family()).encode())
        os._exit(0)
    os.wait()
    names.append(os.read(reader, 100).decode())
print(alone is None, names[0] == names[1] != "None")
"""


def test_forked_workers_know_each_other_and_a_process_alone_is_alone() -> None:
    done = subprocess.run([sys.executable, "-c", FAMILY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_signs_of_servers_long_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "watched-old"
    old.touch()
    os.utime(old, (0, 0))
    monkeypatch.setattr("healthkit.watching.family", lambda: "1 2")
    found = Watch("shop", 300, None, None)
    found.start(1e9, {"HEALTHKIT_STATE_DIR": str(tmp_path)})
    found.seen(1e9)
    assert not old.exists()
    assert len(list(tmp_path.glob("watched-*"))) == 1
