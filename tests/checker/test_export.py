"""What is exported means what it was made of, keeps every secret, and is taken by `check-config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker import cli, config_blocks, export
from checker.config import Config, ServerConfig, load, parse
from checker.config_text import Block, Secret, Writer, duration
from checker.model import ChannelSpec, Kind, MonitorSpec, PingRules
from checker.probe_spec import ComponentRule, ProbeSpec
from checker.schedule import Cron, Every, OnCalendar, Schedule
from checker.slugs import slug
from checker.store import Store, monitors
from healthkit.durations import seconds

FULL = """
[server]
listen = "[::1]:8765"
public_url = "https://checker.example"
database = "postgresql://ann:${PASSWORD}@db.example/checker"
admin_token = "${ADMIN}"
ping_key = "${KEY}"
remind_every = "4h"
reachability = ["https://one.example", "https://two.example"]
storm = 12
open_slugs = true
announce_private = true
dead_mans_url = "https://other.example/ping/${KEY}"

[[channel]]
name = "ops"
kind = "slack"
url = "https://hooks.slack.com/services/${HOOK}"
remind_every = "1h"

[[channel]]
name = "mail $5"
kind = "email"
host = "mail.example"
from = "checker@example.com"
to = ["ann@example.com"]
password = "p4ss-s3cret"

[[endpoint]]
name = "shop"
url = "https://ann:s3cret-0@shop.example/health?key=s3cret-1"
headers = { Authorization = "Bearer ${TOKEN}", Accept = "text/plain" }
conditions = ["status == 200", "latency < 2s"]
fail_when = "3 of 5"
tags = ["a", "b"]
depends_on = ["mail"]

[endpoint.components."queue-*"]
fail_after = 3
severity = "warning"

[[endpoint]]
name = "mail"
url = "tcp://mail.example:25"
remind_every = 0

[[endpoint]]
name = "certificate"
url = "tls://shop.example:443"

[[endpoint]]
name = "name"
url = "dns://shop.example"
record = "MX"

[[heartbeat]]
name = "Nightly \\"quoted\\" ключ $x"
schedule = "0 2 * * *"
timezone = "Europe/Berlin"
grace = "1h30m"
max_runtime = "auto"
methods = "POST"
token = "s3cret-token-of-its-own"
channels = []

[[heartbeat]]
name = "calendar"
oncalendar = "Mon..Fri 02:00"
stalled_after = "7m30s"
description = '''two
lines'''

[[maintenance]]
name = "w"
schedule = "0 3 * * SUN"
duration = "1h"
monitors = ["shop", "night*"]

[[route]]
channels = ["ops"]
tags = ["b", "a"]
severity = "critical"
hours = "22:00-06:30"
timezone = "Europe/Berlin"

[[escalation]]
after = "15m"
channels = ["mail $5"]
monitors = ["shop"]
"""
ENVIRON = {
    "PASSWORD": "pg-s3cret",
    "ADMIN": "adm1n-s3cret-0123456789",
    "KEY": "p1ng-s3cret-0123456789",
    "HOOK": "T0/B0/h00k-s3cret",
    "TOKEN": "t0ken-s3cret",
}
PATH = Path("/srv/checker.toml")


def same(one: Config, two: Config) -> None:
    assert replace(two, warnings=(), patterns=()) == replace(one, warnings=(), patterns=())


def test_everything_comes_back_as_it_was() -> None:
    before = parse(FULL, PATH, ENVIRON)
    text, variables = export.export(before, (), {})
    same(before, parse(text, PATH, variables))
    for secret in ("s3cret", "h00k"):
        assert secret not in text
    for name in variables:
        assert f"#   {name}" in text


def test_variables_keep_their_names_where_the_files_have_some(tmp_path: Path) -> None:
    path = tmp_path / "checker.toml"
    path.write_text(FULL)
    text, variables = export.export(load(path, ENVIRON), (), ENVIRON)
    assert 'Authorization = "Bearer ${TOKEN}"' in text
    assert 'database = "postgresql://ann:${PASSWORD}@db.example/checker"' in text
    assert set(ENVIRON) <= set(variables)
    same(load(path, ENVIRON), replace(parse(text, path, variables)))


def test_with_secrets_nothing_has_to_be_filled_in() -> None:
    before = parse(FULL, PATH, ENVIRON)
    text, variables = export.export(before, (), ENVIRON, plain=True)
    assert variables == {}
    same(before, parse(text, PATH, {}))


names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.lists(texts, max_size=3).map(tuple)
spans = st.one_of(st.integers(1, 100_000).map(float), st.floats(1.0, 1e5))
schedules: st.SearchStrategy[Schedule] = st.one_of(
    spans.map(Every),
    st.sampled_from([Cron("*/5 1-3 * * MON"), Cron("0 2 * * *", "Europe/Berlin")]),
    st.just(OnCalendar("Mon..Fri 02:00", "America/New_York")),
)
shared: dict[str, Any] = {
    "tags": words,
    "depends_on": st.just(()),
    "channels": st.none() | st.just(()) | st.just(("ops",)),
    "description": texts.filter(lambda text: True),
    "severity": st.sampled_from(["", "warning", "critical"]),
    "recover_after": st.integers(1, 9),
    "remind_every": st.none() | st.just(0.0) | st.floats(60, 1e6),
}
rules = st.builds(
    PingRules,
    methods=st.sampled_from(["", "POST"]),
    start_kw=texts,
    success_kw=texts,
    failure_kw=texts,
    filter_http_body=st.booleans(),
    filter_default_fail=st.booleans(),
).map(lambda found: None if found == PingRules() else found)


@st.composite
def heartbeats(draw: st.DrawFn) -> MonitorSpec:
    name = draw(names)
    learns = draw(st.booleans())
    return MonitorSpec(
        Kind.HEARTBEAT,
        name,
        slug=slug(name),
        push_token=draw(st.just("") | st.from_regex(r"[A-Za-z0-9_-]{8,20}", fullmatch=True)),
        schedule=draw(schedules),
        grace=draw(spans | st.just(0.0)),
        learn_runtime=learns,
        max_runtime=None if learns else draw(st.none() | spans.map(lambda each: each + 1e5)),
        min_runtime=draw(st.none() | spans),
        min_interval=draw(st.none() | spans),
        stalled_after=draw(st.none() | spans),
        extend_on_progress=draw(st.booleans()),
        manual_resume=draw(st.booleans()),
        rules=draw(rules),
        fail_after=draw(st.integers(1, 9)),
        **{key: draw(strategy) for key, strategy in shared.items()},
    )


@st.composite
def endpoints(draw: st.DrawFn) -> MonitorSpec:
    some_of = draw(st.none() | st.tuples(st.integers(1, 5), st.integers(5, 60)))
    pattern = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=9)
    component = st.builds(
        ComponentRule,
        pattern=pattern,
        recover_after=st.none() | st.integers(1, 9),
        severity=st.none() | st.just("warning"),
        tags=st.none() | words,
        channels=st.none() | st.just(("ops",)),
        description=st.none() | texts.filter(bool),
        ignore=st.booleans(),
    )
    parts = draw(st.lists(component, max_size=2, unique_by=lambda each: each.pattern).map(tuple))
    return MonitorSpec(
        Kind.ENDPOINT,
        draw(names),
        url=draw(st.sampled_from(["https://x.example/h", "https://u:pass@x.example/h?a=b$c"])),
        every=draw(spans),
        timeout=draw(st.floats(0.1, 300)),
        headers=draw(st.dictionaries(st.just("X-Key"), st.text("abc${}", max_size=8), max_size=1)),
        fail_when=some_of,
        fail_after=2 if some_of else draw(st.integers(1, 9)),
        probe=ProbeSpec(
            method=draw(st.sampled_from(["GET", "POST"])),
            body=draw(texts),
            follow_redirects=draw(st.booleans()),
            allow_private=draw(st.booleans()),
            prove=draw(st.booleans()),
            stale_after=draw(st.none() | spans),
            forget_after=draw(st.floats(60, 1e6)),
            conditions=draw(st.just(()) | st.just(("status == 200",))),
            components=parts,
        ),
        **{key: draw(strategy) for key, strategy in shared.items()},
    )


@settings(max_examples=60, deadline=None)
@given(heartbeats(), st.booleans())
def test_any_heartbeat_comes_back_as_it_was(spec: MonitorSpec, plain: bool) -> None:
    assert _again(spec, plain) == spec


@settings(max_examples=60, deadline=None)
@given(endpoints(), st.booleans())
def test_any_endpoint_comes_back_as_it_was(spec: MonitorSpec, plain: bool) -> None:
    assert _again(spec, plain) == spec


def _again(spec: MonitorSpec, plain: bool) -> MonitorSpec:
    writer = Writer(plain=plain)
    ops = config_blocks.channel(ChannelSpec("ops", "webhook", {"url": "https://h.example"}))
    text = writer.text([ops, config_blocks.monitor(spec)])
    (found,) = parse(text, PATH, writer.variables).monitors
    return found


@given(st.floats(0, 1e8))
def test_a_duration_is_written_exactly(value: float) -> None:
    assert seconds(duration(value)) == value


OTHER: dict[type, Mapping[str, Any]] = {
    MonitorSpec: {
        "name": "other",
        "token": "7f3c0f04-4a5b-4e0f-9d29-2f3f4f5f6f70",
        "tags": ("a",),
        "channels": (),
        "depends_on": ("a",),
        "description": "a",
        "severity": "warning",
        "fail_after": 5,
        "recover_after": 5,
        "remind_every": 60.0,
        "fail_when": (1, 2),
        "url": "https://other.example",
        "every": 77.0,
        "timeout": 7.0,
        "headers": {"a": "b"},
        "schedule": Every(77.0),
        "grace": 77.0,
        "max_runtime": 77.0,
        "learn_runtime": True,
        "min_runtime": 7.0,
        "min_interval": 7.0,
        "extend_on_progress": True,
        "stalled_after": 7.0,
        "rules": PingRules(methods="POST"),
        "manual_resume": True,
        "push_token": "abcdefghij",
        "probe": ProbeSpec(method="POST"),
    },
    ProbeSpec: {
        "method": "POST",
        "body": "a",
        "follow_redirects": False,
        "document": False,
        "conditions": ("status == 200",),
        "warn_conditions": ("status == 200",),
        "allow_private": False,
        "prove": True,
        "stale_after": 7.0,
        "forget_after": 77.0,
        "record": "MX",
        "server": "9.9.9.9",
        "components": (ComponentRule("a", ignore=True),),
    },
}


def test_no_field_of_a_monitor_is_forgotten() -> None:
    beat = MonitorSpec(Kind.HEARTBEAT, "job", schedule=Every(60.0))
    looks = [
        MonitorSpec(Kind.ENDPOINT, "shop", url=url)
        for url in ("https://shop.example", "dns://shop.example", "tcp://shop.example:1")
    ]
    names = {each.name for each in fields(MonitorSpec)} - config_blocks.LEFT_OUT
    for name in sorted(names):
        value = OTHER[MonitorSpec][name]
        assert any(
            config_blocks.monitor(each) != config_blocks.monitor(replace(each, **{name: value}))
            for each in (beat, *looks)
        ), name
    for name in sorted(each.name for each in fields(ProbeSpec)):
        probe = ProbeSpec(**{name: OTHER[ProbeSpec][name]})
        assert any(
            config_blocks.monitor(each) != config_blocks.monitor(replace(each, probe=probe)) for each in looks
        ), name


def test_no_key_of_the_server_is_forgotten() -> None:
    text = config_blocks.server(ServerConfig())
    values: Mapping[type, Any] = {str: "x", int: 7, tuple: ("x",)}
    for field in fields(ServerConfig):
        value = getattr(ServerConfig(), field.name)
        other: Any = not value if isinstance(value, bool) else values.get(type(value), 77.0)
        assert config_blocks.server(replace(ServerConfig(), **{field.name: other})) != text, field.name


def test_a_variable_means_one_thing_only() -> None:
    writer = Writer({"TAKEN": "value-of-another"})
    text = writer.text(
        [Block("x", {"a": Secret("taken", "one"), "b": Secret("taken", "two"), "c": Secret("1 ü", "three")})]
    )
    assert text.splitlines()[1:] == ['a = "${TAKEN_2}"', 'b = "${TAKEN_3}"', 'c = "${_1}"']
    assert writer.variables == {"TAKEN_2": "one", "TAKEN_3": "two", "_1": "three"}


def test_the_command_prints_what_the_api_and_pings_made_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checker.toml"
    path.write_text('[[heartbeat]]\nname = "one"\nevery = "1h"\n')
    store = Store(load(path, {}).server.database)
    store.migrate()
    store.write_now(lambda conn: monitors.sync(conn, load(path, {}).monitors, 1.0))
    store.write_now(lambda conn: monitors.create_heartbeat(conn, "two", 1.0))
    made = MonitorSpec(
        Kind.HEARTBEAT, "one!", slug="own", schedule=Every(60.0), source="api", title="One!\n[x]"
    )
    store.write_now(lambda conn: monitors.insert(conn, made, None, 1.0))
    store.close()
    assert cli.main(["export", "--with-secrets", "-c", str(path)], {}) == 0
    printed = capsys.readouterr().out
    again = tmp_path / "again" / "checker.toml"
    again.parent.mkdir()
    again.write_text(printed)
    assert cli.main(["check-config", "-c", str(again)], {}) == 0
    assert [each.name for each in load(again, {}).monitors] == ["one", "two", "one!"]
    assert '# its slug was "own"' in printed
    assert "# made by the API" in printed
