"""What happens to a heartbeat, told as little lives."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from checker.model import Blind, Cause, Command, Deadline, MonitorState, State
from checker.schedule import Cron, OnCalendar
from checker.state import advance, initial, respecified
from tests.checker.judging import T0, Life, endpoint, heartbeat, ping, poll

HOUR, DAY = 3600.0, 86_400.0
NIGHTLY = Cron("0 2 * * *")


def nightly(**settings: object) -> Life:
    return Life(heartbeat(name="nightly", schedule=NIGHTLY, grace=900.0, **settings))


# --- absence is the alarm -------------------------------------------------------------------------


def test_a_worker_that_signs_in_time_is_up_and_stays_up() -> None:
    life = Life(heartbeat())
    for _ in range(20):
        assert life.ping(after=59).state is State.UP
    assert life.path == ["up"]


def test_silence_is_grace_first_and_down_after_it_once() -> None:
    life = Life(heartbeat())
    life.ping()
    life.wait(DAY)
    assert life.path == ["up", "grace", "down"]
    fall = life.changes[-1]
    assert (fall.at, fall.cause) == (T0 + 360, Cause.MISSED)
    assert fall.reason == (
        "did not run: no sign since 2026-01-01 00:00:00 UTC (6 min ago); "
        "expected by 2026-01-01 00:01:00 UTC plus 5 min grace"
    )
    assert fall.evidence["last_good"] == T0
    assert fall.evidence["first_failure"] == T0 + 60


def test_a_sign_within_the_grace_time_is_no_news() -> None:
    life = Life(heartbeat())
    life.ping()
    life.ping(after=350)
    assert life.path == ["up", "grace", "up"]


def test_a_heartbeat_of_the_file_that_never_signs_goes_down() -> None:
    life = nightly()
    life.wait(DAY)
    assert life.path == ["down"]
    assert life.changes[0].at == T0 + 2 * HOUR + 900
    assert "no sign yet" in life.changes[0].reason


@pytest.mark.parametrize("source", ["api", "auto"])
def test_a_heartbeat_made_by_the_api_waits_for_its_first_sign(source: str) -> None:
    life = Life(heartbeat(source=source))
    life.wait(10 * DAY)
    assert life.state.state is State.NEW
    assert life.changes == []
    life.ping()
    life.wait(DAY)
    assert life.path == ["up", "grace", "down"]


def test_the_first_start_of_an_api_heartbeat_is_a_sign_to_be_followed() -> None:
    life = Life(heartbeat(source="api"))
    assert life.ping("start").state is State.NEW
    life.wait(DAY)
    assert life.falls == ["missed"]


def test_a_missed_cron_job_alerts_at_the_first_miss_plus_grace() -> None:
    life = nightly()
    life.ping(after=2 * HOUR + 60)
    life.wait(3 * DAY)
    assert life.falls == ["missed"]
    assert life.changes[-1].at == T0 + DAY + 2 * HOUR + 900
    assert "expected by 2026-01-02 02:00 UTC plus 15 min grace" in life.changes[-1].reason


def test_without_grace_a_missed_sign_is_down_at_once() -> None:
    life = Life(heartbeat(grace=0.0))
    life.ping()
    life.wait(61)
    assert life.path == ["up", "down"]


def test_a_batch_of_twice_its_cycle_is_silence() -> None:
    """Grace is one period by default: every=60 s, a batch that takes 120 s."""
    life = Life(heartbeat(grace=60.0))
    for _ in range(10):
        life.ping(after=119)
    assert life.falls == []


def test_a_schedule_with_nothing_left_is_never_missed() -> None:
    life = Life(heartbeat(schedule=OnCalendar("2026-01-01 12:00:00")))
    life.ping(after=12 * HOUR)
    assert life.state.deadline is None
    life.wait(900 * DAY)
    assert life.falls == []


def test_a_success_brings_it_back_and_tells_how_long_it_lasted() -> None:
    life = Life(heartbeat())
    life.ping()
    life.ping(after=960)
    assert life.path == ["up", "grace", "down", "up"]
    assert life.changes[-1].evidence["lasted"] == 600.0
    assert (life.state.cause, life.state.reason, life.state.first_failure) == (Cause.NONE, "", None)


def test_recover_after_counts_successes() -> None:
    life = Life(heartbeat(recover_after=2, schedule=NIGHTLY))
    life.ping("fail")
    assert life.ping(after=1).state is State.DOWN
    assert life.ping("fail", after=1).state is State.DOWN
    assert [life.ping(after=1).state for _ in range(2)] == [State.DOWN, State.UP]
    assert life.path == ["down", "up"]


# --- it does not run, it fails, it hangs, it is too fast: told apart ------------------------------


def test_a_job_that_exits_1_is_down_at_once_with_its_last_line() -> None:
    life = nightly()
    life.ping("start", rid="a", after=2 * HOUR)
    body = b"opening\nwriting\nOperationalError: disk full\n\n"
    life.ping("fail", rid="a", after=3, exit_code=1, body=body)
    fall = life.changes[-1]
    assert (fall.new, fall.cause, fall.reason) == (
        State.DOWN,
        Cause.FAILED,
        "exit 1: OperationalError: disk full",
    )
    assert fall.evidence["exit_code"] == 1
    assert fall.evidence["duration"] == 3.0
    assert fall.evidence["output"] == "opening\nwriting\nOperationalError: disk full"
    life.wait(10 * DAY)
    assert life.falls == ["failed"]


def test_a_fail_without_words_still_says_so() -> None:
    life = nightly()
    assert life.ping("fail").reason == "the job reported a failure"


def test_fail_after_counts_failures_in_a_row() -> None:
    life = nightly(fail_after=3)
    life.ping()
    life.ping("fail", after=1)
    life.ping("fail", after=1)
    life.ping(after=1)
    life.ping("fail", after=1)
    life.ping("fail", after=1)
    assert life.falls == []
    life.ping("fail", after=1)
    assert life.falls == ["failed"]
    assert life.changes[-1].evidence["first_failure"] == T0 + 4


def test_a_tolerated_failure_in_the_grace_time_ends_it() -> None:
    life = nightly(fail_after=2)
    life.ping(after=2 * HOUR)
    life.until(T0 + DAY + 2 * HOUR + 60)
    assert life.state.state is State.GRACE
    assert life.ping("fail").state is State.UP


def test_a_job_that_hangs_past_its_limit_is_told_as_hanging_once() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.wait(3 * DAY)
    assert life.falls == ["overrun"]
    fall = life.changes[-1]
    assert fall.at == T0 + 2 * HOUR + 1800
    assert fall.reason == "started 30 min ago and not finished (limit 30 min)"
    assert fall.evidence["started"] == T0 + 2 * HOUR


def test_a_job_longer_than_its_grace_and_within_its_limit_is_silence() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.ping("success", rid="a", after=1500)
    assert life.falls == []
    assert life.state.last_duration == 1500.0


def test_without_a_limit_a_started_job_is_told_as_never_finished() -> None:
    life = nightly()
    life.ping("start", after=2 * HOUR)
    life.wait(DAY)
    assert life.falls == ["missed"]
    assert life.changes[-1].reason.startswith("started 2026-01-01 02:00 UTC (15 min ago) and never finished")


def test_a_job_that_does_not_start_is_told_as_not_run_whatever_its_limit() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping(after=2 * HOUR + 60)
    life.wait(2 * DAY)
    assert life.falls == ["missed"]
    assert life.changes[-1].reason.startswith("did not run")


def test_a_run_that_ends_too_fast_is_down() -> None:
    life = nightly(min_runtime=5.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.ping("success", rid="a", after=0.25)
    fall = life.changes[-1]
    assert (fall.cause, fall.evidence["duration"]) == (Cause.TOO_FAST, 0.25)
    assert fall.reason == "finished after 0.25 s, which is too fast (at least 5 s expected)"
    life.ping("start", rid="b", after=10)
    assert life.ping("success", rid="b", after=6).state is State.UP


def test_an_overrun_run_that_ends_well_after_all_brings_it_back() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.ping("success", rid="a", after=2000)
    assert life.path == ["down", "up"]
    assert life.changes[-1].evidence["duration"] == 2000.0


# --- starts and ends that do not match ------------------------------------------------------------


def test_overlapping_runs_are_told_apart_by_rid() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.ping("start", rid="b", after=600)
    life.ping("success", rid="b", after=60)
    assert life.state.last_duration == 60.0
    assert life.state.runs == (("a", T0 + 2 * HOUR),)
    life.wait(HOUR)
    assert life.falls == ["overrun"]


def test_a_hung_run_that_was_told_is_not_told_again_after_the_next_success() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", rid="hung", after=2 * HOUR)
    for day in range(1, 4):
        life.until(T0 + day * DAY + 2 * HOUR)
        life.ping("start", rid=f"run {day}")
        life.ping("success", rid=f"run {day}", after=60)
    assert life.falls == ["overrun"]
    assert life.state.state is State.UP
    assert life.state.runs == ()


def test_a_hung_run_is_told_even_if_another_one_failed_and_recovered_meanwhile() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", rid="hung", after=2 * HOUR)
    life.ping("fail", after=60)
    life.wait(HOUR)
    life.ping("success")
    life.wait(1)
    assert life.falls == ["failed", "overrun"]


def test_an_end_without_rid_closes_the_latest_start_without_one() -> None:
    life = nightly(max_runtime=1800.0)
    life.ping("start", after=HOUR)
    life.ping("start", rid="other", after=10)
    life.ping("start", after=10)
    life.ping("success", after=5)
    assert life.state.last_duration == 5.0
    assert life.state.runs == (("", T0 + HOUR), ("other", T0 + HOUR + 10))


def test_an_end_without_start_counts_and_has_no_duration() -> None:
    life = nightly(min_runtime=5.0)
    assert life.ping("success", rid="x").state is State.UP
    assert life.state.last_duration is None
    assert life.ping("success", rid="x", after=1).state is State.UP


def test_the_same_start_twice_keeps_the_first_time() -> None:
    life = nightly()
    life.ping("start", rid="a")
    life.ping("start", rid="a", after=5)
    assert life.state.runs == (("a", T0),)
    assert life.state.pings == 2


def test_runs_under_way_are_bounded_and_the_oldest_still_overruns() -> None:
    life = nightly(max_runtime=1800.0)
    for number in range(100):
        life.ping("start", rid=str(number), after=1)
    assert len(life.state.runs) == 16
    assert life.state.runs[0][0] == "0"
    life.wait(1800)
    assert life.falls == ["overrun"]


def test_a_start_that_never_ended_is_forgotten_after_a_cycle_without_a_limit() -> None:
    life = Life(heartbeat())
    life.ping("start", rid="lost")
    for _ in range(10):
        life.ping(after=60)
    assert not life.state.started


def test_a_log_is_history_only() -> None:
    life = Life(heartbeat())
    life.ping()
    deadline = life.state.deadline
    life.ping("log", after=20)
    life.ping("ign", after=20)
    assert (life.state.pings, life.state.deadline, life.state.state) == (3, deadline, State.UP)


def test_a_start_does_not_move_the_expected_moment() -> None:
    life = Life(heartbeat())
    life.ping()
    due = life.state.due_at
    life.ping("start", after=30)
    assert life.state.due_at == due
    assert life.state.last_start == T0 + 30


# --- stalled is not idle --------------------------------------------------------------------------


def test_a_backlog_without_progress_is_a_stall() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    for _ in range(10):
        life.ping(after=60, processed=500, backlog=12_000)
    assert life.falls == ["stalled"]
    assert life.changes[-1].reason == "12000 waiting and no progress for 5 min"
    assert life.changes[-1].at == T0 + 60 + 300
    assert life.state.state is State.DOWN


def test_progress_ends_a_stall() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    for _ in range(10):
        life.ping(after=60, processed=500, backlog=12_000)
    assert life.ping("log", after=1, processed=501, backlog=12_000).state is State.UP


def test_a_backlog_that_is_gone_ends_a_stall() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    for _ in range(10):
        life.ping(after=60, processed=500, backlog=12_000)
    assert life.ping(after=1, processed=500, backlog=0).state is State.UP


def test_an_idle_queue_is_silence_and_the_first_job_after_it_starts_the_clock() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    for _ in range(100):
        life.ping(after=60, processed=500, backlog=0)
    life.ping(after=60, processed=500, backlog=7)
    life.ping(after=60, processed=500, backlog=7)
    assert life.falls == []
    for _ in range(5):
        life.ping(after=60, processed=500, backlog=7)
    assert life.falls == ["stalled"]


def test_a_backlog_after_a_long_idle_while_without_figures_starts_the_clock() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    life.ping(processed=500, backlog=0)
    for _ in range(20):
        life.ping(after=59)
    life.ping(after=59, processed=500, backlog=7)
    life.ping(after=59, processed=500, backlog=7)
    assert life.falls == []


def test_figures_of_a_ping_that_arrives_late_are_history() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    life.ping(after=100, processed=500, backlog=0)
    life.see(ping("log", T0 + 50, processed=400, backlog=9), life.now)
    assert (life.state.processed, life.state.backlog) == (500, 0)


def test_a_worker_that_crashes_and_begins_at_0_again_makes_no_progress() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    for turn in range(10):
        life.ping(after=60, processed=500 if turn == 0 else 0, backlog=7)
    assert life.falls == ["stalled"]


def test_a_finished_run_leaves_no_backlog_to_stall_on() -> None:
    life = nightly(stalled_after=300.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.ping("log", rid="a", after=60, processed=12, backlog=30_000)
    life.ping("success", rid="a", after=60)
    life.wait(10 * HOUR)
    assert life.falls == []


def test_a_hang_halfway_is_seen_by_its_progress() -> None:
    life = nightly(stalled_after=300.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.ping("log", rid="a", after=60, processed=12, backlog=30_000)
    life.wait(HOUR)
    assert life.falls == ["stalled"]


def test_figures_that_are_no_numbers_are_not_figures() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    life.ping(processed=math.nan, backlog=math.inf)
    assert (life.state.processed, life.state.backlog) == (None, None)


# --- late, early, twice ---------------------------------------------------------------------------


def test_a_journaled_success_fills_the_gap_it_covers() -> None:
    life = nightly()
    life.ping(after=2 * HOUR + 60)
    life.until(T0 + DAY + 9 * HOUR)
    assert life.falls == ["missed"]
    life.see(ping("success", T0 + DAY + 2 * HOUR + 120), life.now)
    assert life.state.state is State.UP
    assert life.state.last_good == T0 + DAY + 2 * HOUR + 120
    assert life.state.due_at == T0 + 2 * DAY + 2 * HOUR


def test_a_journaled_success_that_is_itself_too_old_fills_nothing() -> None:
    life = Life(heartbeat())
    life.ping()
    life.wait(HOUR)
    life.see(ping("success", T0 + 60), life.now)
    assert life.state.state is State.DOWN
    assert life.state.last_good == T0 + 60
    assert life.path == ["up", "grace", "down"]


def test_a_late_fail_is_history_once_a_later_success_is_known() -> None:
    life = nightly()
    life.ping(after=100)
    life.see(ping("fail", T0 + 50, exit_code=1), life.now)
    assert (life.state.state, life.state.pings) == (State.UP, 2)


def test_a_late_success_does_not_hide_a_later_failure() -> None:
    life = nightly()
    life.ping("fail", after=100)
    life.see(ping("success", T0 + 50), life.now)
    assert life.state.state is State.DOWN
    assert life.state.last_good == T0 + 50


def test_a_journaled_fail_that_nothing_came_after_counts() -> None:
    life = nightly()
    life.ping(after=100)
    life.ping("start", after=1000)
    life.see(ping("fail", T0 + 600, exit_code=2), life.now)
    assert life.falls == ["failed"]


def test_late_fails_count_as_long_as_nothing_good_came_after_them() -> None:
    life = nightly(fail_after=2)
    life.ping("fail", after=100)
    life.see(ping("fail", T0 + 50), life.now)
    assert life.falls == ["failed"]


def test_a_late_start_of_a_run_that_is_over_is_not_under_way() -> None:
    life = nightly(max_runtime=60.0)
    life.ping("success", rid="a", after=100)
    life.see(ping("start", T0 + 50, rid="a"), life.now)
    assert not life.state.started
    life.wait(HOUR)
    assert life.falls == []


def test_a_late_success_never_brings_the_expectation_forward() -> None:
    life = Life(heartbeat())
    life.ping(after=300)
    due = life.state.due_at
    life.see(ping("success", T0 + 100), life.now)
    assert life.state.due_at == due
    assert life.state.last_seen == T0 + 300


def test_a_ping_from_the_future_counts_as_of_now() -> None:
    life = Life(heartbeat())
    life.see(ping("success", T0 + 10 * DAY), T0)
    assert life.state.last_good == T0
    life.see(ping("success", math.nan), T0 + 1)
    assert life.state.last_good == T0 + 1


# --- time that jumps, and time unseen -------------------------------------------------------------


def test_a_deadline_before_its_moment_does_nothing() -> None:
    life = Life(heartbeat())
    life.ping()
    before = life.state
    assert advance(life.spec, before, Deadline(T0 + 360), T0 + 59) == (before, ())


def test_a_clock_that_goes_back_brings_nothing_down_and_signs_still_count() -> None:
    life = Life(heartbeat())
    life.ping(after=HOUR)
    back = life.now - HOUR
    state, changes = advance(life.spec, life.state, Deadline(back), back)
    assert changes == ()
    state, _ = advance(life.spec, state, ping("success", back), back)
    assert (state.due_at, state.last_seen, state.last_good) == (back + 60, back, back)
    state, changes = advance(life.spec, state, ping("fail", back + 1, exit_code=1), back + 1)
    assert state.state is State.DOWN


def test_blind_time_moves_the_deadline_and_says_nothing() -> None:
    life = Life(heartbeat())
    life.ping()
    life.blind(600)
    assert life.changes[1:] == []
    life.ping(after=60)
    assert life.falls == []


def test_a_job_that_is_late_after_blind_time_still_alerts() -> None:
    for schedule in (heartbeat().schedule, Cron("*/5 * * * *")):
        life = Life(heartbeat(schedule=schedule))
        life.ping()
        life.blind(600)
        life.wait(HOUR)
        assert life.falls == ["missed"]


def test_an_interval_gets_a_whole_one_after_blind_time_as_one_sign_may_be_lost() -> None:
    life = Life(heartbeat(grace=0.0))
    life.ping()
    life.wait(30)
    life.blind(31)
    assert life.state.deadline == life.now + 60


def test_blind_time_before_a_nightly_moment_does_not_move_it() -> None:
    life = nightly()
    life.blind(HOUR)
    assert life.state.due_at == T0 + 2 * HOUR


def test_a_night_of_blind_time_delays_the_alarm_by_its_grace_and_not_by_the_night() -> None:
    life = nightly()
    life.blind(10 * HOUR)
    assert life.falls == []
    life.wait(DAY)
    assert life.changes[-1].at == T0 + 10 * HOUR + 2 * 900


def test_blind_time_counts_neither_toward_max_runtime_nor_against_min_runtime() -> None:
    life = nightly(max_runtime=1800.0, min_runtime=60.0)
    life.ping("start", rid="a", after=2 * HOUR)
    life.wait(1000)
    life.blind(1200)
    life.wait(700)
    assert life.falls == []
    life.ping("success", rid="a")
    assert life.state.last_duration == 2900.0
    assert life.falls == []


def test_blind_time_is_no_stall() -> None:
    life = Life(heartbeat(stalled_after=300.0))
    life.ping(processed=1, backlog=5)
    life.blind(3000)
    assert life.state.deadline is not None
    life.ping(after=30, processed=1, backlog=5)
    assert life.falls == []
    life.wait(300)
    assert life.falls == ["stalled"]


# --- the operator ---------------------------------------------------------------------------------


def test_a_paused_heartbeat_is_silent_and_a_fail_does_not_wake_it() -> None:
    life = Life(heartbeat())
    life.ping()
    life.command("pause")
    life.command("pause")
    life.wait(DAY)
    life.ping("fail")
    life.ping("log")
    assert life.path == ["up", "paused"]
    assert life.state.pings == 3
    assert life.changes[-1].cause is Cause.OPERATOR


def test_a_success_or_a_start_wakes_a_paused_heartbeat() -> None:
    life = Life(heartbeat())
    life.command("pause")
    assert life.ping("start").state is State.NEW
    life.command("pause")
    assert life.ping("success").state is State.UP


def test_a_resumed_heartbeat_is_new_and_expected_anew() -> None:
    life = Life(heartbeat())
    life.ping("fail")
    life.command("pause")
    life.wait(DAY)
    life.command("resume")
    life.command("resume")
    assert (life.state.state, life.state.deadline, life.state.reason) == (State.NEW, life.now + 360, "")
    life.wait(HOUR)
    assert life.falls == ["failed", "missed"]


def test_a_resumed_api_heartbeat_that_never_signed_waits_on() -> None:
    life = Life(heartbeat(source="api"))
    life.command("pause")
    life.command("resume")
    assert life.state.deadline is None


def test_who_paused_is_told() -> None:
    state, changes = advance(heartbeat(), initial(heartbeat(), T0), Command("pause", T0, "ada\x1b[31m"), T0)
    assert state.reason == "paused by ada"
    assert changes[0].reason == "paused by ada"


def test_a_changed_schedule_is_expected_from_now_and_raises_no_alarm() -> None:
    life = nightly()
    life.ping(after=2 * HOUR)
    hourly = replace(life.spec, schedule=Cron("0 * * * *"))
    later = T0 + 20 * HOUR
    assert respecified(hourly, life.state, later).deadline == T0 + 21 * HOUR


# --- what is not its business ---------------------------------------------------------------------


def test_an_observation_of_the_other_kind_changes_nothing() -> None:
    state = MonitorState(since=T0)
    assert advance(heartbeat(), state, poll("fail", T0), T0) == (state, ())
    for other in (ping("fail", T0), Deadline(T0), Blind(T0 - 5, T0)):
        assert advance(endpoint(), state, other, T0) == (state, ())


def test_what_a_job_prints_is_made_harmless() -> None:
    life = nightly()
    body = b"\x1b[31mred\x1b[0m \x00nul \xff \xe2\x80\xaeevil\r\n" + "ключ".encode()
    life.ping("fail", exit_code=7, body=body)
    assert life.changes[-1].evidence["output"] == "red nul \ufffd evil\nключ"
    assert life.state.reason == "exit 7: ключ"


def test_the_output_of_a_json_body_is_its_output() -> None:
    life = nightly()
    life.ping("fail", exit_code=7, body=b'{"processed": 4, "output": "a\\nno such table"}')
    assert life.state.reason == "exit 7: no such table"
    assert life.ping("fail", body=b'{"processed": 4}').reason == "the job reported a failure"
    assert life.ping("fail", body=b"{not json}").reason.endswith("{not json}")


def test_output_is_kept_to_its_last_lines() -> None:
    life = nightly()
    life.ping("fail", body=b"\n".join(b"%d" % number for number in range(1000)) + b"x" * 5000)
    output = life.changes[-1].evidence["output"]
    assert len(output) == 2000
    assert len(output.splitlines()) <= 10


def test_the_line_of_an_exception_says_more_than_what_is_printed_after_it() -> None:
    printed = (
        b"Traceback (most recent call last):\n"
        b"sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked\n"
        b"[SQL: INSERT INTO invoice VALUES (?)]\n[parameters: (1,)]\n(Background on this error at: https://sqlalche.me/e/20/e3q8)\n"
    )
    life = Life(heartbeat())
    life.ping("fail", exit_code=1, body=printed)
    assert life.state.reason.startswith(
        "exit 1: sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database"
    )
