"""Each state of a crew by its own word, from crews made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from healthkit.checks.queue_model import Crew, Hand, Task
from healthkit.checks.queue_workers import CrewWatch
from healthkit.errors import Fail, Outcome, Warn

LIVE = Hand("one", 1.0)
GONE = Hand("two", 500.0, is_silent=True)


def told(crew: Crew, *, at: float = 0.0, watch: CrewWatch | None = None) -> tuple[type | None, str, str]:
    """Return what kind of outcome, its state and its reason."""
    watch = watch or CrewWatch(max_silence=90, stalled_after=None)
    try:
        result = watch.judge(crew, at)
    except Outcome as outcome:
        word = outcome.reason.partition(":")[0]
        return type(outcome), word if outcome.details["state"] == word else "at odds", outcome.reason
    return None, result.details["state"], result.output


@pytest.mark.parametrize(("change", "kind", "state"), [
    ({}, None, "idle"),
    ({"waiting": 3}, None, "working"),
    ({"hands": (replace(LIVE, is_busy=True),)}, None, "working"),
    ({"hands": ()}, Fail, "dead"),
    ({"hands": (GONE,)}, Fail, "silent"),
    ({"hands": (replace(GONE, is_connected=True),)}, Fail, "frozen"),
    ({"hands": (replace(GONE, is_connected=False),)}, Fail, "dead"),
    ({"hands": (replace(GONE, is_connected=False), replace(GONE, is_connected=True))}, Fail, "frozen"),
    ({"hands": (LIVE, GONE)}, Warn, "silent"),
    ({"hands": (replace(LIVE, tasks=(Task("a", "f", 40, 30),)),)}, Fail, "stuck"),
    ({"hands": (replace(LIVE, is_busy=True, tasks=(Task("a", "f", 33, 30),)),)}, None, "working"),
    ({"taken": Task("a"), "taken_for": 91}, Fail, "frozen"),
    ({"taken": Task("a"), "taken_for": 89}, None, "idle"),
    ({"is_suspended": True}, Warn, "suspended"),
    ({"abandoned": 1}, Warn, "abandoned"),
])  # fmt: skip
def test_each_state_has_its_own_word(change: dict[str, Any], kind: type | None, state: str) -> None:
    crew = replace(Crew("default", (LIVE,)), **change)
    assert told(crew)[:2] == (kind, state)


def stalls_after(crew: Crew, **options: Any) -> float:
    """Return the first multiple of ten seconds after which the crew is stalled."""
    watch = CrewWatch(**{"max_silence": 90.0, "stalled_after": None, **options})
    for at in range(0, 100_000, 10):
        if told(crew, at=at, watch=watch)[1] == "stalled":
            return at
    raise AssertionError("it never stalled")


def test_a_backlog_that_nothing_moves_stalls() -> None:
    assert stalls_after(Crew("default", (LIVE,), waiting=3)) == 100
    assert stalls_after(Crew("default", (LIVE,), waiting=3), stalled_after=30.0) == 40


def test_a_long_job_may_keep_others_waiting_for_its_own_time() -> None:
    def busy(limit: float | None, **also: Any) -> Crew:
        return Crew(
            "default", (replace(LIVE, is_busy=True, tasks=(Task("a", "f", 1, limit),)),), waiting=3, **also
        )

    assert stalls_after(busy(7200)) == 7210
    assert stalls_after(busy(None)) == 610
    assert stalls_after(busy(7200), stalled_after=300.0) == 310


def test_the_job_it_hangs_in_is_named() -> None:
    hand = replace(LIVE, tasks=(Task("a", "shop.f", 5, 60), Task("b", "shop.g", 700, None)))
    crew = Crew("default", (hand,), waiting=2, oldest_age=650)
    watch = CrewWatch(max_silence=90, stalled_after=30)
    told(crew, watch=watch)
    assert told(crew, at=40, watch=watch)[2] == (
        "stalled: no job was begun or ended for 40 s; 2 jobs wait, the oldest for 10 min 50 s; "
        "it hangs in job b (shop.g), begun 11 min 40 s ago and 1 more"
    )


def test_any_progress_and_any_moment_without_backlog_starts_the_wait_again() -> None:
    watch = CrewWatch(max_silence=90, stalled_after=60)
    crew = Crew("default", (LIVE,), waiting=3, progress=1)
    assert told(crew, at=0, watch=watch)[1] == "working"
    assert told(replace(crew, progress=2), at=50, watch=watch)[1] == "working"
    assert told(replace(crew, progress=2), at=100, watch=watch)[1] == "working"
    assert told(replace(crew, progress=2, waiting=0), at=120, watch=watch)[1] == "idle"
    assert told(replace(crew, progress=2), at=125, watch=watch)[1] == "working"
    assert told(replace(crew, progress=2), at=190, watch=watch)[1] == "stalled"
