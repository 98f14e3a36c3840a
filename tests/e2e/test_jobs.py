"""Jobs under a real checker: each way to go wrong gives one alert that says which; a slow batch none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from examples.servers import free_port
from tests.e2e.alerts import Alerts, reason
from tests.e2e.harness import ROOT, RunningChecker, run
from tests.waiting import wait_for

MONITORS = """
[[heartbeat]]
name = "does-not-run"
every = "2s"
grace = "1s"

[[heartbeat]]
name = "exits-1"
every = "1h"

[[heartbeat]]
name = "hangs"
every = "1h"
max_runtime = "2s"

[[heartbeat]]
name = "batches"
every = "3s"

[[heartbeat]]
name = "idle-worker"
every = "2s"
grace = "4s"
stalled_after = "3s"

[[heartbeat]]
name = "rq-worker"
every = "1s"
grace = "4s"
stalled_after = "3s"
"""


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with Alerts() as server:
        yield server


@pytest.fixture
def checker(tmp_path: Path, alerts: Alerts) -> Iterator[RunningChecker]:
    with RunningChecker(tmp_path, alerts.url, MONITORS, free_port()) as running:
        yield running


def test_not_run_exit_1_and_hung_give_one_alert_each_that_says_which(
    checker: RunningChecker, alerts: Alerts, tmp_path: Path
) -> None:
    state = {"HEALTHKIT_STATE_DIR": str(tmp_path / "state")}
    assert (
        requests.get(checker.ping_url("does-not-run"), timeout=10).status_code == 200
    )  # once, and never again
    script = "import sys; print('could not reach the bank'); sys.exit(1)"
    failed = run(
        "healthkit",
        "exec",
        "--url",
        checker.ping_url("exits-1"),
        "--",
        sys.executable,
        "-c",
        script,
        environment=state,
    )
    assert failed.returncode == 1
    assert failed.stdout == "could not reach the bank\n"
    hung = subprocess.Popen(
        [sys.executable, "-m", "healthkit", "exec", "--url", checker.ping_url("hangs"), "--", "sleep", "60"],
        cwd=ROOT,
    )
    try:
        missed = alerts.expect("opened", "does-not-run", 30)
        exited = alerts.expect("opened", "exits-1", 30)
        overrun = alerts.expect("opened", "hangs", 30)
    finally:
        hung.send_signal(signal.SIGTERM)
        hung.wait(10)
    assert "no sign" in reason(missed, "does-not-run")
    assert "exit 1" in reason(exited, "exits-1")
    assert "could not reach the bank" in reason(exited, "exits-1")
    assert "not finished" in reason(overrun, "hangs")
    told = [name for name in ("does-not-run", "exits-1", "hangs") if len(alerts.of("opened", name)) == 1]
    assert told == ["does-not-run", "exits-1", "hangs"], alerts.summary()


def test_a_batch_that_takes_twice_its_cycle_is_met_with_silence(
    checker: RunningChecker, alerts: Alerts, tmp_path: Path
) -> None:
    """Cycles of 1.7 s against an interval of 3 s, then one that takes 3.4 s: one more period is fine."""
    code = f"""
import time
from healthkit.heartbeat import Heartbeat
heartbeat = Heartbeat({checker.ping_url("batches")!r})
for seconds in (0.1, 1.7, 3.4, 0.1):
    with heartbeat.run() as run:
        time.sleep(seconds)
        run.progress(processed=1)
"""
    assert (
        requests.get(checker.ping_url("batches"), timeout=10).status_code == 200
    )  # the process is on its way
    done = run("timeit", "-n1", "-r1", code, environment={"HEALTHKIT_STATE_DIR": str(tmp_path / "state")})
    assert done.returncode == 0, done.stderr
    assert checker.pings("batches") == 1 + 8, "ours, a start and a success of each of the four batches"
    assert alerts.of("opened", "batches") == []


def test_an_idle_queue_is_met_with_silence_and_a_backlog_without_progress_is_not(
    checker: RunningChecker, alerts: Alerts
) -> None:
    def beat(processed: int, backlog: int) -> None:
        answer = requests.post(
            checker.ping_url("idle-worker"), json={"processed": processed, "backlog": backlog}, timeout=5
        )
        assert answer.status_code == 200

    end = time.monotonic() + 4
    while time.monotonic() < end:  # beats with nothing to do for longer than stalled_after
        beat(7, 0)
        time.sleep(0.5)
    assert alerts.of("opened", "idle-worker") == []

    end = time.monotonic() + 30
    while time.monotonic() < end and not alerts.of("opened", "idle-worker"):
        beat(7, 12)
        time.sleep(0.5)
    stalled = alerts.expect("opened", "idle-worker", 1)
    assert "12" in reason(stalled, "idle-worker")
    beat(8, 0)
    alerts.expect("resolved", "idle-worker", 30)


def test_an_idle_rq_worker_is_met_with_silence_and_a_killed_one_is_not(
    checker: RunningChecker, alerts: Alerts, tmp_path: Path, redis_url: str
) -> None:
    ours = 0

    def begun() -> int:
        """Return the count of signs once the worker gives its own; until then, give them in its place."""
        nonlocal ours
        assert requests.get(checker.ping_url("rq-worker"), timeout=10).status_code == 200
        ours += 1
        told = checker.pings("rq-worker")
        return told if told > ours else 0

    environment = {
        "RQ_WORKER_CLASS": "healthkit.workers.rq.HeartbeatWorker",
        "HEALTHKIT_PING_URL": checker.ping_url("rq-worker"),
        "HEALTHKIT_PING_EVERY": "1",
        "HEALTHKIT_STATE_DIR": str(tmp_path / "state"),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "rq.cli", "worker", "default", "--url", redis_url],
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        beats = wait_for(begun, 60, "the first beat")
        wait_for(lambda: checker.pings("rq-worker") >= beats + 5, 60, "five more beats with nothing to do")
        assert alerts.of("opened", "rq-worker") == []
    finally:
        worker.kill()
        worker.wait()
    missed = alerts.expect("opened", "rq-worker", 30)
    assert "no sign" in reason(missed, "rq-worker")
