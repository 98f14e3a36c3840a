"""The dead man's switch gets its sign while the checker works, and only then."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checker.config import Config, ServerConfig
from checker.dead_man import DeadMan
from checker.http import Http
from checker.own_health import STALE, OwnHealth
from checker.store import Store, StoreUnavailable
from checker.supervisor import Supervisor
from examples.servers import PostgresServer
from healthkit.errors import Warn
from tests.recording import Answer, RecordingServer, refused_url
from tests.waiting import wait_for

NOW = 1_000_000.0


class Place:
    """A dead man's switch over a store, with a loop whose last turn is set by hand."""

    def __init__(self, store: Store, url: str) -> None:
        self.now = NOW
        self.turned_at: float | None = NOW
        self.server = ServerConfig(dead_mans_url=url, dead_mans_every=60.0)
        config = Config(Path("checker.toml"), self.server)
        self.supervisor = Supervisor(lambda: self.now)
        self.own = OwnHealth(
            store=store, node="node", clock=lambda: self.now, config=lambda: config,
            supervisor=self.supervisor, reload_error=lambda: "", version="1",
        )  # fmt: skip

    def run(self, *steps: Callable[[DeadMan], Any]) -> list[bool]:
        """Take steps, each followed by a try to give a sign; return which were given."""

        async def main() -> list[bool]:
            async with Http() as http:
                self.supervisor.start("watcher", lambda: asyncio.sleep(3600), sign=lambda: self.turned_at)
                await asyncio.sleep(0)
                switch = DeadMan(http, self.own.health, lambda: self.server, lambda: self.now)
                given = []
                for step in steps:
                    step(switch)
                    given.append(await switch.once())
                    self.now += 2.0  # what was read of our own health is stale
                    self.turned_at = self.turned_at if self.turned_at is None else self.turned_at + 2.0
                await self.supervisor.stop(1.0)
                return given

        return asyncio.run(main())


def writes(store: Store) -> bool:
    """Whether the store takes writes again."""
    try:
        return store.write_now(lambda conn: True)
    except StoreUnavailable:
        return False


def nothing(_: DeadMan) -> None:
    """Leave all as it is."""


def test_a_sign_is_given_while_all_is_well(store: Store) -> None:
    with RecordingServer() as server:
        assert Place(store, f"{server.url}/ping/token").run(nothing, nothing) == [True, True]
        assert [(each.method, each.path) for each in server.requests] == [("GET", "/ping/token")] * 2


def test_without_a_url_nothing_is_asked_and_nothing_is_wrong(store: Store) -> None:
    assert Place(store, "").run(lambda switch: switch.check()) == [False]


def test_a_loop_that_hangs_stops_the_signs_until_it_turns_again(store: Store) -> None:
    with RecordingServer() as server:
        place = Place(store, server.url)

        def hang(_: DeadMan) -> None:
            place.now += STALE + 1

        def turn(switch: DeadMan) -> None:
            assert "watcher (no turn for 31 s)" in switch.error
            with pytest.raises(Warn, match="no turn"):
                switch.check()
            place.turned_at = place.now

        assert place.run(nothing, hang, turn) == [True, False, True]
        assert len(server.requests) == 2


def test_a_loop_that_never_turned_is_given_its_time_and_no_more(store: Store) -> None:
    with RecordingServer() as server:
        place = Place(store, server.url)
        place.turned_at = None

        def later(_: DeadMan) -> None:
            place.now += STALE

        assert place.run(nothing, later) == [True, False]


def test_a_sqlite_database_that_somebody_keeps_locked_stops_the_signs(tmp_path: Path) -> None:
    file = tmp_path / "checker.db"
    store = Store(f"sqlite:///{file}", timeout=1.0)
    store.migrate()
    with RecordingServer() as server, closing(sqlite3.connect(file, isolation_level=None)) as other:
        given = Place(store, server.url).run(
            nothing, lambda _: other.execute("BEGIN EXCLUSIVE"), lambda _: other.execute("ROLLBACK")
        )
        wait_for(lambda: writes(store), 20, "the store")
        assert given[:2] == [True, False]
        assert Place(store, server.url).run(nothing) == [True]
    store.close()


def test_a_stopped_postgresql_server_stops_the_signs() -> None:
    with PostgresServer() as postgres, RecordingServer() as server:
        store = Store(postgres.url, timeout=1.0)
        store.migrate()
        given = Place(store, server.url).run(nothing, lambda _: postgres.pause())
        postgres.resume()
        assert given == [True, False]
        assert len(server.requests) == 1
        store.close()


def warns(switch: DeadMan) -> None:
    """See it warn in the own health."""
    with pytest.raises(Warn, match="no sign was given"):
        switch.check()


@pytest.mark.parametrize("status", [404, 500])
def test_a_sign_that_nobody_takes_is_a_warning_without_the_url(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store = Store(f"sqlite:///{tmp_path / 'checker.db'}")
    store.migrate()
    with RecordingServer(Answer(status)) as server:
        place = Place(store, f"{server.url}/SECRET")
        assert place.run(nothing, warns) == [False, True]
    place.server = ServerConfig(dead_mans_url=f"{refused_url()}/SECRET")
    assert place.run(nothing) == [False]
    assert "connection refused" in caplog.text
    assert "SECRET" not in caplog.text
    store.close()
