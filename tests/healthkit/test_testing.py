"""An app's own tests fake what checks say, and nothing of it outlives them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthkit.endpoint import Endpoint, Request
from healthkit.errors import UnknownCheckError
from healthkit.health import Health
from healthkit.pytest_plugin import fake_health
from healthkit.status import Status
from healthkit.testing import Fakes, crash, fail, faked, hang, succeed, warn
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]

__all__ = ["fake_health"]


@pytest.fixture
def health() -> Health:
    made = Health("shop")
    made.add(lambda: 7, name="database", measurement="write", fresh_for=60)
    made.add(lambda: 1, name="queue", timeout=0.3)

    @made.check("api")
    async def api() -> str:
        return "fine"

    return made


def said(health: Health, name: str) -> tuple[Status, str]:
    [reading] = health.report(name).readings
    return reading.status, reading.output


def test_a_check_fails_for_as_long_as_the_block_lasts(health: Health) -> None:
    assert health.report().status is Status.PASS

    with fail(health, "database", "read-only", replica="db-2"):
        report = health.report()
        assert (report.status, report.readings[0].output) == (Status.FAIL, "read-only")
        assert report.readings[0].details == {"replica": "db-2"}
        assert report.readings[0].check.key == "database:write"

    assert health.report().status is Status.PASS


def test_a_fake_is_seen_at_once_though_the_real_reading_is_fresh_and_so_is_its_end(health: Health) -> None:
    endpoint = Endpoint(health)
    request = Request("GET", "", "", "", "")
    assert endpoint.respond(request).status == 200
    with fail(health, "database"):
        assert endpoint.respond(request).status == 503
    assert endpoint.respond(request).status == 200


def test_every_outcome_can_be_faked(health: Health) -> None:
    with warn(health, "database", "slow"):
        assert said(health, "database") == (Status.WARN, "slow")
    with crash(health, "database", RuntimeError("postgres://u:hunter2@db")):
        assert said(health, "database") == (Status.FAIL, "RuntimeError")
    with succeed(health, "database:write", 42):
        assert health.report("database").readings[0].value == 42
    with faked(health, "database", lambda: False):
        assert said(health, "database")[0] is Status.FAIL


def test_an_async_check_can_be_faked(health: Health) -> None:
    with fail(health, "api", "gone"):
        report = asyncio.run(health.report_async("api"))

    assert report.readings[0].output == "gone"


def test_a_hung_check_is_over_its_timeout_and_its_thread_ends_with_the_block(health: Health) -> None:
    with hang(health, "queue"):
        started = time.monotonic()
        assert said(health, "queue") == (Status.FAIL, "no answer within 0.3 s (limit 0.3 s)")
        assert time.monotonic() - started < 2

    wait_for(
        lambda: not [t for t in threading.enumerate() if "queue" in t.name], 5, "the end of the hung run"
    )
    assert said(health, "queue")[0] is Status.PASS


def test_blocks_can_be_nested_and_end_when_the_test_fails_inside(health: Health) -> None:
    with fail(health, "database", "outer"):
        with pytest.raises(AssertionError), warn(health, "database", "inner"):
            assert said(health, "database")[1] != "inner"
        assert said(health, "database")[1] == "outer"
        with fail(health, "queue"):
            assert health.report().readings[1].status is Status.FAIL

    assert said(health, "database") == (Status.PASS, "")


def test_a_check_registered_inside_a_block_stays(health: Health) -> None:
    with fail(health, "database"):
        health.add(lambda: None, name="late")

    assert [check.name for check in health.checks] == ["database", "queue", "api", "late"]


def test_a_name_that_is_not_registered_is_refused(health: Health) -> None:
    with pytest.raises(UnknownCheckError, match="no check is named 'databse'"), fail(health, "databse"):
        pass


@pytest.fixture
def after(health: Health) -> Iterator[None]:
    yield
    assert health.report().status is Status.PASS


def test_the_fixture_fakes_until_the_test_ends(after: None, health: Health, fake_health: Fakes) -> None:
    fake_health.fail(health, "database", "read-only")
    fake_health.warn(health, "queue", "long")
    fake_health.crash(health, "api", KeyError("x"))

    assert [reading.output for reading in health.report().readings] == ["read-only", "long", "KeyError"]
    fake_health.succeed(health, "api")
    fake_health.hang(health, "queue")
    assert [r.status for r in health.report().readings] == [Status.FAIL, Status.FAIL, Status.PASS]


def test_pytest_finds_the_fixture_as_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_app.py").write_text(
        "from healthkit.health import Health\n"
        "def test_app(fake_health):\n"
        "    health = Health('shop')\n"
        "    health.add(lambda: 1, name='database')\n"
        "    fake_health.fail(health, 'database', 'read-only')\n"
        "    assert health.report().readings[0].output == 'read-only'\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "healthkit.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_helpers_need_no_pytest() -> None:
    code = "import sys, healthkit.testing; sys.exit('pytest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
