"""What a drill proved is kept, completed by the next ping, and grows old."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from checker.config import Config, ServerConfig, load
from checker.drills import drill
from checker.http import Http
from checker.model import Kind, MonitorSpec, Poll, Verdict
from checker.own_health import OwnHealth
from checker.prove import Seen, prove
from checker.retention import Keep, Retention
from checker.roller import Roller
from checker.store import Store, drills, monitors
from checker.supervisor import Supervisor
from healthkit.asgi import HealthApp
from healthkit.errors import Warn
from healthkit.health import Health
from tests.checker.house import NOW, SHOP, House, heartbeat
from tests.checker.web.served import served
from tests.recording import Answer, RecordingServer, refused_url

DAY = 86_400.0


@pytest.fixture
def house(store: Store) -> House:
    return House(store, SHOP, heartbeat("nightly"))


def hold(house: House, name: str, at: float, *, seen: bool = True, told: bool = True) -> None:
    """Hold a drill that ended at `at`."""
    number = house.id(name)
    drill_id = house.store.write_now(lambda conn: drills.begin(conn, number, f"k-{at}", at - 1, "me"))
    house.store.write_now(
        lambda conn: drills.end(
            conn, drill_id, seen_at=at - 0.5 if seen else None, seen="so", told_at=at if told else None,
            told={"ops": "" if told else "404"},
        )
    )  # fmt: skip


def proved(house: House, name: str) -> float | None:
    return house.store.read_now(drills.proofs).get(house.id(name))


def test_a_drill_proves_only_when_both_halves_of_the_way_were_seen(house: House) -> None:
    hold(house, "shop", NOW, seen=False)
    hold(house, "shop", NOW + 1, told=False)
    assert proved(house, "shop") is None
    hold(house, "shop", NOW + 2)
    hold(house, "shop", NOW + 3, told=False)
    assert proved(house, "shop") == NOW + 2  # what was proved stays proved, until it is too old
    latest = house.store.read_now(lambda conn: drills.drills(conn, house.id("shop")))[0]
    assert (latest.told, latest.asked_by, latest.proved_at) == ({"ops": "404"}, "me", None)


def test_a_heartbeats_next_ping_completes_its_drill_and_an_earlier_one_does_not(house: House) -> None:
    async def main() -> list[float | None]:
        await house.ping("nightly")
        hold(house, "nightly", NOW + 10, seen=False)
        found = [proved(house, "nightly")]
        for later in (3600.0, 7200.0):
            house.now = NOW + later
            await house.ping("nightly")
            found.append(proved(house, "nightly"))
        return found

    assert asyncio.run(main()) == [None, NOW + 3600, NOW + 3600]


def test_a_proof_outlives_the_ping_that_gave_it(house: House) -> None:
    async def main() -> None:
        hold(house, "nightly", NOW + 1, seen=False)
        for number in range(5):
            house.now = NOW + 10 + number
            await house.ping("nightly")
        await Roller(house.store, node="n", clock=house.clock, pause=0.0, settle=0.0).once(house.now)
        keep = Keep(pings=1, old_pings=1)
        assert await Retention(house.store, house.registry, house.clock, keep=keep).once(house.now) == 4

    asyncio.run(main())
    assert proved(house, "nightly") == NOW + 10


def test_a_components_drill_proves_its_endpoint_too(house: House) -> None:
    part = Poll(Verdict.PASS, NOW)
    whole = replace(part, components=(("database:write", part),))
    asyncio.run(house.recorder.record([(house.id("shop"), whole)]))
    house.registry.reload_now()
    hold(house, "shop/database:write", NOW + 5)
    assert proved(house, "shop") == proved(house, "shop/database:write") == NOW + 5


def test_only_the_last_twenty_drills_of_a_monitor_are_kept(house: House) -> None:
    for number in range(25):
        hold(house, "shop", NOW + number)
    hold(house, "nightly", NOW)
    kept = house.store.read_now(lambda conn: drills.drills(conn, house.id("shop")))
    assert [each.told_at for each in kept] == [NOW + number for number in range(24, 4, -1)]
    assert len(house.store.read_now(drills.drills)) == 21


def test_what_is_not_proved_within_the_wished_time_warns_in_the_checkers_own_health(house: House) -> None:
    config = Config(Path("checker.toml"), ServerConfig(prove_every=30 * DAY))
    own = OwnHealth(
        store=house.store, node="n", clock=house.clock, config=lambda: config,
        supervisor=Supervisor(house.clock), reload_error=lambda: "", version="1",
    )  # fmt: skip
    assert own.proofs() == 0  # they are younger than that themselves
    house.now = NOW + 31 * DAY
    hold(house, "shop", house.now)
    with pytest.raises(Warn, match=r"not proved within 30 d: nightly; run `healthkit-checker drill NAME`"):
        own.proofs()
    house.now = NOW + 62 * DAY
    with pytest.raises(Warn, match="nightly, shop"):
        own.proofs()
    config = replace(config, server=ServerConfig())
    assert own.proofs() == 0


def ask(url: str, component: str = "") -> Seen:
    async def main() -> Seen:
        async with Http() as http:
            spec = MonitorSpec(Kind.ENDPOINT, "shop", url=url, timeout=5.0)
            return await prove(http, spec, component, clock=lambda: NOW)

    return asyncio.run(main())


def test_an_app_is_proved_by_the_nonce_it_gives_back_also_while_it_fails() -> None:
    health = Health("shop")

    @health.check("database")
    def database() -> bool:
        return False

    with served(HealthApp(health)) as url:
        assert ask(f"{url}/health") == Seen(NOW, "proved: the app gave back this drill's nonce")
        assert ask(f"{url}/health", "database:status").at == NOW
        assert ask(f"{url}/health", "queue:depth").text == "not proved: its document holds no queue:depth"


def test_a_cache_a_stub_a_page_and_a_dead_app_prove_nothing() -> None:
    cached = Answer(200, b'{"status":"pass","nonce":"old"}', {"Content-Type": "application/health+json"})
    with RecordingServer(cached, Answer(200, b"<html>fine</html>")) as server:
        assert "nonce did not come back" in ask(server.url).text
        assert "no health document" in ask(server.url).text
    dead = ask(refused_url())
    assert dead.at is None
    assert "connection refused" in dead.text


ROUTED = """
[server]
listen = "127.0.0.1:0"
database = "sqlite:///{folder}/checker.db"

[[heartbeat]]
name = "nightly"
every = "1h"
tags = ["money"]

[[channel]]
name = "ops"
kind = "webhook"
url = "{url}/ops"

[[channel]]
name = "finance"
kind = "webhook"
url = "{url}/finance"

[[route]]
tags = ["money"]
channels = ["finance"]
"""


def test_a_drill_goes_where_the_routes_send_a_failure(tmp_path: Path) -> None:
    with RecordingServer() as server:
        file = tmp_path / "checker.toml"
        file.write_text(ROUTED.format(folder=tmp_path, url=server.url))
        config = load(file, {})
        store = Store(config.server.database)
        store.migrate()
        store.write_now(lambda conn: monitors.sync(conn, config.monitors, NOW))
        assert drill(config, "nightly") == 1  # told, and no checker runs
        assert server.paths() == ["/finance"]
        [found] = store.read_now(drills.drills)
        assert (found.told, found.seen) == ({"finance": ""}, "not proved: no checker runs")
        store.close()
