"""kill -9 of the checker: nothing that was promised is lost."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from pathlib import Path

import requests

from examples.servers import free_port
from tests.e2e.alerts import Alerts
from tests.e2e.harness import RunningChecker
from tests.recording import Answer
from tests.waiting import wait_for

ONE = '[[heartbeat]]\nname = "nightly"\nevery = "1h"\n'


def test_an_alert_that_was_not_sent_before_kill_9_arrives_after_the_restart(tmp_path: Path) -> None:
    """The receiver hangs: the alert is decided, and not delivered, when the checker dies."""
    with Alerts(default=Answer(fault="hang")) as alerts:
        checker = RunningChecker(tmp_path, alerts.url, ONE, free_port()).start()
        try:
            assert requests.get(checker.ping_url("nightly") + "/fail", timeout=5).text == "OK"
            alerts.expect("opened", "nightly", 10)
            checker.kill()
            first = alerts.messages()
            alerts.default = Answer()
            alerts.released.set()
            checker.start()
            wait_for(lambda: len(alerts.messages()) > len(first), 20, "the alert after the restart")
            keys = {message["incident"]["dedup_key"] for message in alerts.messages()}
            assert len(keys) == 1, "a repeat carries the same dedup key"
        finally:
            checker.stop()


def test_kill_9_right_after_the_ping_that_brings_it_down_loses_no_alert(tmp_path: Path) -> None:
    with Alerts() as alerts:
        checker = RunningChecker(tmp_path, alerts.url, ONE, free_port()).start()
        try:
            assert requests.get(checker.ping_url("nightly") + "/fail", timeout=5).status_code == 200
            checker.kill()
            checker.start()
            alerts.expect("opened", "nightly", 20)
            assert len({m["incident"]["dedup_key"] for m in alerts.messages()}) == 1
        finally:
            checker.stop()


def test_every_ping_answered_200_is_in_the_store_after_kill_9(tmp_path: Path) -> None:
    with Alerts() as alerts:
        checker = RunningChecker(tmp_path, alerts.url, ONE, free_port()).start()
        answered: list[str] = []
        stop = threading.Event()

        def client() -> None:
            with requests.Session() as session:
                while not stop.is_set():
                    rid = str(uuid.uuid4())
                    try:
                        answer = session.get(checker.ping_url("nightly"), params={"rid": rid}, timeout=5)
                    except requests.RequestException:
                        return
                    if answer.status_code == 200:
                        answered.append(rid)

        threads = [threading.Thread(target=client) for _ in range(8)]
        try:
            for thread in threads:
                thread.start()
            wait_for(lambda: len(answered) > 300, 20, "enough pings")
            checker.kill()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            checker.kill()
        with sqlite3.connect(tmp_path / "checker.db") as store:
            stored = {rid for (rid,) in store.execute("SELECT rid FROM ping WHERE rid IS NOT NULL")}
        store.close()
        assert set(answered) <= stored
