"""A running checker: files that come and go beside its configuration, and apps that announce themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.servers import free_port
from tests.e2e.alerts import Alerts
from tests.e2e.harness import PING_KEY, ROOT, RunningChecker, run
from tests.recording import Answer, RecordingServer
from tests.waiting import wait_for

HEALTHY = json.dumps({"status": "pass", "checks": {"database:write": [{"status": "pass"}]}}).encode()
BEAT = '[[heartbeat]]\nname = "{name}"\nevery = "1h"\n'
APP = """
import sys, time
from healthkit import Health
health = Health("billing", announce=sys.argv[1], url=sys.argv[2])
time.sleep(60)
"""


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with Alerts() as found:
        yield found


def test_a_file_beside_the_configuration_holds_and_a_broken_one_changes_nothing(
    tmp_path: Path, alerts: Alerts
) -> None:
    with RunningChecker(tmp_path, alerts.url, BEAT.format(name="one"), free_port()) as checker:
        extra = tmp_path / "conf.d" / "team.toml"
        extra.parent.mkdir()
        extra.write_text(BEAT.format(name="two"))
        wait_for(lambda: "+ two (heartbeat)" in checker.output, 30, "the new file")
        assert requests.get(checker.ping_url("two"), timeout=10).text == "OK"
        extra.write_text(BEAT.format(name="two") + 'gracee = "1h"\n')
        wait_for(lambda: "team.toml:4" in checker.output, 30, "the complaint")
        assert "team.toml:4" in requests.get(checker.url, timeout=10).text
        assert requests.get(checker.ping_url("two"), timeout=10).text == "OK"
        extra.write_text(BEAT.format(name="two") + 'grace = "7m"\n')
        wait_for(lambda: "~ two (heartbeat): grace" in checker.output, 30, "the mended file")


def test_an_app_announces_itself_and_a_private_address_is_asked_only_where_that_is_allowed(
    tmp_path: Path, alerts: Alerts
) -> None:
    with (
        RecordingServer(default=Answer(body=HEALTHY)) as app,
        RunningChecker(tmp_path, alerts.url, "", free_port()) as checker,
    ):
        target = f"{checker.url}/announce/{PING_KEY}"
        process = subprocess.Popen([sys.executable, "-c", APP, target, f"{app.url}/health"], cwd=ROOT)
        try:
            wait_for(lambda: "billing" in standing(checker), 30, "the announcement")
        finally:
            process.kill()
            process.wait()
        told = {"name": "billing", "url": f"{app.url}/health", "every": "1s"}
        assert requests.post(target, json=told, timeout=10).text == "OK"
        wait_for(lambda: "private" in standing(checker)["billing"]["reason"], 30, "the refusal")
        assert app.requests == [], "it is not asked at all"
        text = checker.config.read_text().replace("[server]\n", "[server]\nannounce_private = true\n")
        checker.config.write_text(text)
        wait_for(lambda: "~ server.announce_private" in checker.output, 30, "the changed configuration")
        assert requests.post(target, json=told, timeout=10).text == "OK"
        wait_for(lambda: standing(checker)["billing"]["state"] == "up", 30, "the look")
        done = run("checker", "export", "--with-secrets", "--config", str(checker.config))
        assert 'name = "billing"' in done.stdout
        assert "# made by its own announcement" in done.stdout


def standing(checker: RunningChecker) -> dict[str, Any]:
    """What the checker knows of its monitors, by name."""
    found = requests.get(f"{checker.url}/api/status", timeout=10).json()["monitors"]
    return {each["name"]: each for each in found}
