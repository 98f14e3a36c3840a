"""What holds for every adapter, on its real broker and with its real worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from healthkit.model import Reading
from healthkit.status import Status
from tests.healthkit.checks.queues.rigs import RIGS, Process, Rig
from tests.healthkit.checks.support import Watched
from tests.waiting import wait_for

SILENCE, STALLED = 2.0, 3.0  # seconds
SLACK = 25.0  # seconds more, on a loaded machine, until a fault is seen
NO_NEWS = (
    "timed out",
    "no answer within",
    "still running",
)  # of the broker, on a loaded machine: of the worker, nothing


class Ahead:
    """A clock that can be put ahead of the real one."""

    def __init__(self) -> None:
        self.by = 0.0

    def __call__(self) -> float:
        return time.time() + self.by


@pytest.fixture
def clock() -> Ahead:
    """The probe's clock."""
    return Ahead()


@pytest.fixture(params=RIGS, ids=lambda kind: kind.__name__)
def rig(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Rig:
    """One adapter after the other."""
    kind: type[Rig] = request.param
    return kind(redis_url, tmp_path)


@pytest.fixture
def watch(clock: Ahead) -> Iterator[Callable[..., Watched]]:
    """Make a check, and close it at the end."""
    made: list[Any] = []

    def make(build: Callable[..., Any], **options: Any) -> Watched:
        made.append(build(clock=clock, **options))
        return Watched(made[-1])

    yield make
    for probe in made:
        probe.close()


def started(rig: Rig, worker: Process, heart: Watched) -> None:
    """Wait until the worker has begun and ended a job."""
    rig.quick()
    depth = Watched(rig.depth())
    wait_for(lambda: depth().value == 0, timeout=40, what="the worker's first job")
    wait_for(lambda: is_at_rest(heart()), timeout=20, what="the worker's rest")
    depth.probe.close()


def is_at_rest(reading: Reading) -> bool:
    """Tell whether all is well, and nothing is in work."""
    return reading.status is Status.PASS and reading.details.get("state", "idle") == "idle"


def state_of(reading: Reading) -> str:
    """Return the state that a reading tells, which stands in front of its reason too."""
    word = reading.output.partition(":")[0]
    assert reading.details.get("state", word) == word
    return word


def looked(heart: Watched) -> Reading:
    """Return a reading that tells of the worker. Where a broker's answer took too long, another is taken."""
    seen: list[Reading] = []

    def is_news() -> bool:
        seen.append(heart())
        return not seen[-1].output.startswith(NO_NEWS)

    wait_for(is_news, 30, "an answer of the broker")
    return seen[-1]


def failing(heart: Watched, within: float) -> Reading:
    """Return the first failure, which has to come within so many seconds."""
    seen: list[Reading] = []

    def fails() -> bool:
        seen.append(looked(heart))
        return seen[-1].status is Status.FAIL

    wait_for(fails, within, "a failure")
    return seen[-1]


def test_an_empty_queue_passes_however_long_it_is_empty(rig: Rig, clock: Ahead, watch: Any) -> None:
    watched = watch(rig.depth, warn=1, max_age="1m", stalled_after="1m", growth_least=1)
    for _ in range(12):
        reading = watched()
        assert (reading.status, reading.value, reading.unit) == (Status.PASS, 0, "jobs"), reading
        clock.by += 120


def test_what_waits_is_counted_and_judged_by_its_limits(rig: Rig, watch: Any) -> None:
    watched = watch(rig.depth, warn=2, fail=3)
    rig.quick()
    assert (watched().status, watched().value) == (Status.PASS, 1)
    rig.quick()
    assert watched().output.startswith("deep: 2 jobs wait (warning from 2)")
    rig.quick()
    assert watched.reason().startswith("too deep: 3 jobs wait (limit 3)")


def test_the_oldest_gets_old(rig: Rig, clock: Ahead, watch: Any) -> None:
    watched = watch(rig.depth, max_age="5m")
    rig.quick()
    assert watched.passes()
    clock.by = 290
    rig.quick()
    assert watched.passes()
    clock.by = 600
    assert watched.reason() == "too old: the oldest job has waited 10 min (limit 5 min); 2 jobs wait"


def test_a_queue_that_grows_all_the_time_warns_though_its_limit_is_far(
    rig: Rig, clock: Ahead, watch: Any
) -> None:
    watched = watch(rig.depth, fail=10_000, growth_window="10m")
    for minute in range(11):
        clock.by = minute * 60
        for _ in range(2):
            rig.quick()
        reading = watched()
        assert reading.status is (Status.PASS if minute < 10 else Status.WARN), reading
    assert reading.output.startswith("growing: by 2 jobs/min for 10 min")
    assert "; 22 jobs wait, never drains at this rate; it reaches its limit of 10,000 in " in reading.output


def test_one_burst_is_no_growth(rig: Rig, clock: Ahead, watch: Any) -> None:
    watched = watch(rig.depth, growth_window="10m")
    for minute in range(16):
        clock.by = minute * 60
        if minute == 5:
            for _ in range(30):
                rig.quick()
        assert watched.passes()


def test_a_worker_that_has_nothing_to_do_passes(rig: Rig, watch: Any) -> None:
    heart = watch(rig.heartbeat, max_silence=SILENCE, stalled_after=STALLED)
    with rig.worker() as worker:
        started(rig, worker, heart)
        ends = time.monotonic() + SILENCE + STALLED
        while time.monotonic() < ends:
            assert is_at_rest(looked(heart))


def test_a_stopped_worker_fails_in_time_and_heals(rig: Rig, watch: Any) -> None:
    heart = watch(rig.heartbeat, max_silence=SILENCE, stalled_after=STALLED)
    with rig.worker() as worker:
        started(rig, worker, heart)
        worker.freeze()
        for _ in range(3):
            rig.quick()
        assert state_of(failing(heart, STALLED + SLACK)) in rig.silent
        worker.thaw()
        wait_for(heart.passes, timeout=20, what="recovery")


def test_a_killed_worker_fails_in_time_until_another_takes_over(rig: Rig, watch: Any) -> None:
    heart = watch(rig.heartbeat, max_silence=SILENCE, stalled_after=STALLED)
    with rig.worker() as worker:
        started(rig, worker, heart)
        worker.kill()
        for _ in range(3):
            rig.quick()
        assert state_of(failing(heart, STALLED + SLACK)) in rig.silent
    with rig.worker():
        wait_for(lambda: heart().status is not Status.FAIL, timeout=40, what="recovery")


def test_a_worker_that_hangs_in_a_job_while_others_wait_is_stalled(rig: Rig, watch: Any) -> None:
    heart = watch(rig.heartbeat, max_silence=60, stalled_after=STALLED)
    with rig.worker() as worker:
        started(rig, worker, heart)
        rig.hang()
        for _ in range(4):
            rig.quick()
        reading = failing(heart, STALLED + SLACK)
        assert state_of(reading) in rig.hung
        if rig.names_job:
            assert "it hangs in job " in reading.output
            assert any(word in reading.output for word in ("hang", "wait_until"))
        assert rig.gate not in repr(reading)  # an argument
        Path(rig.gate).touch()
        wait_for(heart.passes, timeout=20, what="recovery")
