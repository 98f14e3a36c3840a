"""The database goes away, hangs, and is cut off under checkers at work: they say so, and then go on."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from examples.servers import PostgresServer
from tests.e2e.outages import site
from tests.relay import Relay
from tests.waiting import wait_for

PERIOD = 8.0  # seconds that a heartbeat may be silent, and again as long in grace
LONG = 17.0  # seconds of outage in which all of them would be missed


@pytest.mark.timeout(300)
def test_the_database_goes_away_and_comes_back(tmp_path: Path) -> None:
    with PostgresServer() as server:
        with site(tmp_path, server.url, period=PERIOD) as found:
            server.kill()
            gone = time.monotonic()
            found.is_refusing()
            wait_for(lambda: time.monotonic() - gone > LONG, 60, "an outage that is long enough")
            server.start()
            found.works()
            found.still_tells()
        found.lost_nothing(server.url)


@pytest.mark.timeout(300)
def test_the_database_hangs_and_wakes_up(tmp_path: Path) -> None:
    with PostgresServer() as server:
        with site(tmp_path, server.url) as found:
            server.pause()
            found.is_refusing()
            server.resume()
            found.works()
            found.still_tells()
        found.lost_nothing(server.url)


@pytest.mark.timeout(300)
def test_the_network_swallows_what_is_sent_to_the_database(tmp_path: Path) -> None:
    with PostgresServer() as server, contextlib.closing(Relay(server.port)) as relay:
        with site(tmp_path, server.url.replace(f":{server.port}/", f":{relay.port}/")) as found:
            with relay.black_hole():
                found.is_refusing()
            found.works()
            found.still_tells()
        found.lost_nothing(server.url)
