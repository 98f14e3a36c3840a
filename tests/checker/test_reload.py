"""What a reload prints, when it happens, and that nothing broken ever holds."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from checker.config import Config, load, parse
from checker.config_diff import differences
from checker.reload import Reloader
from checker.store import StoreUnavailable

BEFORE = """
[server]
admin_token = "adm1n-s3cret-0123456789"
storm = 10

[[channel]]
name = "ops"
kind = "webhook"
url = "https://hooks.example/s3cret-one"

[[endpoint]]
name = "shop"
url = "https://shop.example/s3cret"

[[heartbeat]]
name = "nightly"
schedule = "0 2 * * *"

[[route]]
channels = ["ops"]
"""


def config(text: str) -> Config:
    return parse(text, Path("checker.toml"), {})


def changed(*edits: tuple[str, str], more: str = "") -> list[str]:
    text = BEFORE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    lines = differences(config(BEFORE), config(text + more))
    assert "s3cret" not in "\n".join(lines)
    return lines


def test_what_came_and_went_is_named() -> None:
    more = '[[heartbeat]]\nname = "weekly"\nevery = "7d"\n'
    more += '[[maintenance]]\nname = "w"\nschedule = "0 3 * * *"\nduration = "1h"\n'
    assert changed((BEFORE[BEFORE.index("[[endpoint]]") : BEFORE.index("[[heartbeat]]")], ""), more=more) == [
        "+ weekly (heartbeat)",
        "- shop (endpoint)",
        "+ maintenance w",
    ]


def test_what_changed_is_named_with_its_keys_and_no_values() -> None:
    assert changed(
        ("storm = 10", 'storm = 12\nlisten = "127.0.0.1:99"'),
        ('"https://shop.example/s3cret"', '"https://shop.example/s3cret2"\nevery = "10s"'),
        ('"0 2 * * *"', '"0 3 * * *"\nmax_runtime = "auto"'),
        ("s3cret-one", "s3cret-two"),
    ) == [
        "~ server.listen (after a restart)",
        "~ server.storm",
        "~ shop (endpoint): url, every",
        "~ nightly (heartbeat): schedule, max_runtime",
        "~ channel ops: url",
    ]


def test_routes_are_counted() -> None:
    more = '[[route]]\nchannels = ["ops"]\ntags = ["x"]\n[[escalation]]\nafter = "5m"\nchannels = ["ops"]\n'
    assert changed(more=more) == ["+ 1 route", "+ 1 escalation"]
    assert changed() == []


class Desk:
    """A reloader on a folder; it keeps what was applied."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "checker.toml"
        self.path.write_text(BEFORE)
        self.applied: list[Config] = []
        self.broken = False
        self.reloader = Reloader(load(self.path, {}), {}, self._apply)

    async def _apply(self, found: Config) -> None:
        if self.broken:
            raise StoreUnavailable("the database is away")
        self.applied.append(found)

    def once(self) -> bool:
        return asyncio.run(self.reloader.once())


def test_a_file_that_comes_changes_and_goes_in_the_folder_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="checker")
    desk = Desk(tmp_path)
    assert not desk.once()
    extra = tmp_path / "conf.d" / "extra.toml"
    extra.parent.mkdir()
    extra.write_text('[[heartbeat]]\nname = "extra"\nevery = "1h"\n')
    assert desk.once()
    assert "+ extra (heartbeat)" in caplog.text
    extra.write_text('[[heartbeat]]\nname = "extra"\nevery = "2h30m"\n')
    assert desk.once()
    assert "~ extra (heartbeat): schedule" in caplog.text
    extra.unlink()
    assert desk.once()
    assert "- extra (heartbeat)" in caplog.text
    assert not desk.once()
    assert [len(each.monitors) for each in desk.applied] == [3, 3, 2]


def test_a_broken_file_in_the_folder_changes_nothing_and_is_said_until_it_is_mended(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    extra = tmp_path / "conf.d" / "extra.toml"
    extra.parent.mkdir()
    extra.write_text('[[heartbeat]]\nname = "extra"\nevry = "1h"\n')
    assert not desk.once()
    assert "extra.toml:3" in desk.reloader.error
    assert desk.applied == []
    assert len(desk.reloader.config.monitors) == 2
    extra.unlink()
    assert desk.once()
    assert desk.reloader.error == ""


def test_without_a_database_a_change_waits_and_then_holds(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.broken = True
    desk.path.write_text(BEFORE.replace("storm = 10", "storm = 11"))
    assert not desk.once()
    desk.broken = False
    assert desk.once()
    assert desk.reloader.config.server.storm == 11
