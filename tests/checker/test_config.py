"""`checker.toml` as people write it, rightly and wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.config import Config, ConfigError, ServerConfig, load, parse
from checker.model import ChannelSpec, Kind, PingRules
from checker.schedule import Cron, Every, OnCalendar

CONTRACT = """\
[server]
listen = "127.0.0.1:8765"
public_url = "https://checker.example"
database = "sqlite:///checker.db"
admin_token = "${CHECKER_ADMIN_TOKEN}"
ping_key = "${CHECKER_PING_KEY}"

[[endpoint]]
name = "shop"
url = "https://shop.example/health"
every = "30s"
timeout = "10s"
fail_after = 2
recover_after = 1
headers = { Authorization = "Bearer ${SHOP_HEALTH_TOKEN}" }
channels = ["ops"]

[[heartbeat]]
name = "nightly-invoices"
schedule = "0 2 * * *"
timezone = "Europe/Berlin"
grace = "15m"
max_runtime = "30m"
min_runtime = "5s"
stalled_after = "5m"
depends_on = ["shop/database:write"]

[[channel]]
name = "ops"
kind = "slack"
url = "${SLACK_WEBHOOK}"

[[maintenance]]
name = "sunday window"
schedule = "0 3 * * SUN"
duration = "1h"
monitors = ["shop", "nightly-*"]
"""
ENVIRON = {
    "CHECKER_ADMIN_TOKEN": "adm1n-s3cret-0123456789",
    "CHECKER_PING_KEY": "p1ng-s3cret-0123456789",
    "SHOP_HEALTH_TOKEN": "sh0p-s3cret",
    "SLACK_WEBHOOK": "https://hooks.example/services/T/B/sl4ck-s3cret",
}
PATH = Path("checker.toml")


def read(text: str, **environ: str) -> Config:
    return parse(text, PATH, environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def problem(text: str, **environ: str) -> str:
    (found,) = problems(text, **environ)
    return found


def endpoint(line: str) -> str:
    return f'[[endpoint]]\nname = "shop"\nurl = "https://shop.example/health"\n{line}\n'


def heartbeat(line: str, name: str = "job") -> str:
    return f'[[heartbeat]]\nname = "{name}"\n{line}\n'


# --- as it should be --------------------------------------------------------------------------------


def test_the_documented_file_means_what_it_says() -> None:
    config = read(CONTRACT, **ENVIRON)
    shop, nightly = config.monitors
    assert (shop.kind, shop.name, shop.every, shop.timeout) == (Kind.ENDPOINT, "shop", 30.0, 10.0)
    assert (shop.fail_after, shop.recover_after, shop.channels) == (2, 1, ("ops",))
    assert shop.headers == {"Authorization": "Bearer sh0p-s3cret"}
    assert (nightly.kind, nightly.slug, nightly.source) == (Kind.HEARTBEAT, "nightly-invoices", "file")
    assert nightly.schedule == Cron("0 2 * * *", "Europe/Berlin")
    assert (nightly.grace, nightly.max_runtime, nightly.min_runtime) == (900.0, 1800.0, 5.0)
    assert (nightly.stalled_after, nightly.depends_on) == (300.0, ("shop/database:write",))
    assert config.channels == (ChannelSpec("ops", "slack", {"url": ENVIRON["SLACK_WEBHOOK"]}),)
    (window,) = config.maintenance
    assert (window.name, window.duration, window.monitors) == ("sunday window", 3600.0, ("shop", "nightly-*"))
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8765)
    assert config.server.admin_token == ENVIRON["CHECKER_ADMIN_TOKEN"]
    assert config.warnings == ()


def test_an_empty_file_is_a_checker_with_nothing_to_watch() -> None:
    config = read("")
    assert config.monitors == ()
    assert config.server == ServerConfig(database=f"sqlite:///{Path.cwd() / 'checker.db'}")


def test_no_secret_is_in_the_representation_of_a_configuration() -> None:
    assert "s3cret" not in repr(read(CONTRACT, **ENVIRON))


@pytest.mark.parametrize(
    ("line", "schedule", "grace"),
    [
        ('every = "60s"', Every(60.0), 60.0),
        ("every = 90", Every(90.0), 90.0),
        ('schedule = "@daily"', Cron("0 0 * * *"), 3600.0),
        ('schedule = "*/10 * * * *"', Cron("*/10 * * * *"), 600.0),
        ('schedule = "0,5 * * * *"', Cron("0,5 * * * *"), 3300.0),
        (
            'oncalendar = "Mon..Fri 02:00"\ntimezone = "Europe/Berlin"',
            OnCalendar("Mon..Fri 02:00", "Europe/Berlin"),
            3600.0,
        ),
        ('oncalendar = "2020-01-01"', OnCalendar("2020-01-01"), 3600.0),
        ('every = "60s"\ngrace = 0', Every(60.0), 0.0),
    ],
)
def test_grace_is_one_period_at_most_an_hour_unless_it_is_said(
    line: str, schedule: object, grace: float
) -> None:
    (spec,) = read(heartbeat(line)).monitors
    assert (spec.schedule, spec.grace) == (schedule, grace)


def test_an_endpoint_has_sensible_defaults() -> None:
    (spec,) = read(endpoint("")).monitors
    assert (spec.every, spec.timeout, spec.fail_after, spec.recover_after) == (30.0, 10.0, 2, 1)
    assert (spec.channels, spec.headers, spec.tags) == (None, {}, ())


def test_variables_are_expanded_in_every_text_and_a_doubled_dollar_is_one() -> None:
    text = endpoint('tags = ["${A}", "${B:-b}", "${EMPTY:-e}", "$$5", "$x", "${A}${A}"]')
    assert read(text, A="1", EMPTY="").monitors[0].tags == ("1", "b", "e", "$5", "$x", "11")


def test_a_value_from_the_environment_is_a_value_and_never_toml() -> None:
    assert (
        read(endpoint('description = "${X}"'), X='"\n[[endpoint]]').monitors[0].description
        == '"\n[[endpoint]]'
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:///data/checker.db", "sqlite:////srv/checker/data/checker.db"),
        ("sqlite:////var/lib/checker.db", "sqlite:////var/lib/checker.db"),
        ("sqlite+pysqlite:///c.db?timeout=5", "sqlite+pysqlite:////srv/checker/c.db?timeout=5"),
        ("postgresql://u:p@db/checker", "postgresql://u:p@db/checker"),
        ("postgresql+psycopg://u@db/checker", "postgresql+psycopg://u@db/checker"),
    ],
)
def test_a_relative_database_lies_beside_the_configuration(given: str, meant: str) -> None:
    config = parse(f'[server]\ndatabase = "{given}"', Path("/srv/checker/checker.toml"), {})
    assert config.server.database == meant


@pytest.mark.parametrize(
    ("listen", "meant"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:0", ("::1", 0)), ("localhost:65535", ("localhost", 65535))],
)
def test_addresses_are_taken_apart(listen: str, meant: tuple[str, int]) -> None:
    server = read(f'[server]\nlisten = "{listen}"').server
    assert (server.host, server.port) == meant


def test_a_file_with_a_byte_order_mark_and_windows_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checker.toml"
    path.write_bytes(b"\xef\xbb\xbf" + endpoint('evry = "1s"').replace("\n", "\r\n").encode())
    with pytest.raises(ConfigError, match=r'checker.toml:4: endpoint "shop": unknown key "evry"'):
        load(path, {})


# --- what is wrong, and where -----------------------------------------------------------------------


def test_a_typo_names_file_line_key_and_the_nearest_known_key() -> None:
    text = CONTRACT.replace('every = "30s"', 'evry = "30s"')
    assert (
        problem(text, **ENVIRON)
        == 'checker.toml:11: endpoint "shop": unknown key "evry"; did you mean "every"?'
    )


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    found = problems(
        "[server]\nlisten = 5\n" + endpoint("every = true") + heartbeat('schedule = "no"') + "[foo]\n"
    )
    assert [text.split(" ")[0] for text in found] == [f"checker.toml:{line}:" for line in (2, 6, 9, 10)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport = 1", '2: server: unknown key "port"; known are'),
        ('[server]\nlisten = "8765"', '2: server: "listen" must be a host and a port'),
        ('[server]\nlisten = "h:99999"', '2: server: "listen" must be a host and a port'),
        ('[server]\ndatabase = "mysql://x:s3cret@y"', '2: server: "database" must be like'),
        ('[server]\ndatabase = "sqlite://"', '2: server: "database" names no file'),
        ('[server]\ndatabase = "sqlite:///:memory:"', '2: server: "database" names no file'),
        ('[server]\nping_key = "a/s3cret"', '2: server: "ping_key" stands in URLs'),
        ('[server]\npublic_url = "checker.example"', '2: server: "public_url" is not an http or https URL'),
        ('[server]\nlog_level = "loud"', '2: server: "log_level" must be one of debug'),
        (heartbeat('every = 60\nremind_every = "1s"'), '"remind_every" must be at least 60 s, or 0 for none'),
        ('[server]\nremind_every = "1s"', '2: server: "remind_every" must be from 60 s'),
        ("[[server]]\n", "1: [server] must be one table"),
        ('[endpoint]\nname = "x"', "1: [endpoint] must be written [[endpoint]]"),
        ("endpoint = 5", "1: [endpoint] must be written [[endpoint]]"),
        ("[[heartbeats]]\n", '1: unknown table "heartbeats"; did you mean "heartbeat"?'),
        ('[[endpoint]]\nurl = "https://a.example"', '1: endpoint #1: "name" is missing'),
        ('[[endpoint]]\nname = ""\nurl = "https://a.example"', '2: endpoint #1: "name" is empty'),
        ('[[endpoint]]\nname = "a/b"\nurl = "https://a.example"', 'must hold no "/"'),
        ('[[endpoint]]\nname = "x"', '1: endpoint "x": "url" is missing'),
        ('[[endpoint]]\nname = "x"\nurl = "ftp://u:s3cret@h"', '3: endpoint "x": "url" is not an http'),
        ('[[endpoint]]\nname = "x"\nurl = "https://"', '"url" names no host'),
        ('[[endpoint]]\nname = "x"\nurl = "https://[::1"', '"url" cannot be read as a URL'),
        ('[[endpoint]]\nname = "x"\nurl = "https://a b/"', "holds a space or control character"),
        (endpoint('every = "soon"'), "4: endpoint \"shop\": \"every\": 'soon' is not a duration"),
        (endpoint("every = true"), '4: endpoint "shop": "every": True is not a duration'),
        (endpoint("every = 0"), '"every" must be from 0.5 s'),
        (endpoint("timeout = []"), '"timeout": [] is not a duration'),
        (endpoint("fail_after = 0"), '"fail_after" must be from 1 to 1000'),
        (endpoint("fail_after = true"), '"fail_after" must be a whole number, not true or false'),
        (endpoint('fail_after = "2"'), '"fail_after" must be a whole number, not text'),
        (endpoint("description = 2026-01-01"), '"description" must be text, not a date or time'),
        (endpoint('headers = "x"'), '"headers" must be a table, not text'),
        (endpoint("headers = { A = 1 }"), 'the value of "A" must be text'),
        (endpoint('headers = { "A b" = "s3cret" }'), '"A b" is no name of a header'),
        (endpoint('headers = { A = "s3cret\\r\\nB: c" }'), 'of "A" must be plain ASCII on one line'),
        (endpoint('tags = "x"'), '"tags" must be a list, not text'),
        (endpoint("tags = [1]"), '"tags" must be a list of texts'),
        (endpoint('channels = ["ops"]'), 'unknown channel "ops"; there is no [[channel]]'),
        (heartbeat(""), '1: heartbeat "job": when is it due? write "every" or "schedule" or "oncalendar"'),
        (heartbeat('every = "1m"\nschedule = "0 2 * * *"'), '"every" and "schedule" exclude'),
        (heartbeat('every = "0.5s"'), '"every" must be at least 1 s'),
        (heartbeat('schedule = "0 0 2 * * *"'), "has six fields"),
        (heartbeat('schedule = "0 0 30 2 *"'), "bad day-of-month"),
        (heartbeat('schedule = "0 2 * * *"\ntimezone = "Europe/Berln"'), 'did you mean "Europe/Berlin"?'),
        (heartbeat('oncalendar = "*-02-30"'), "never fires"),
        (heartbeat('every = "1h"\nmin_runtime = "5m"\nmax_runtime = "5m"'), 'must be less than "max'),
        (heartbeat('every = "1m"', "n" * 150), "longer than the 100 characters a ping URL takes"),
        (heartbeat('every = "1m"\ndepends_on = ["job"]'), "cannot depend on itself"),
        (heartbeat('every = "1m"\ndepends_on = ["jib"]'), 'monitor "jib"; did you mean "job"?'),
        (
            endpoint("") + heartbeat('every = "1m"\ndepends_on = ["shop/"]'),
            '8: heartbeat "job": "depends_on" names "shop/": write "shop", or "shop/name:measurement"',
        ),
        (
            heartbeat('every = "1m"\ndepends_on = ["b/x:y"]') + heartbeat('every = "1m"', "b"),
            '"b" is no endpoint and has no components',
        ),
        ('[[channel]]\nname = "c"\nkind = "slak"', '3: channel "c": unknown kind "slak"; did you mean'),
        ('[[channel]]\nname = "c"', '1: channel "c": "kind" is missing'),
        ('[[channel]]\nname = "c"\nkind = "slack"', '3: channel "c": "url" is missing; or give "token"'),
        (
            '[[channel]]\nname = "c"\nkind = "slack"\nurl = "https://h.example/s3cret"\nurrl = "s3cret"',
            '5: channel "c": unknown key "urrl"; did you mean "url"?',
        ),
        ('[[channel]]\nname = "c"\nkind = "webhook"\nurl = "no-s3cret-url"', '4: channel "c": "url"'),
        ('[[maintenance]]\nname = "m"\nduration = "1h"', 'write "schedule" or "oncalendar"'),
        ('[[maintenance]]\nname = "m"\nschedule = "0 3 * * *"', '1: maintenance "m": "duration" is missing'),
        ('[[maintenance]]\nname = "m"\nschedule = "0 3 * * *"\nduration = "1d"', "would never close"),
        ('[[maintenance]]\nname = "m"\nschedule = "0 3 * * *"\nduration = "1h"\nmonitors = []', 'is empty'),
        (endpoint('description = "${NOPE}"'), '4: endpoint "shop": "description" wants the environment'),
        (endpoint('description = "${no pe}"'), "write a variable as ${NAME} or ${NAME:-default}"),
        ("[server\n", "1: not valid TOML: "),
        ('a = 1\nb = "x\n', "2: not valid TOML: "),
        ("a = 1\na = 2\n", "2: not valid TOML: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_without_any_value_that_may_be_secret(
    text: str, said: str
) -> None:
    found = problem(text)
    assert found.startswith("checker.toml:")
    assert said in found
    assert "s3cret" not in found


def test_names_and_slugs_given_twice_name_the_line_of_the_first() -> None:
    text = endpoint("") + heartbeat('every = "1m"', "shop") + heartbeat('every = "1m"', "My Job")
    text += heartbeat('every = "1m"', "my-job")
    assert problems(text) == [
        'checker.toml:6: heartbeat #1: the name "shop" is taken already, in line 1; choose another name',
        'checker.toml:12: heartbeat #3: the slug "my-job" is taken already, in line 8; choose another name',
    ]


def test_channels_and_windows_given_twice_are_told() -> None:
    channel = '[[channel]]\nname = "ops"\nkind = "slack"\nurl = "https://h.example/x"\n'
    window = '[[maintenance]]\nname = "w"\nschedule = "0 3 * * *"\nduration = "1h"\n'
    found = problems(channel * 2 + window * 2)
    assert [text.split(": ")[1] for text in found] == ["channel #2", "maintenance #2"]


def test_a_circle_of_dependencies_is_told_once_with_its_way() -> None:
    jobs = {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}
    text = "".join(
        heartbeat(f'every = "1m"\ndepends_on = {needs}'.replace("'", '"'), job) for job, needs in jobs.items()
    )
    assert problem(text) == 'checker.toml:4: heartbeat "a": "depends_on" goes in a circle: a -> b -> c -> a'


def test_a_wrong_value_from_the_environment_is_shown_by_its_variable() -> None:
    found = problem(endpoint('every = "${EVERY}"'), EVERY="s3cret")
    assert "'${EVERY}' is not a duration" in found
    found = problem(heartbeat('schedule = "${WHEN}"'), WHEN="s3cret")
    assert "s3cret" not in found
    assert "${WHEN}" in found


def test_a_channel_without_its_variable_is_one_problem() -> None:
    text = '[[channel]]\nname = "c"\nkind = "slack"\nurl = "${SLACK}"'
    assert "environment variable SLACK, which is not set" in problem(text)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be read: No such file or directory; give the path of an existing file"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory; check the path"),
        (lambda path: path.write_bytes(b'a = 1\nb = "\xff"'), ":2: is not UTF-8; save the file"),
        (lambda path: path.write_bytes(b"a = " + b"[" * 100_000), ""),
        (lambda path: path.write_bytes(b"#" * 10_000_001), "is larger than 10 MB"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "checker.toml"
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


# --- what is doubtful -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (heartbeat('every = "60s"\nmax_runtime = "40s"'), '4: heartbeat "job": a sign is due every 1 min'),
        (heartbeat('every = "60s"\ngrace = 0'), '"grace" is 0'),
        (heartbeat('every = "60s"\nstalled_after = "90s"'), 'is less than two signs apart (2 min)'),
        (heartbeat('every = "60s"\ntimezone = "Europe/Berlin"'), '"timezone" means nothing beside "every"'),
        (heartbeat('every = "60s"\nchannels = []'), '"channels" is empty: nobody is told'),
        (endpoint('every = "5s"'), '"timeout" is longer than "every"'),
        (
            '[[endpoint]]\nname = "x"\nurl = "http://far.example"\nheaders = { A = "s3cret" }',
            '3: endpoint "x": "headers" travel unencrypted',
        ),
        ("", '"admin_token" is not set: anyone on this machine may read the API'),
        ('[server]\nlisten = "0.0.0.0:80"', "the dashboard and the API refuse everybody"),
        ('[server]\nping_key = "s3cret"', '"ping_key" is short enough to guess'),
        (heartbeat('every = "60s"'), '"ping_key" is not set: heartbeats answer at the uuid'),
        ("", "there is no [[channel]]: nobody is told when something breaks"),
        (
            '[[maintenance]]\nname = "m"\nschedule = "0 3 * * *"\nduration = "1h"\nmonitors = ["shp"]',
            '5: maintenance "m": "shp" covers no monitor of this file',
        ),
    ],
)  # fmt: skip
def test_a_doubt_is_a_warning_and_the_file_is_used(text: str, said: str) -> None:
    warnings = read(text).warnings
    assert any(said in warning for warning in warnings)
    assert not any("s3cret" in warning for warning in warnings)


def test_headers_to_this_machine_may_travel_unencrypted() -> None:
    for host in ("localhost:8000", "127.0.0.1", "[::1]:80"):
        text = f'[[endpoint]]\nname = "x"\nurl = "http://{host}/"\nheaders = {{ A = "b" }}'
        assert not any("unencrypted" in warning for warning in read(text).warnings)


def test_references_of_reachability_are_urls(tmp_path: Path) -> None:
    text = '[server]\nreachability = ["https://one.test/", "two"]\nstorm = 50\n'
    with pytest.raises(ConfigError) as caught:
        parse(text, tmp_path / "checker.toml", {})
    assert '"reachability" must be a list of http or https URLs' in str(caught.value)
    found = parse(text.replace(', "two"', ""), tmp_path / "checker.toml", {}).server
    assert (found.reachability, found.storm) == (("https://one.test/",), 50)


def test_a_token_is_the_uuid_of_the_ping_url_or_an_opaque_one() -> None:
    uuid = "0B8F4A1E-6C7D-4E2F-9A3B-5C1D2E3F4A5B"
    (spec,) = read(heartbeat(f'every = "1m"\ntoken = "{uuid}"')).monitors
    assert (spec.token, spec.push_token) == (uuid.lower(), "")
    (spec,) = read(heartbeat('every = "1m"\ntoken = "${TOKEN}"'), TOKEN="aB3dE5fG7hJ9kL1m").monitors
    assert (spec.token, spec.push_token) == ("", "aB3dE5fG7hJ9kL1m")
    assert "aB3dE5fG" not in repr(spec)


def test_a_token_that_is_none_or_that_two_have_is_told_without_showing_it() -> None:
    for wrong in ("short", "has space", "ä" * 20, "x" * 201):
        found = problem(heartbeat(f'every = "1m"\ntoken = "{wrong}"'))
        assert '"token" stands in URLs' in found
        assert wrong not in found
    line = 'every = "1m"\ntoken = "aB3dE5fG7hJ9kL1m"'
    found = problem(heartbeat(line, "a") + heartbeat(line, "b"))
    assert 'heartbeat "b": its "token" is that of "a" too' in found
    assert "aB3dE5fG" not in found


def test_rules_for_pings_are_read_and_doubted() -> None:
    lines = (
        'every = "1m"\nmethods = "POST"\nsuccess_kw = "done"\nfilter_http_body = true\nmanual_resume = true'
    )
    (spec,) = read(heartbeat(lines)).monitors
    assert spec.rules == PingRules(methods="POST", success_kw="done", filter_http_body=True)
    assert spec.manual_resume
    (spec,) = read(heartbeat('every = "1m"')).monitors
    assert (spec.rules, spec.manual_resume) == (None, False)
    assert '"methods" must be "POST"' in problem(heartbeat('every = "1m"\nmethods = "GET"'))
    doubts = read(heartbeat('every = "1m"\nsuccess_kw = "done"')).warnings
    assert any('without "filter_http_body = true"' in doubt for doubt in doubts)


def test_a_read_only_token_must_be_another_than_the_admin_token() -> None:
    assert read('[server]\nread_only_token = "r3ader"').server.read_only_token == "r3ader"
    found = problem('[server]\nadmin_token = "s3cret"\nread_only_token = "s3cret"')
    assert found.endswith('server: "read_only_token" must not be the same as "admin_token"')
