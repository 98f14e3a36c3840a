"""PostgreSQL as it is run for many: failing over, hung, behind PgBouncer, upgraded node by node."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from checker.share import Share
from checker.store import Store, StoreError, StoreUnavailable, monitors, news, schema
from checker.store.errors import safe
from examples.servers import PostgresServer, PostgresStandby
from tests.checker.house import NOW, House, heartbeat, success
from tests.pgbouncer import PgBouncer
from tests.relay import Relay
from tests.waiting import wait_for

BACKEND = "SELECT pg_backend_pid()"


def put(conn: Connection, name: str) -> None:
    conn.execute(text("INSERT INTO node (name, started_at, seen_at) VALUES (:n, 1, 1)"), {"n": name})


def names(conn: Connection) -> list[str]:
    return list(conn.execute(text("SELECT name FROM node ORDER BY name")).scalars())


def succeeds(store: Store, name: str) -> bool:
    try:
        store.write_now(lambda conn: put(conn, name))
    except StoreUnavailable:
        return False
    return True


def test_a_store_goes_on_at_the_standby_after_a_failover() -> None:
    with PostgresServer() as primary:
        standby = PostgresStandby(primary)
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
        store = Store(url, timeout=30)
        try:
            store.migrate()
            store.write_now(lambda conn: put(conn, "before"))
            with standby:
                primary.kill()
                assert not succeeds(store, "between"), "a write that nobody took was called taken"
                standby.promote()
                wait_for(lambda: succeeds(store, "after"), 30, "the new primary")
                assert store.read_now(names) == ["after", "before"]
        finally:
            store.close()


def test_several_hosts_are_named_in_errors_and_the_password_is_not() -> None:
    store = Store("postgresql://me:hush@127.0.0.1:1,localhost:2/x?target_session_attrs=read-write")
    with pytest.raises(StoreError, match=r"host=127.0.0.1:1&host=localhost:2") as caught:
        store.migrate()
    assert "hush" not in str(caught.value)
    assert "hush" not in safe(store._url)
    store.close()


def test_a_node_that_was_cut_off_owns_nothing_and_another_owns_it_all(postgres_url: str) -> None:
    port = int(postgres_url.rsplit(":", 1)[1].split("/")[0])
    relay = Relay(port)
    near, far = Store(postgres_url), Store(postgres_url.replace(f":{port}/", f":{relay.port}/"), timeout=1.0)
    near.migrate()
    one, two = Share(near, "near", ttl=3.0), Share(far, "far", ttl=3.0)
    several = range(200)

    async def beat(share: Share) -> None:
        with contextlib.suppress(StoreUnavailable):
            await share.beat()

    def both() -> tuple[int, int]:
        asyncio.run(beat(one))
        asyncio.run(beat(two))
        return sum(map(one.owns, several)), sum(map(two.owns, several))

    try:
        wait_for(lambda: both()[0] + both()[1] == 200 and min(both()) > 50, 30, "an even share")
        with relay.black_hole():
            wait_for(lambda: both() == (200, 0), 60, "all at the node that is there")
        wait_for(lambda: min(both()) > 50, 60, "an even share again")
        assert sum(both()) == 200
    finally:
        near.close()
        far.close()
        relay.close()


def test_a_node_that_is_stopped_within_a_transaction_holds_up_others_for_seconds_only(
    postgres_url: str,
) -> None:
    """A row that it locked is free before those who wait for it give up."""
    asleep, awake = Store(postgres_url), Store(postgres_url)
    asleep.migrate()
    house = House(awake, heartbeat("nightly"))
    locked, woken = threading.Event(), threading.Event()

    def sleep(conn: Connection) -> None:
        conn.execute(text("SELECT * FROM monitor_state FOR UPDATE"))
        locked.set()
        woken.wait(60)

    def zombie() -> None:
        with contextlib.suppress(StoreUnavailable):
            asleep.write_now(sleep)

    thread = threading.Thread(target=zombie)
    thread.start()
    try:
        assert locked.wait(30)
        asyncio.run(house.ping("nightly"))  # waits for the row, and gets it
        assert house.state("nightly").pings == 1
    finally:
        woken.set()
        thread.join(60)
        asleep.close()
        awake.close()
    assert not thread.is_alive()


def test_a_node_that_starts_and_reads_its_configuration_holds_up_no_ping(postgres_url: str) -> None:
    """With very many monitors that takes seconds, in which others would wait for it, or it for them."""
    specs = [heartbeat("nightly"), heartbeat("weekly")]
    starting, working = Store(postgres_url), Store(postgres_url)
    working.migrate()
    house = House(working, *specs)
    read, pinged = threading.Event(), threading.Event()

    def start(conn: Connection) -> None:
        monitors.sync(conn, specs, NOW)
        read.set()
        assert pinged.wait(60)

    async def main() -> None:
        settling = asyncio.create_task(starting.settle(start))
        try:
            await asyncio.to_thread(read.wait, 30)
            await house.ping("nightly")
        finally:
            pinged.set()
            await settling

    asyncio.run(main())
    assert house.state("nightly").pings == 1
    starting.close()
    working.close()


def test_nodes_that_first_start_at_once_enter_each_monitor_once(store_url: str) -> None:
    specs = [heartbeat(f"job-{number}") for number in range(300)]
    stores = [Store(store_url) for _ in range(3)]
    stores[0].migrate()

    async def start(each: Store) -> int:
        return len((await each.settle(lambda conn: monitors.sync(conn, specs, NOW))).added)

    async def main() -> list[int]:
        return await asyncio.gather(*(start(each) for each in stores))

    assert sorted(asyncio.run(main())) == [0, 0, 300]
    for each in stores:
        each.close()


def test_an_older_program_goes_on_and_starts_anew_on_a_schema_that_only_grew(
    store: Store, store_url: str
) -> None:
    def migrate(conn: Connection) -> None:
        conn.execute(text("ALTER TABLE monitor ADD COLUMN colour VARCHAR(20)"))
        conn.execute(text("ALTER TABLE ping ADD COLUMN colour VARCHAR(20)"))
        conn.execute(text("CREATE TABLE palette (id INTEGER PRIMARY KEY)"))
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    house = House(store, heartbeat("nightly"))
    asyncio.run(house.ping("nightly"))
    newer = Store(store_url)
    newer.write_now(migrate)
    newer.close()
    asyncio.run(house.ping("nightly"))
    older = Store(store_url)
    older.migrate()
    again = House(older, heartbeat("nightly"))
    asyncio.run(again.ping("nightly", success(NOW + 1)))
    assert again.state("nightly").pings == 3
    older.close()


def test_an_older_program_does_not_start_where_a_newer_one_said_that_it_cannot(
    store: Store, store_url: str
) -> None:
    store.write_now(lambda conn: conn.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    store.write_now(lambda conn: news.say(conn, "schema", "9990", "revision 9999"))
    older = Store(store_url)
    with pytest.raises(StoreError, match="newer version of the checker") as caught:
        older.migrate()
    older.close()
    assert "9999" in str(caught.value)


def test_a_program_that_migrates_says_who_may_go_on(store: Store) -> None:
    found = store.read_now(lambda conn: news.said(conn, "schema"))
    assert found is not None
    assert found.value == schema.OLDEST


@pytest.fixture(scope="module")
def pooler() -> Iterator[PgBouncer]:
    """A PgBouncer in transaction mode, with fewer sessions than clients, before a server of its own."""
    with PostgresServer() as server, PgBouncer(server) as found:
        yield found


@pytest.mark.pooler
def test_a_store_works_behind_pgbouncer_that_gives_each_transaction_another_session(
    pooler: PgBouncer,
) -> None:
    stores = [Store(pooler.url) for _ in range(4)]
    stores[0].migrate()
    house = House(stores[1], heartbeat("nightly"), heartbeat("weekly"))

    async def main() -> None:
        for turn in range(30):  # often enough for a driver to prepare what it repeats
            await asyncio.gather(
                house.ping("nightly", success(NOW + turn)),
                house.ping("weekly", success(NOW + turn)),
                *(each.read(names) for each in stores),
                *(each.write(monitors.load) for each in stores),
            )

    asyncio.run(main())
    assert house.state("nightly").pings == 30
    for each in stores:
        each.close()


@pytest.mark.pooler
def test_limits_hold_behind_pgbouncer_and_do_not_stay_in_the_session(pooler: PgBouncer) -> None:
    store = Store(pooler.url)

    def limits(conn: Connection) -> list[str]:
        shown = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [str(conn.execute(text(f"SHOW {name}")).scalar()) for name in shown]

    direct = Store(pooler.server.url)
    assert store.write_now(limits) == direct.write_now(limits) == ["8s", "6s", "4s"]
    plain = Store(pooler.url)
    with plain._write_engine.connect() as conn:
        raw = conn.connection.driver_connection
        assert raw is not None
        raw.autocommit = True
        assert raw.execute("SHOW statement_timeout").fetchone()[0] == "0"
    for each in (store, direct, plain):
        each.close()


@pytest.mark.pooler
def test_pgbouncer_that_goes_and_comes_back_is_found_again(pooler: PgBouncer) -> None:
    store = Store(pooler.url)
    assert store.read_now(lambda conn: conn.execute(text("SELECT 1")).scalar()) == 1
    pooler.kill()
    with pytest.raises(StoreUnavailable):
        store.read_now(names)
    pooler.start()
    assert store.read_now(lambda conn: conn.execute(text("SELECT 1")).scalar()) == 1
    store.close()


def test_a_server_that_hangs_is_told_in_bounded_time_and_works_again(tmp_path: Path) -> None:
    with PostgresServer() as server:
        store = Store(server.url, timeout=2.0)
        store.migrate()
        server.pause()
        begun = time.monotonic()
        assert not succeeds(store, "a")
        assert time.monotonic() - begun < 30
        server.resume()
        wait_for(lambda: succeeds(store, "b"), 60, "the server that woke up")
        assert "b" in store.read_now(names)
        store.close()
