"""A fire drill from a real app, over a running checker, to a channel; and the sign that the checker lives."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from checker.store import Store, drills
from examples.servers import free_port
from healthkit.asgi import HealthApp
from healthkit.health import Health
from tests.checker.web.served import served
from tests.e2e.alerts import Alerts
from tests.e2e.harness import RunningChecker, run
from tests.recording import RecordingServer
from tests.waiting import wait_for

MONITORS = (
    '[[endpoint]]\nname = "shop"\nurl = "{url}/health"\nevery = "1s"\n'
    '[[heartbeat]]\nname = "nightly"\nevery = "1h"\n'
)


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with Alerts() as found:
        yield found


def proofs(checker: RunningChecker) -> int:
    """How many monitors are proved."""
    store = Store(f"sqlite:///{checker.folder}/checker.db")
    try:
        return len(store.read_now(drills.proofs))
    finally:
        store.close()


def test_a_drill_goes_from_the_app_over_the_running_checker_to_the_channel(
    tmp_path: Path, alerts: Alerts
) -> None:
    health = Health("shop")
    with served(HealthApp(health)) as url:
        checker = RunningChecker(tmp_path, alerts.url, MONITORS.format(url=url), free_port())
        with checker:
            wait_for(lambda: checker.state("shop") == "up", 10, "the shop's first look")
            done = run("checker", "drill", "shop", "--config", str(checker.config))
            assert done.returncode == 0, done.stderr
            assert "shop -> checker: proved: the app gave back this drill's nonce" in done.stdout
            assert "channel alerts: delivered" in done.stdout
            assert "proved on 2" in done.stdout
            assert "nothing is wrong" in alerts.expect("drill", "shop")["incident"]["cause"]
            assert proofs(checker) == 1
            done = run("checker", "drill", "nightly", "--config", str(checker.config))
            assert done.returncode == 0, done.stderr
            assert "proved as soon as it pings" in done.stdout
            assert proofs(checker) == 1
            requests.get(checker.ping_url("nightly"), timeout=5)
            assert proofs(checker) == 2
    assert [message["event"] for message in alerts.messages()] == ["drill", "drill"]


def test_the_dead_mans_switch_hears_nothing_while_the_database_is_locked(
    tmp_path: Path, alerts: Alerts
) -> None:
    with RecordingServer() as switch:
        checker = RunningChecker(tmp_path, alerts.url, "", free_port())
        more = f'[server]\ndead_mans_url = "{switch.url}/sign"\ndead_mans_every = "1s"\n'
        checker.config.write_text(checker.config.read_text().replace("[server]\n", more))
        with checker:
            switch.wait_for(2)
            with closing(sqlite3.connect(tmp_path / "checker.db", isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN EXCLUSIVE")
                url = f"{checker.url}/health"
                wait_for(lambda: requests.get(url, timeout=30).status_code == 503, 40, "503")
                before, three_signs_later = len(switch.requests), time.monotonic() + 3
                wait_for(lambda: time.monotonic() > three_signs_later, 10, "three signs' time")
                assert len(switch.requests) == before
                other.execute("ROLLBACK")
            switch.wait_for(before + 2, timeout=40)
