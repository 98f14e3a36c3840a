"""A project of Healthchecks is read by its API: here our own, which speaks the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checker import cli
from checker.config import load, parse
from checker.imports import healthchecks
from checker.imports.base import rendered
from checker.model import MonitorSpec
from checker.schedule import Cron, Every, OnCalendar
from tests.checker.web.served import served
from tests.checker.web.site import ADMIN, READER, Site
from tests.recording import Answer, RecordingServer

CHECKS: list[dict[str, Any]] = [
    {
        "name": "Backup / db",
        "tags": "prod db",
        "desc": "look",
        "timeout": 7200,
        "grace": 600,
        "channels": "*",
    },
    {"name": "Nightly", "schedule": "0 2 * * *", "tz": "Europe/Berlin", "grace": 900, "slug": "own-slug"},
    {"name": "Calendar", "schedule": "Mon..Fri 02:00", "methods": "POST", "manual_resume": True},
    {"name": "Keywords", "start_kw": "BEGIN", "failure_kw": "ERROR,FAIL", "filter_http_body": True},
    {"name": "Mail", "subject": "done", "filter_subject": True},
    {"name": "Nightly"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    site = Site(tmp_path_factory.mktemp("site"))
    for check in CHECKS:
        site.json("/api/v3/checks/", 201, method="POST", json=check)
    with served(site.app) as url:
        yield site, url
    site.store.close()


def imported(url: str, key: str) -> tuple[dict[str, MonitorSpec], str]:
    text, variables = rendered(healthchecks.read(*healthchecks.fetch(url, key)), "a test")
    config = parse(text, Path("import.toml"), variables)
    return {each.name: each for each in config.monitors}, text


def test_checks_become_heartbeats_with_their_ping_urls_by_uuid(server: tuple[Site, str]) -> None:
    site, url = server
    found, text = imported(url, ADMIN)
    backup, nightly = found["Backup - db"], found["Nightly"]
    assert (backup.schedule, backup.grace, backup.max_runtime) == (Every(7200.0), 600.0, 600.0)
    assert (backup.tags, backup.description) == (("prod", "db"), "look")
    assert (nightly.schedule, nightly.grace) == (Cron("0 2 * * *", "Europe/Berlin"), 900.0)
    assert found["Calendar"].schedule == OnCalendar("Mon..Fri 02:00")
    assert (found["Calendar"].manual_resume, found["Keywords"].rules is not None) == (True, True)
    assert {"Nightly (2)", "Mail", "Nightly invoices"} <= found.keys()
    uuids = {each["ping_url"].rpartition("/")[2] for each in site.json("/api/v3/checks/")["checks"]}
    assert {each.token for each in found.values()} == uuids
    assert not any(each in text for each in uuids)
    for said in (
        'its slug was "own-slug"',
        'channel "ops" (webhook)',
        "told there: ",
        "filter_subject",
        'it was called "Backup / db"',
    ):
        assert said in text, said


def test_a_read_only_key_tells_no_uuid_and_that_is_said(server: tuple[Site, str]) -> None:
    found, text = imported(server[1], READER)
    assert {each.token for each in found.values()} == {""}
    assert "a read-only key does not tell its uuid" in text


def test_the_command_prints_what_check_config_takes(
    server: tuple[Site, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checker.toml"
    path.write_text("")
    wanted = {"HEALTHCHECKS_API_KEY": ADMIN}
    assert cli.main(["import", "healthchecks", "--url", server[1], "--write", "-c", str(path)], wanted) == 0
    names = capsys.readouterr().err.strip().partition(": ")[2].split(", ")
    environ = {name: f"7f3c0f04-4a5b-4e0f-9d29-{number:012}" for number, name in enumerate(names)}
    assert len(load(path, environ).monitors) == 7


def test_what_cannot_be_read_is_said_without_the_key(
    capsys: pytest.CaptureFixture[str], server: tuple[Site, str]
) -> None:
    with RecordingServer() as other:
        other.then(*[Answer(status=200, body=b"hello")] * 9)
        for url in (server[1], other.url, "http://127.0.0.1:9", "ftp://x"):
            assert cli.main(["import", "healthchecks", "--url", url, "--api-key", "wr0ng-s3cret"], {}) == 1
    assert cli.main(["import", "healthchecks"], {}) == 1
    printed = capsys.readouterr().err
    assert "answers 401; give the project's API key" in printed
    assert "HEALTHCHECKS_API_KEY" in printed
    assert "s3cret" not in printed
