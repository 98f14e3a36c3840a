"""The command line: its exit codes, what it prints, and that it works whether or not the checker runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from checker import cli
from checker.config import load
from checker.model import MonitorState, State
from checker.registry import Registry
from checker.status_text import Painter, plain, render
from checker.store import Store, door, monitors, nodes
from checker.store.views import Overview, overview
from tests.recording import Answer, RecordingServer

CONFIG = """
[server]
listen = "127.0.0.1:0"
database = "sqlite:///{folder}/checker.db"

[[endpoint]]
name = "shop"
url = "http://127.0.0.1:9/health"

[[heartbeat]]
name = "nightly"
schedule = "0 2 * * *"

[[channel]]
name = "ops"
kind = "webhook"
url = "{webhook}"
"""


@dataclass
class Desk:
    """A folder with a configuration and a filled store."""

    folder: Path
    hook: RecordingServer | None = None

    @property
    def path(self) -> Path:
        """The configuration."""
        return self.folder / "checker.toml"

    def run(self, *arguments: str) -> int:
        """Run a command on this configuration."""
        return cli.main([*arguments, "--config", str(self.path)], {})

    def with_store(self, work: Callable[[Store, Registry], None]) -> None:
        """Do something to the store."""
        store = Store(load(self.path, {}).server.database)
        try:
            registry = Registry(store)
            registry.reload_now()
            work(store, registry)
        finally:
            store.close()

    def put(self, name: str, state: State, reason: str = "") -> None:
        """Put a monitor into a state."""

        def work(store: Store, registry: Registry) -> None:
            number = registry.full_name(name)
            assert number is not None
            now = time.time()
            value = MonitorState(state=state, since=now - 720, reason=reason, last_seen=now - 5)
            store.write_now(lambda conn: door.save_states(conn, {number: value}))

        self.with_store(work)

    def alive(self) -> None:
        """Pretend that a checker runs."""
        now = time.time()
        self.with_store(lambda store, _: store.write_now(lambda conn: nodes.seen(conn, "node", now)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with RecordingServer() as server:
        (tmp_path / "checker.toml").write_text(CONFIG.format(folder=tmp_path, webhook=server.url))
        found = Desk(tmp_path, server)
        store = Store(load(found.path, {}).server.database)
        store.migrate()
        specs = load(found.path, {}).monitors
        store.write_now(lambda conn: monitors.sync(conn, specs, time.time()))
        store.close()
        yield found


def hook(desk: Desk) -> RecordingServer:
    """The receiver of the channel."""
    assert desk.hook is not None
    return desk.hook


def test_status_exits_0_when_nothing_is_down(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put("shop", State.UP)
    desk.put("nightly", State.UP)
    assert desk.run("status") == 0
    assert capsys.readouterr().out.startswith("All 2 are working\n")


def test_status_exits_1_and_names_what_is_down_since_when_and_why(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.put("shop", State.UP)
    desk.put("nightly", State.DOWN, "no sign since\x1b[31m Tuesday\n")
    assert desk.run("status") == 1
    out = capsys.readouterr().out
    assert out.startswith(
        "1 thing is down\n  down  nightly, for 12 min\n        no sign since [31m Tuesday\n"
    )
    assert "\x1b" not in out


def test_status_says_when_the_checker_does_not_run(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.run("status")
    assert "the checker is not running (it never ran)" in capsys.readouterr().err
    desk.alive()
    desk.run("status")
    assert capsys.readouterr().err == ""


def test_status_as_json_has_the_shape_of_the_contract(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put("nightly", State.DOWN, "missed")
    assert desk.run("status", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "down"
    assert document["checker"]["running"] is False
    found = {each["name"]: each for each in document["monitors"]}
    assert found["nightly"] | {"state": "down", "reason": "missed", "kind": "heartbeat"} == found["nightly"]
    assert found["shop"]["components"] == []


def test_status_before_the_first_run_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checker.toml").write_text(CONFIG.format(folder=tmp_path, webhook="http://127.0.0.1:9/"))
    assert Desk(tmp_path).run("status") == 1
    assert "healthkit-checker run" in capsys.readouterr().err
    assert not (tmp_path / "checker.db").exists()


def test_a_monitor_is_paused_and_resumed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put("nightly", State.DOWN, "missed")
    assert desk.run("pause", "nightly") == 0
    assert desk.run("status") == 0
    assert "paused" in capsys.readouterr().out
    assert desk.run("resume", "nightly") == 0
    desk.run("status")
    assert "paused" not in capsys.readouterr().out.split("nightly", 1)[1].splitlines()[-1]


@pytest.mark.parametrize("verb", ["pause", "resume", "ack", "drill", "test-channel"])
def test_an_unknown_name_is_said_with_what_there_is(
    desk: Desk, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run(verb, "nigthly") == 2
    assert "there are: " in capsys.readouterr().err


def test_ack_without_an_incident_says_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("ack", "nightly") == 1
    assert "no open incident" in capsys.readouterr().err


def test_a_monitor_is_snoozed_and_no_more(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("snooze", "nightly", "2h") == 0
    assert "nightly is snoozed until" in capsys.readouterr().out
    assert desk.run("status") == 0
    assert "snoozed until" in capsys.readouterr().out
    assert desk.run("snooze", "nightly", "off") == 0
    assert "is told of again" in capsys.readouterr().out
    assert desk.run("snooze", "nightly", "off") == 0
    assert "was not snoozed" in capsys.readouterr().out
    for wrong in ("0", "60d", "soon"):
        assert desk.run("snooze", "nightly", wrong) == 2


def test_test_channel_sends_now_and_says_how_it_went(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("test-channel", "ops") == 0
    assert [request.json()["event"] for request in hook(desk).requests] == ["test"]
    assert "delivered" in capsys.readouterr().out
    hook(desk).default = Answer(status=404)
    assert desk.run("test-channel", "ops") == 1
    assert "not delivered" in capsys.readouterr().err
    assert desk.run("test-channel", "opps") == 2
    assert "no channel is called 'opps'; there are: ops" in capsys.readouterr().err


def test_a_drill_goes_through_the_outbox_even_when_no_checker_runs(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.run("drill", "nightly") == 1  # delivered, but without a checker no ping is seen
    assert "channel ops: delivered\n" in capsys.readouterr().out
    (message,) = [request.json() for request in hook(desk).requests]
    assert message["event"] == "drill"
    assert [each["name"] for each in message["incident"]["monitors"]] == ["nightly"]


def test_check_config_counts_what_it_read(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("check-config") == 0
    assert "1 endpoint, 1 heartbeat, 1 channel" in capsys.readouterr().out


def test_a_config_that_cannot_be_used_is_exit_2_for_every_command(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.path.write_text(desk.path.read_text().replace("schedule =", "shcedule ="))
    for command in ("run", "check-config", "status", "migrate"):
        assert desk.run(command) == 2
        assert "shcedule" in capsys.readouterr().err


def test_a_missing_config_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"], {"CHECKER_CONFIG": str(tmp_path / "none.toml")}) == 2
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["pause"], ["status", "--jason"]])
def test_bad_usage_is_exit_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments, {})
    assert ended.value.code == 2


def test_migrate_brings_the_tables_up_to_date_and_may_be_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checker.toml").write_text(CONFIG.format(folder=tmp_path, webhook="http://127.0.0.1:9/"))
    desk = Desk(tmp_path)
    assert [desk.run("migrate"), desk.run("migrate")] == [0, 0]
    assert "up to date" in capsys.readouterr().out


def test_colours_are_for_terminals_only(desk: Desk) -> None:
    desk.put("nightly", State.DOWN, "missed")
    found: list[Overview] = []
    desk.with_store(lambda store, _: found.append(store.read_now(lambda conn: overview(conn, {}))))
    assert "\x1b[31;1mdown" in render(found[0], now=time.time(), paint=Painter(True))
    assert "\x1b" not in render(found[0], now=time.time(), paint=Painter(False))


def test_text_from_outside_is_one_harmless_line() -> None:
    assert plain("a\r\nb\x1b]0;title\x07\u202ec\x00") == "a b ]0;title c"
    assert len(plain("x" * 10_000)) == 300


def test_the_table_is_aligned(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.put("shop", State.UP)
    desk.put("nightly", State.UP)
    desk.run("status")
    table = capsys.readouterr().out.splitlines()[2:]
    column = table[0].index("STATE")
    assert {line[column : column + 7] for line in table[1:]} == {"working"}
    assert table[1].startswith("shop ")
