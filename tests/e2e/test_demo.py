"""`make demo` as a newcomer meets it: real faults, a homepage that answers 200, one alert with the cause."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis
from rq import Queue

from examples.servers import signal_if_alive
from tests.e2e.alerts import Alerts, reason
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
WORKER = b"rq.cli\0worker"


class RunningDemo:
    """The demo as a process, its addresses, and the alerts it caused."""

    def __init__(self, process: subprocess.Popen[str], printed: Path, alerts: Alerts, state: Path) -> None:
        self.process, self.printed, self.alerts, self.state = process, printed, alerts, state

    @property
    def output(self) -> str:
        return self.printed.read_text()

    def address(self, label: str) -> str:
        found = re.search(rf"{label}\s+(http://\S+)", self.output)
        assert found, self.output
        return found.group(1)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HEALTHKIT_DEMO_STATE": str(self.state)}
        command = [sys.executable, "-m", "healthkit", "demo", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)

    def break_(self, name: str) -> None:
        done = self.command("break", name)
        assert done.returncode == 0, done.stderr

    def heal(self, name: str) -> None:
        done = self.command("heal", name)
        assert done.returncode == 0, done.stderr

    def health(self) -> tuple[int, dict[str, Any]]:
        answer = requests.get(self.address("its health"), timeout=10)
        return answer.status_code, answer.json()

    def homepage(self) -> int:
        return requests.get(self.address("The tea shop"), timeout=10).status_code

    def programs(self) -> set[int]:
        """The process ids of everything that works in the demo's folder."""
        folder = self.address_of_folder()
        return {
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/environ")
            if folder.encode() in read_quietly(path)
        }

    def pids_of(self, part: bytes) -> list[int]:
        """The process ids of those whose command line holds `part`; at least one."""
        found = [pid for pid in self.programs() if part in read_quietly(Path(f"/proc/{pid}/cmdline"))]
        assert found, part
        return found

    def address_of_folder(self) -> str:
        found = re.search(r"logs and data\s+(\S+)", self.output)
        assert found, self.output
        return found.group(1)


def read_quietly(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:  # one may have ended by now, as RQ's process of one job does
        signal_if_alive(pid, number)


def redis_of(workers: list[int]) -> str:
    """The URL on the command line of a worker."""
    lines = [read_quietly(Path(f"/proc/{pid}/cmdline")).decode().split("\0") for pid in workers]
    return next(words[words.index("--url") + 1] for words in lines if "--url" in words)


def jobs_begun_or_waiting(redis_url: str) -> int:
    with Redis.from_url(redis_url) as client:
        queue = Queue("default", connection=client)
        waiting = len(queue) + int(client.llen(queue.intermediate_queue_key))
        return waiting + len(queue.started_job_registry.get_job_ids(cleanup=False))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    folder = tmp_path_factory.mktemp("demo")
    state, printed = folder / "state.json", folder / "printed.txt"
    with Alerts() as alerts, printed.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo", "--also-tell", alerts.url],
            env={**os.environ, "HEALTHKIT_DEMO_STATE": str(state), "TMPDIR": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        running = RunningDemo(process, printed, alerts, state)
        try:
            wait_for(
                lambda: "Everything works" in running.output or process.poll() is not None,
                60,
                "the demo's start",
            )
            assert process.poll() is None, running.output
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(60)


@pytest.fixture(autouse=True)
def all_well(demo: RunningDemo) -> None:
    """Each test begins with a shop that works and no message told."""
    wait_for(lambda: demo.health()[1]["status"] == "pass", 60, "a healthy shop")
    wait_for(lambda: verdict(demo) == "up", 60, "a checker that sees it")
    demo.alerts.forget()


def verdict(demo: RunningDemo) -> str:
    monitors = requests.get(demo.address("the checker") + "api/status", timeout=10).json()["monitors"]
    states = {m["state"] for m in monitors} | {c["state"] for m in monitors for c in m["components"]}
    return "up" if states <= {"up", "new", "grace"} else ", ".join(sorted(states))


def test_the_database_turns_read_only_and_one_alert_names_it_while_the_homepage_answers_200(
    demo: RunningDemo,
) -> None:
    homepage: set[int] = {demo.homepage()}
    demo.break_("database")
    opened = demo.alerts.expect("opened", "shop/database:write")
    homepage.add(demo.homepage())
    status, document = demo.health()
    component = document["checks"]["database:write"][0]

    assert status == 503
    assert component["status"] == "fail"
    assert "read-only" in component["output"]
    assert "read-only" in reason(opened, "shop/database:write")
    assert "database:write" in opened["incident"]["title"]

    demo.heal("database")
    resolved = demo.alerts.expect("resolved", "shop/database:write")
    homepage.add(demo.homepage())
    assert resolved["incident"]["dedup_key"] == opened["incident"]["dedup_key"]
    assert resolved["incident"]["resolved_at"]
    assert homepage == {200}
    events = [message["event"] for message in demo.alerts.messages()]
    assert events == ["opened", "resolved"], demo.alerts.summary()
    assert demo.health()[0] == 200


def test_a_frozen_worker_with_jobs_waiting_is_told_once_within_a_minute(demo: RunningDemo) -> None:
    begun = time.monotonic()
    demo.break_("worker")
    opened = demo.alerts.expect("opened", "shop/worker-default:heartbeat")
    took = time.monotonic() - begun
    # its silence, one beat before it, two polls of 2 s, and slack for a loaded machine
    assert took < 10 + 5 + 2 * 2 + 40, took
    assert demo.homepage() == 200
    demo.heal("worker")
    demo.alerts.expect("resolved", "shop/worker-default:heartbeat")
    assert [m["event"] for m in demo.alerts.messages()] == ["opened", "resolved"], demo.alerts.summary()
    assert opened["incident"]["severity"] == "critical"


def test_a_backlog_over_the_limit_is_503_and_an_alert(demo: RunningDemo) -> None:
    demo.break_("backlog")
    opened = demo.alerts.expect("opened", "shop/queue-default:depth")
    status, document = demo.health()
    assert status == 503
    assert document["checks"]["queue-default:depth"][0]["observedValue"] > 200
    assert re.search(r"\d", reason(opened, "shop/queue-default:depth"))
    assert demo.homepage() == 200
    demo.heal("backlog")
    demo.alerts.expect("resolved", "shop/queue-default:depth")
    assert [m["event"] for m in demo.alerts.messages()] == ["opened", "resolved"], demo.alerts.summary()


def test_a_payment_provider_that_answers_500_is_told_and_printed_while_the_shop_answers_200(
    demo: RunningDemo,
) -> None:
    demo.break_("payments")
    opened = demo.alerts.expect("opened", "shop/payments:responseTime")
    status, document = demo.health()
    assert status == 200
    assert document["status"] == "warn"
    assert document["checks"]["payments:responseTime"][0]["status"] == "fail"
    assert "500" in reason(opened, "shop/payments:responseTime")
    assert demo.homepage() == 200
    demo.heal("payments")
    demo.alerts.expect("resolved", "shop/payments:responseTime")
    assert [m["event"] for m in demo.alerts.messages()] == ["opened", "resolved"], demo.alerts.summary()
    wait_for(
        lambda: printed(demo, "ALERT     shop: .*payments"), 30, "the alert in a plain line, with its cause"
    )
    wait_for(lambda: printed(demo, "RESOLVED  shop: .*payments"), 30, "its end in a plain line")
    assert "meanwhile the homepage answers 200" in demo.output
    assert "\033" not in demo.output


def printed(demo: RunningDemo, line: str) -> bool:
    return re.search(rf"^\d\d:\d\d:\d\d  {line}", demo.output, re.MULTILINE) is not None


def test_a_job_that_hangs_halfway_is_told_as_not_finished(demo: RunningDemo) -> None:
    demo.break_("hung-job")
    opened = demo.alerts.expect("opened", "nightly-invoices")
    assert "not finished" in reason(opened, "nightly-invoices")
    demo.heal("hung-job")
    demo.alerts.expect("resolved", "nightly-invoices")
    assert [m["event"] for m in demo.alerts.messages()] == ["opened", "resolved"], demo.alerts.summary()


def test_a_job_that_does_not_run_is_told_as_missed(demo: RunningDemo) -> None:
    demo.break_("missed-job")
    opened = demo.alerts.expect("opened", "nightly-invoices")
    assert "no sign" in reason(opened, "nightly-invoices")
    demo.heal("missed-job")
    demo.alerts.expect("resolved", "nightly-invoices")
    assert [m["event"] for m in demo.alerts.messages()] == ["opened", "resolved"], demo.alerts.summary()


def test_a_killed_worker_is_told(demo: RunningDemo) -> None:
    # Between two jobs: one that it was killed in would leave a warning until RQ takes care of that job.
    customers = demo.pids_of(b"examples.demo.customers")
    signal_all(customers, signal.SIGSTOP)
    try:
        redis_url = redis_of(demo.pids_of(WORKER))
        wait_for(lambda: jobs_begun_or_waiting(redis_url) == 0, 30, "an idle worker")
        signal_all(demo.pids_of(WORKER), signal.SIGKILL)
    finally:
        signal_all(customers, signal.SIGCONT)
    opened = demo.alerts.expect("opened", "shop/worker-default:heartbeat")
    assert demo.homepage() == 200
    assert "worker" in reason(opened, "shop/worker-default:heartbeat")
    demo.heal("worker")
    demo.alerts.expect("resolved", "shop/worker-default:heartbeat")
    assert [m["event"] for m in demo.alerts.messages()] == ["opened", "resolved"], demo.alerts.summary()


def test_an_unknown_fault_is_refused_with_the_names_that_exist(demo: RunningDemo) -> None:
    done = demo.command("break", "everything")
    assert done.returncode != 0
    assert "database" in done.stderr


def test_ctrl_c_ends_everything_it_started(demo: RunningDemo) -> None:
    started = demo.programs()
    assert len(started) > 6, started
    assert json.loads(demo.state.read_text())["pid"] == demo.process.pid
    demo.process.send_signal(signal.SIGINT)
    demo.process.send_signal(signal.SIGTERM)  # as `timeout` does, to a group and to its leader
    demo.process.send_signal(signal.SIGINT)  # as somebody impatient does
    assert demo.process.wait(40) == 0
    wait_for(lambda: not demo.programs(), 30, "an end to every program")
    assert "Everything is stopped." in demo.output
    assert not demo.state.exists()
    assert not Path(demo.address_of_folder()).exists()
