"""Gatus' YAML and Uptime Kuma's JSON become a file that is taken, with a comment for all that is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import cli
from checker.conditions import parse as parse_condition
from checker.config import Config, load, parse
from checker.imports import gatus, kuma
from checker.imports.base import Found, ImportProblem, rendered
from checker.imports.gatus_conditions import NoEquivalentError, converted
from checker.model import Kind, MonitorSpec
from checker.schedule import Cron, Every

HERE = Path(__file__).parent
GATUS, KUMA = HERE / "gatus.yaml", HERE / "kuma.json"


def taken(found: Found) -> tuple[Config, str]:
    """Return what the written file means, as `check-config` would read it."""
    text, variables = rendered(found, "a test")
    return parse(text, Path("import.toml"), variables), text


def monitor(config: Config, name: str) -> MonitorSpec:
    return next(each for each in config.monitors if each.name == name)


# --- Gatus ------------------------------------------------------------------------------------------


def test_gatus_endpoints_keep_what_they_ask_for_and_when_they_tell() -> None:
    config, text = taken(gatus.read(gatus.load(GATUS)))
    front = monitor(config, "front-end")
    assert (front.url, front.every, front.timeout) == ("https://shop.example/health", 300.0, 3.0)
    assert (front.fail_after, front.recover_after, front.remind_every) == (5, 4, 3600.0)
    assert (front.channels, front.tags, front.description) == (("slack",), ("core",), "look at the wiki")
    assert (front.probe.method, front.probe.body, front.probe.follow_redirects) == (
        "POST",
        '{"a": "$5"}',
        False,
    )
    assert front.headers == {"Authorization": "Bearer t0ken-s3cret"}
    assert front.probe.conditions == (
        "status in 200, 204",
        "body.status == UP",
        'body.user."full name" == "Ann Lee"',
        "latency < 150ms",
        "certificate > 48h",
        "len(body.items) >= 3",
        "body.errors missing",
        'body contains "Welcome"',
        r'body.version matches "(?s)\A1\...\..*\Z"'.replace("...", ".."),
    )
    for said in (
        "client.insecure",
        "[DOMAIN_EXPIRATION] > 720h",
        "told there by googlechat",
        "alerting.googlechat",
    ):
        assert said in text, said
    for secret in ("t0ken-s3cret", "p4ss-s3cret", "t0ken-of-backup"):
        assert secret not in text


def test_other_gatus_endpoints_are_looked_at_by_their_kind() -> None:
    config, text = taken(gatus.read(gatus.load(GATUS)))
    assert monitor(config, "database").url == "tcp://db.example:5432"
    assert monitor(config, "database").channels == ("email",)
    name = monitor(config, "name")
    assert (name.url, name.probe.record, name.probe.server) == ("dns://example.com", "A", "9.9.9.9")
    assert name.probe.conditions == ("answers contains 192.0.2.1", "rcode == NOERROR")
    assert (name.channels, name.fail_after) == ((), 3)
    backup = monitor(config, "jobs-backup")
    assert (backup.kind, backup.schedule, backup.push_token) == (
        Kind.HEARTBEAT,
        Every(86_400.0),
        "t0ken-of-backup",
    )
    assert {each.name for each in config.monitors} == {
        "front-end",
        "front-end (2)",
        "database",
        "name",
        "jobs-backup",
    }
    assert '# name = "router"' in text
    assert "there is no look of this kind here: icmp" in text
    assert "not read: storage" in text
    assert "it is disabled there" in text


def test_gatus_channels_and_maintenance_come_along() -> None:
    config, text = taken(gatus.read(gatus.load(GATUS)))
    assert [(each.name, each.kind) for each in config.channels] == [("slack", "slack"), ("email", "email")]
    assert 'url = "${SLACK_WEBHOOK}"' in text
    assert config.channels[1].settings["to"] == ["ann@example.com", "bob@example.com"]
    (window,) = config.maintenance
    assert (window.schedule, window.duration) == (Cron("30 23 * * MON,THU", "Europe/Berlin"), 5400.0)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("[STATUS] == 200", "status == 200"),
        ("[STATUS] < 300", "status < 300"),
        ("200 == [STATUS]", "status == 200"),
        ("500 > [RESPONSE_TIME]", "latency < 500ms"),
        ("[RESPONSE_TIME] <= 500", "latency <= 500ms"),
        ("[CERTIFICATE_EXPIRATION] > 240h", "certificate > 240h"),
        ("[CONNECTED] == true", ""),
        ("[BODY].a[0].b == 1.5", "body.a[0].b == 1.5"),
        ("[BODY][0].b != x", "body[0].b != x"),
        ("[BODY] != pat(*error*)", 'body lacks "error"'),
        ("[BODY].x == pat(*)", "body.x exists"),
        ("[BODY].x == any(a, b c)", 'body.x in a, "b c"'),
        ("has([BODY].x) != false", "body.x exists"),
        ("len([BODY]) == 3", "len(body) == 3"),
    ],
)
def test_a_condition_means_the_same_in_our_words(theirs: str, ours: str) -> None:
    found = converted(theirs)
    assert found == ours
    if found:
        parse_condition(found)


@pytest.mark.parametrize(
    "theirs",
    [
        "[IP] == 1.2.3.4",
        "[DOMAIN_EXPIRATION] > 1h",
        "[CONNECTED] == false",
        "[STATUS] != any(1, 2)",
        "nonsense",
        "",
        "[BODY].x == \"'",
        "[X] == 1",
    ],
)
def test_a_condition_without_an_equivalent_is_said_to_have_none(theirs: str) -> None:
    with pytest.raises(NoEquivalentError):
        converted(theirs)


# --- Uptime Kuma ------------------------------------------------------------------------------------


def test_a_backup_of_uptime_kuma_keeps_what_is_looked_at_and_when_it_tells() -> None:
    config, text = taken(kuma.read(kuma.load(KUMA)))
    shop = monitor(config, "Shop")
    assert (shop.url, shop.every, shop.timeout, shop.fail_after) == (
        "https://shop.example/?key=s3cret",
        60.0,
        48.0,
        3,
    )
    assert shop.probe.conditions == ("status in 200-299, 304", 'body contains "Welcome"')
    assert shop.probe.warn_conditions == ("certificate > 14d",)
    assert shop.headers == {"X-Key": "h34der-s3cret", "Authorization": "Basic YW5uOmI0c2ljLXMzY3JldA=="}
    assert (shop.tags, shop.channels, shop.remind_every) == (("All", "team:web"), ("Team",), 600.0)
    for said in (
        "ignoreTls",
        "it is asked again after 20 s there",
        'group "All"',
        "not read: proxyList",
        "slackusername",
    ):
        assert said in text, said
    for secret in ("s3cret", "YW5u", "aB3dE5fG7hJ9kL1m"):
        assert secret not in text


def test_its_other_kinds_are_looked_at_or_said_to_have_no_equivalent() -> None:
    config, text = taken(kuma.read(kuma.load(KUMA)))
    query = monitor(config, "Shop (2)")
    assert query.probe.conditions == ("status in 200-299", "body.queue.depth < 100")
    assert (query.channels, query.fail_after, query.probe.follow_redirects) == ((), 1, False)
    assert monitor(config, "Database").url == "tcp://db.example:5432"
    name = monitor(config, "Name")
    assert (name.url, name.probe.record, name.probe.server) == ("dns://example.com", "MX", "1.1.1.1")
    backup = monitor(config, "Backup")
    assert (backup.kind, backup.schedule, backup.grace) == (Kind.HEARTBEAT, Every(90_000.0), 2160.0)
    assert backup.push_token == "aB3dE5fG7hJ9kL1m"
    assert {"Router"}.isdisjoint({each.name for each in config.monitors})
    for said in (
        '# name = "Router"',
        "of the kind ping",
        "upsideDown",
        "proxyId",
        "it is paused there",
        '# kind = "gorush"',
    ):
        assert said in text, said


def test_the_monitors_of_version_2_are_read_as_they_are_sent() -> None:
    listed = {str(each["id"]): each for each in json.loads(KUMA.read_text())["monitorList"]}
    for document in (listed, list(listed.values())):
        config, _ = taken(kuma.read(document))
        assert monitor(config, "Backup").schedule == Every(90_000.0)
        assert monitor(config, "Shop").channels is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_keys = [
    "id",
    "name",
    "type",
    "url",
    "interval",
    "maxretries",
    "hostname",
    "port",
    "headers",
    "tags",
    "keyword",
]
_keys += [
    "notificationIDList",
    "accepted_statuscodes",
    "jsonPath",
    "expectedValue",
    "pushToken",
    "parent",
    "timeout",
]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(_keys), _json),
    st.sampled_from(["http", "keyword", "json-query", "port", "dns", "push", "ping", "?"]),
)
def test_rubbish_in_a_backup_gives_a_file_that_is_taken(monitor: dict[str, Any], kind: str) -> None:
    taken(kuma.read({"monitorList": [{**monitor, "type": kind}]}))


_gatus = [
    "name",
    "group",
    "url",
    "interval",
    "conditions",
    "alerts",
    "headers",
    "client",
    "dns",
    "body",
    "method",
    "enabled",
]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(_gatus), _json | st.just("https://x.example")), _json, _json)
def test_rubbish_in_a_gatus_configuration_gives_a_file_that_is_taken(
    endpoint: dict[str, Any], alerting: Any, window: Any
) -> None:
    taken(gatus.read({"endpoints": [endpoint], "alerting": {"slack": alerting}, "maintenance": window}))


# --- the command ------------------------------------------------------------------------------------


def test_the_command_prints_or_writes_into_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checker.toml"
    path.write_text("")
    assert cli.main(["import", "gatus", str(GATUS)], {}) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# Imported from Gatus (gatus.yaml)")
    assert "SLACK_WEBHOOK" in printed.err
    assert cli.main(["import", "uptime-kuma", str(KUMA), "--write", "-c", str(path)], {}) == 0
    wanted = capsys.readouterr().err.partition(": ")[2].strip().split(", ")
    assert cli.main(["import", "uptime-kuma", str(KUMA), "--write", "-c", str(path)], {}) == 1
    assert "is there already" in capsys.readouterr().err
    environ = {
        name: f"https://x.example/{number}/aaaaaaaa" if "URL" in name else f"v{number}-0123456789"
        for number, name in enumerate(wanted)
    }
    assert len(load(path, environ).monitors) == 6


def test_several_files_of_gatus_count_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = tmp_path / "a.yaml", tmp_path / "b.yaml"
    here.write_text(
        "alerting: {slack: {webhook-url: 'https://x.example'}}\nendpoints: [{name: a, url: 'https://a'}]"
    )
    there.write_text(
        "alerting: {discord: {webhook-url: 'https://y.example'}}\n"
        "endpoints: [{name: b, url: 'https://b', alerts: [{type: slack}]}]"
    )
    assert cli.main(["import", "gatus", str(here), str(there)], {}) == 0
    printed = capsys.readouterr().out
    assert [name in printed for name in ('"a"', '"b"', '"slack"', '"discord"')] == [True] * 4
    assert 'channels = ["slack"]' in printed


@pytest.mark.parametrize("text", ["", "[]", "{}", "a: [", "endpoints: 5", "- 1", "\x00"])
def test_what_is_no_configuration_is_said(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "given"
    file.write_text(text)
    assert cli.main(["import", "gatus", str(file)], {}) == 1
    assert cli.main(["import", "uptime-kuma", str(file)], {}) == 1
    assert cli.main(["import", "gatus", str(tmp_path / "gone")], {}) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_the_list_that_is_none_is_refused() -> None:
    wrong: list[object] = [[1], {"monitorList": [{"name": "x"}]}, {"monitorList": []}]
    for document in wrong:
        with pytest.raises(ImportProblem):
            kuma.read(document)


def test_init_writes_a_file_that_is_taken_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "checker.toml"
    assert cli.main(["init", "-c", str(path)], {}) == 0
    assert path.stat().st_mode & 0o077 == 0
    config = load(path, {})
    assert min(len(config.server.admin_token), len(config.server.ping_key)) >= 32
    assert cli.main(["init", "-c", str(path)], {}) == 1
    assert "is left as it is" in capsys.readouterr().err
    lines = path.read_text().splitlines()
    whole = "\n".join(re.sub(r"^# (?=\[\[|[a-z_]+ = )", "", line) for line in lines)
    uncommented = path.with_name("whole.toml")
    uncommented.write_text(whole)
    assert len(load(uncommented, {"SLACK_WEBHOOK": "https://hooks.slack.com/x"}).monitors) == 2
