"""`healthkit-checker run` as a real process: start, kill, stop, reload, and every way to start it wrongly."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from examples.servers import free_port
from tests.e2e.alerts import Alerts, reason
from tests.e2e.harness import PING_KEY, ROOT, RunningChecker, run
from tests.recording import Answer, RecordingServer
from tests.waiting import wait_for

NIGHTLY = '[[heartbeat]]\nname = "nightly"\nevery = "1h"\n'
SHOP = '[[endpoint]]\nname = "shop"\nurl = "{url}health"\nevery = "1s"\ntimeout = "2s"\n'
BEAT = '[[heartbeat]]\nname = "worker"\nevery = "2s"\ngrace = "2s"\n'
HEALTHY = json.dumps({"status": "pass", "checks": {"database:write": [{"status": "pass"}]}}).encode()
READ_ONLY = json.dumps(
    {
        "status": "fail",
        "checks": {"database:write": [{"status": "fail", "output": "the database is read-only"}]},
    }
).encode()


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with Alerts() as found:
        yield found


def make(folder: Path, alerts: Alerts, monitors: str) -> RunningChecker:
    """Return a checker that is not started."""
    return RunningChecker(folder, alerts.url, monitors, free_port())


def test_a_failing_endpoint_and_a_missed_heartbeat_alert_once_each_and_recover_once(
    tmp_path: Path, alerts: Alerts
) -> None:
    with RecordingServer(default=Answer(body=HEALTHY)) as shop:
        url = shop.url if shop.url.endswith("/") else shop.url + "/"
        with make(tmp_path, alerts, SHOP.format(url=url) + BEAT) as checker:
            assert requests.get(checker.ping_url("worker"), timeout=5).text == "OK"
            wait_for(lambda: checker.state("shop") == "up", 10, "the shop's first look")
            shop.default = Answer(503, READ_ONLY)
            opened = alerts.expect("opened", "shop/database:write")
            assert "read-only" in reason(opened, "shop/database:write")
            missed = alerts.expect("opened", "worker")
            page = requests.get(checker.url, timeout=5).text
            assert "2 things are down" in page
            assert "the database is read-only" in page
            shop.default = Answer(body=HEALTHY)
            requests.get(checker.ping_url("worker"), timeout=5)
            keys = {
                alerts.expect("resolved", name)["incident"]["dedup_key"]
                for name in ("shop/database:write", "worker")
            }
            assert keys == {opened["incident"]["dedup_key"], missed["incident"]["dedup_key"]}
            for name in ("shop/database:write", "worker"):
                assert [len(alerts.of(event, name)) for event in ("opened", "resolved")] == [1, 1], (
                    alerts.summary()
                )


def test_a_ping_answered_200_is_in_the_store_after_kill_9(tmp_path: Path, alerts: Alerts) -> None:
    checker = make(tmp_path, alerts, NIGHTLY).start()
    try:
        answer = requests.post(checker.ping_url("nightly") + "/3", data=b"the last words", timeout=5)
        assert (answer.status_code, answer.text, answer.headers["Ping-Body-Limit"]) == (200, "OK", "100000")
    finally:
        checker.kill()
    with closing(sqlite3.connect(tmp_path / "checker.db")) as store:
        assert store.execute("SELECT kind, exit_code, body FROM ping").fetchall() == [
            ("fail", 3, b"the last words")
        ]


def test_sigterm_answers_the_ping_in_flight_and_ends_within_five_seconds(
    tmp_path: Path, alerts: Alerts
) -> None:
    checker = make(tmp_path, alerts, NIGHTLY).start()
    assert checker.process
    path = f"/ping/{PING_KEY}/nightly"
    with socket.create_connection(("127.0.0.1", checker.port), timeout=10) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha".encode())
        time.sleep(0.3)  # the request is being read now
        began = time.monotonic()
        checker.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        client.sendall(b"lf")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert checker.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert "Traceback" not in checker.output
    with closing(sqlite3.connect(tmp_path / "checker.db")) as store:
        assert store.execute("SELECT body FROM ping").fetchall() == [(b"half",)]
        assert store.execute("SELECT clean_stop FROM node").fetchall() == [(1,)]


def test_sigterm_ends_within_five_seconds_with_a_channel_and_clients_that_hang(tmp_path: Path) -> None:
    with Alerts(default=Answer(fault="hang")) as alerts:
        checker = make(tmp_path, alerts, NIGHTLY).start()
        assert checker.process
        requests.get(checker.ping_url("nightly") + "/fail", timeout=5)
        alerts.expect("opened", "nightly")
        idle = [socket.create_connection(("127.0.0.1", checker.port)) for _ in range(20)]
        half = socket.create_connection(("127.0.0.1", checker.port))
        half.sendall(
            f"POST /ping/{PING_KEY}/nightly HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".encode()
        )
        began = time.monotonic()
        checker.process.send_signal(signal.SIGTERM)
        assert checker.process.wait(10) == 0
        assert time.monotonic() - began < 5
        for connection in (*idle, half):
            connection.close()
        assert "Traceback" not in checker.output


@pytest.mark.parametrize("by", ["the changed file", "SIGHUP"])
def test_a_changed_configuration_holds_without_a_restart(tmp_path: Path, alerts: Alerts, by: str) -> None:
    with make(tmp_path, alerts, NIGHTLY) as checker:
        assert checker.process
        stamp = checker.config.stat()
        assert requests.get(checker.ping_url("weekly"), timeout=5).status_code == 404
        checker.config.write_text(checker.config.read_text() + NIGHTLY.replace("nightly", "weekly"))
        if by == "SIGHUP":
            os.utime(checker.config, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            checker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "+ weekly (heartbeat)" in checker.output, 10, "the diff")
        assert requests.get(checker.ping_url("weekly"), timeout=5).text == "OK"
        assert requests.get(checker.ping_url("nightly"), timeout=5).text == "OK"


def test_a_broken_edit_keeps_the_old_one_running_and_says_so_everywhere(
    tmp_path: Path, alerts: Alerts
) -> None:
    with make(tmp_path, alerts, NIGHTLY) as checker:
        good = checker.config.read_text()
        checker.config.write_text(good + '[[heartbeat]]\nname = "weekly"\nevry = "1h"\n')
        wait_for(lambda: "evry" in checker.output, 10, "the complaint")
        assert requests.get(checker.ping_url("nightly"), timeout=5).text == "OK"
        page = requests.get(checker.url, timeout=5).text
        assert "the old one keeps running" in page
        assert "evry" in page
        health = requests.get(checker.url + "/health", timeout=5)
        assert (health.status_code, health.json()["checks"]["config:reload"][0]["status"]) == (200, "warn")
        checker.config.write_text(good)
        wait_for(
            lambda: "the old one keeps running" not in requests.get(checker.url, timeout=5).text, 10, "mended"
        )
        assert checker.output.count("evry") == 1, "a broken edit is told once"


def test_its_own_health_passes_and_says_what_it_did(tmp_path: Path, alerts: Alerts) -> None:
    with make(tmp_path, alerts, NIGHTLY) as checker:
        answer = requests.get(checker.url + "/health", timeout=5)
        assert (answer.status_code, answer.json()["status"]) == (200, "pass")
        assert {"store:write", "loops:progress", "channels:delivery", "config:reload"} <= answer.json()[
            "checks"
        ].keys()


def test_the_operators_commands_work_beside_a_running_checker(tmp_path: Path, alerts: Alerts) -> None:
    with make(tmp_path, alerts, NIGHTLY) as checker:
        config = ("--config", str(checker.config))
        requests.get(checker.ping_url("nightly") + "/fail", timeout=5)
        alerts.expect("opened", "nightly")
        assert run("checker", "status", *config).returncode == 1
        assert run("checker", "ack", "nightly", *config).stdout.startswith("acknowledged: ")
        done = run("checker", "drill", "nightly", *config)
        assert done.returncode == 0, done.stderr
        assert "channel alerts: delivered\n" in done.stdout
        assert len(alerts.of("drill", "nightly")) == 1
        assert run("checker", "pause", "nightly", *config).returncode == 0
        assert run("checker", "status", *config).returncode == 0
        assert checker.state("nightly") == "paused"
        assert run("checker", "resume", "nightly", *config).returncode == 0


def test_no_ping_key_or_token_is_logged_however_verbose(tmp_path: Path, alerts: Alerts) -> None:
    checker = make(tmp_path, alerts, NIGHTLY)
    command = [sys.executable, "-m", "checker", "run", "--verbose", "--config", str(checker.config)]
    with checker.printed.open("ab") as log:
        checker.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
    try:
        wait_for(lambda: "listening on" in checker.output or checker.ended, 30, "the start")
        requests.get(checker.ping_url("nightly"), timeout=5)
        requests.get(f"{checker.url}/ping/wrong-{PING_KEY}/nightly", timeout=5)
        with closing(sqlite3.connect(tmp_path / "checker.db")) as store:
            (token,) = store.execute("SELECT token FROM monitor").fetchone()
        assert requests.get(f"{checker.url}/ping/{token}/fail", timeout=5).text == "OK"
        alerts.expect("opened", "nightly")
    finally:
        checker.stop()
    assert "DEBUG" in checker.output
    assert PING_KEY not in checker.output
    assert token not in checker.output


def test_200_dripping_connections_and_a_flood_of_wrong_keys_hurt_no_ping(
    tmp_path: Path, alerts: Alerts
) -> None:
    with make(tmp_path, alerts, NIGHTLY) as checker:
        drips = [socket.create_connection(("127.0.0.1", checker.port)) for _ in range(200)]
        end = time.monotonic() + 14
        with requests.Session() as session:
            while time.monotonic() < end and drips:
                drips = [each for each in drips if _drip(each)]
                for number in range(20):
                    assert (
                        session.get(f"{checker.url}/ping/wrong{number}/nightly", timeout=5).status_code == 404
                    )
                began = time.monotonic()
                assert session.get(checker.ping_url("nightly"), timeout=5).status_code == 200
                assert time.monotonic() - began < 2
                time.sleep(0.3)
        assert drips == [], "every dripping connection is dropped"


def _drip(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"G")
    except OSError:
        connection.close()
        return False
    return True


def test_port_0_prints_the_real_port(tmp_path: Path, alerts: Alerts) -> None:
    checker = make(tmp_path, alerts, NIGHTLY)
    checker.config.write_text(re.sub(r'listen = ".*"', 'listen = "127.0.0.1:0"', checker.config.read_text()))
    with checker:
        found = re.search(
            r"^healthkit-checker: listening on (http://127\.0\.0\.1:([1-9]\d*))$", checker.output, re.M
        )
        assert found, checker.output
        assert requests.get(found.group(1) + "/status", timeout=5).status_code == 200


def test_a_port_that_is_taken_is_said_with_what_to_do(tmp_path: Path, alerts: Alerts) -> None:
    checker = make(tmp_path, alerts, NIGHTLY)
    with closing(socket.create_server(("127.0.0.1", checker.port))):
        done = run("checker", "run", "--config", str(checker.config))
    assert done.returncode == 1
    assert f"127.0.0.1:{checker.port}" in done.stderr
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_file_that_is_none_is_said_and_left_alone(tmp_path: Path, alerts: Alerts) -> None:
    checker = make(tmp_path, alerts, NIGHTLY)
    (tmp_path / "checker.db").write_bytes(b"these are my holiday notes, not a database\n" * 100)
    done = run("checker", "run", "--config", str(checker.config))
    assert done.returncode == 1
    assert "not an SQLite database" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "checker.db").read_bytes().startswith(b"these are my holiday notes")


def test_a_typo_in_the_configuration_is_exit_2_with_file_line_key_and_the_nearest_known(
    tmp_path: Path, alerts: Alerts
) -> None:
    checker = make(tmp_path, alerts, NIGHTLY.replace("every", "evry"))
    line = next(n for n, text in enumerate(checker.config.read_text().splitlines(), 1) if "evry" in text)
    done = run("checker", "run", "--config", str(checker.config))
    assert done.returncode == 2
    assert f"{checker.config}:{line}" in done.stderr
    assert 'did you mean "every"' in done.stderr
    assert "Traceback" not in done.stderr
