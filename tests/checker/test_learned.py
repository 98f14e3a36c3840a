"""What a job usually takes is learned from its own runs: said in every alert, and a limit where asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.cli import main
from checker.config import parse
from checker.model import MonitorSpec, State
from checker.rules.usual import KEPT, usual
from checker.schedule import Every
from checker.store import Store, door, monitors
from tests.checker.judging import Life, heartbeat

HOUR = 3600.0


def job(**more: object) -> MonitorSpec:
    """A job that is due every hour."""
    return heartbeat(schedule=Every(HOUR), grace=HOUR, **more)


def runs(life: Life, *durations: float) -> None:
    for duration in durations:
        life.ping("start", after=HOUR - duration)
        life.ping(after=duration)


def test_a_run_over_its_limit_says_what_is_usual() -> None:
    life = Life(job(max_runtime=1800.0))
    runs(life, 240, 230, 250, 240, 260)
    life.ping("start", after=60)
    life.wait(31 * 60)
    assert life.falls == ["overrun"]
    assert life.state.reason == "started 30 min ago and not finished (usually 4 min, limit 30 min)"
    assert life.changes[-1].evidence["usual_duration"] == 240


def test_without_a_limit_asked_for_a_long_run_is_silent_whatever_is_usual() -> None:
    life = Life(job())
    runs(life, *[240] * 10)
    life.ping("start", after=60)
    life.wait(0.9 * HOUR)
    assert life.falls == []


def test_a_learned_limit_tells_a_hanging_run_and_leaves_twice_the_usual_alone() -> None:
    life = Life(job(learn_runtime=True))
    runs(life, *[240] * 10)
    life.ping("start", after=60)
    life.wait(2 * 240 - 1)
    assert life.falls == []
    life.wait(2)
    assert life.falls == ["overrun"]
    assert "usually 4 min, limit 8 min" in life.state.reason


def test_nothing_is_learned_from_four_runs() -> None:
    life = Life(job(learn_runtime=True))
    runs(life, *[5] * 4)
    life.ping("start", after=60)
    life.wait(0.9 * HOUR)
    assert life.falls == []


def test_a_run_that_was_told_as_hanging_is_not_told_again_after_the_next_success() -> None:
    life = Life(job(learn_runtime=True))
    runs(life, *[240] * 10)
    life.ping("start", after=60, rid="lost")
    life.wait(600)
    runs(life, *[240] * 3)
    assert life.falls == ["overrun"]
    assert life.state.state is State.UP


def test_one_slow_run_among_many_moves_neither_what_is_usual_nor_the_limit() -> None:
    life = Life(job(learn_runtime=True))
    runs(life, *[60] * 10, 100)
    assert usual(life.state.durations) == 60
    life.ping("start", after=60)
    life.wait(121)
    assert life.falls == ["overrun"]


def test_the_last_twenty_are_kept_and_a_failed_run_teaches_nothing() -> None:
    life = Life(job())
    runs(life, *range(1, 31))
    assert life.state.durations == tuple(float(each) for each in range(11, 31))
    assert len(life.state.durations) == KEPT
    life.ping("start", after=60)
    life.ping("fail", after=1)
    assert life.state.durations[-1] == 30.0


def test_progress_moves_the_limit_where_it_may_and_standing_still_does_not() -> None:
    life = Life(job(max_runtime=300.0, extend_on_progress=True))
    life.ping("start", after=60)
    for done in range(1, 10):
        life.ping("log", after=200, processed=float(done))
    assert life.falls == []
    life.ping("log", after=200, processed=9.0)
    life.wait(101)
    assert life.falls == ["overrun"]
    assert "no progress for 5 min" in life.state.reason


def test_without_leave_progress_does_not_move_the_limit() -> None:
    life = Life(job(max_runtime=300.0))
    life.ping("start", after=60)
    life.ping("log", after=200, processed=1.0)
    life.wait(101)
    assert life.falls == ["overrun"]


def test_a_job_that_ends_again_too_soon_runs_too_often() -> None:
    life = Life(job(min_interval=1800.0))
    life.ping(after=60)
    life.ping(after=600)
    assert life.falls == ["too often"]
    assert life.state.reason == "ran again 10 min after its last success (at least 30 min apart expected)"
    life.ping(after=HOUR)
    assert life.state.state is State.UP


@pytest.mark.parametrize(("every", "doubt"), [("9m", True), ("10m", False)])
def test_an_interval_under_twice_the_cycle_is_doubtful(every: str, doubt: bool) -> None:
    text = f'[[heartbeat]]\nname = "batch"\nevery = "{every}"\ncycle = "5m"\n'
    found = [each for each in parse(text, Path("checker.toml"), {}).warnings if "less than twice" in each]
    assert bool(found) is doubt
    assert all("checker.toml:4" in each and "write 10 min or more" in each for each in found)


def test_a_batch_of_up_to_twice_its_cycle_is_silent_where_the_configuration_is_not_doubted() -> None:
    text = '[[heartbeat]]\nname = "batch"\nevery = "10m"\ngrace = "1s"\ncycle = "5m"\n'
    life = Life(parse(text, Path("checker.toml"), {}).monitors[0])
    for length in (300.0, 600.0, 450.0, 600.0):
        life.ping(after=length)
    assert life.falls == []


def test_max_runtime_auto_is_read() -> None:
    text = '[[heartbeat]]\nname = "a"\nevery = "1h"\nmax_runtime = "auto"\n'
    found = parse(text, Path("checker.toml"), {}).monitors[0]
    assert (found.learn_runtime, found.max_runtime) == (True, None)


def test_check_config_doubts_an_interval_by_what_was_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checker.toml"
    path.write_text('[[heartbeat]]\nname = "batch"\nevery = "8m"\n')
    assert main(["--config", str(path), "check-config"]) == 0
    assert "learned" not in capsys.readouterr().err
    store = Store(f"sqlite:///{tmp_path / 'checker.db'}")
    store.migrate()
    spec = parse(path.read_text(), path, {}).monitors[0]
    life = Life(spec)
    for _ in range(6):
        life.ping("start", after=60)
        life.ping(after=300)
    store.write_now(lambda conn: monitors.sync(conn, [spec], life.now))
    (found,) = store.read_now(monitors.load)
    store.write_now(lambda conn: door.save_states(conn, {found.id: life.state}))
    store.close()
    assert main(["--config", str(path), "check-config"]) == 0
    said = capsys.readouterr().err
    assert 'heartbeat "batch": a sign is due every 8 min, less than twice its usual cycle (5 min)' in said
