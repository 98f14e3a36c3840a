"""Transactions, threads and errors of the store."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, exc, make_url, text

from checker.store import Store, StoreError, StoreUnavailable
from examples.servers import PostgresServer


def put(conn: Connection, name: str, at: float = 1.0) -> None:
    conn.execute(
        text("INSERT INTO node (name, started_at, seen_at) VALUES (:n, :a, :a)"), {"n": name, "a": at}
    )


def names(conn: Connection) -> list[str]:
    return list(conn.execute(text("SELECT name FROM node ORDER BY name")).scalars())


def test_what_was_written_is_read_after_the_call_returns(store: Store) -> None:
    async def main() -> list[str]:
        await store.write(lambda conn: put(conn, "a"))
        return await store.read(names)

    assert asyncio.run(main()) == ["a"]


def test_a_function_that_raises_leaves_nothing_behind(store: Store) -> None:
    def half(conn: Connection) -> None:
        put(conn, "a")
        raise LookupError("on the way")

    with pytest.raises(LookupError, match="on the way"):
        store.write_now(half)
    assert store.read_now(names) == []


def test_a_broken_rule_of_the_database_reaches_the_caller_as_such(store: Store) -> None:
    store.write_now(lambda conn: put(conn, "a"))
    with pytest.raises(exc.IntegrityError):
        store.write_now(lambda conn: put(conn, "a"))
    store.write_now(lambda conn: put(conn, "b"))
    assert store.read_now(names) == ["a", "b"]


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        store.read_now(lambda conn: put(conn, "a"))
    assert store.read_now(names) == []


def test_a_reader_sees_one_moment_however_long_it_reads(store: Store) -> None:
    def read(conn: Connection) -> tuple[list[str], list[str]]:
        before = names(conn)
        store.write_now(lambda other: put(other, "a"))
        return before, names(conn)

    assert store.read_now(read) == ([], [])
    assert store.read_now(names) == ["a"]


def test_all_writes_run_on_one_thread(store: Store) -> None:
    async def main() -> set[int]:
        found = await asyncio.gather(*(store.write(lambda conn: threading.get_ident()) for _ in range(50)))
        return set(found)

    threads = asyncio.run(main())
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.read_now(names)


def test_migrating_again_changes_nothing(store: Store) -> None:
    store.write_now(lambda conn: put(conn, "a"))
    store.migrate()
    assert store.read_now(names) == ["a"]


def test_two_nodes_that_start_at_once_migrate_once(store_url: str) -> None:
    stores = [Store(store_url) for _ in range(4)]
    failures: list[Exception] = []

    def start(each: Store) -> None:
        try:
            each.migrate()
        except Exception as error:  # noqa: BLE001 - told in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=start, args=(each,)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    stores[0].write_now(lambda conn: put(conn, "a"))
    assert stores[3].read_now(names) == ["a"]
    for each in stores:
        each.close()


def test_a_store_that_hangs_answers_within_its_time(store_url: str) -> None:
    store = Store(store_url, timeout=0.2)
    store.migrate()
    release = threading.Event()

    async def main() -> float:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="no answer"):
            await store.write(lambda conn: release.wait(20))
        with pytest.raises(StoreUnavailable, match="no answer"):
            await store.write(names)
        return time.monotonic() - begun

    try:
        assert asyncio.run(main()) < 5
    finally:
        release.set()
    assert store.read_now(names) == []
    store.close()


def test_a_hung_transaction_does_not_hold_up_the_exit_of_the_program(tmp_path: Path) -> None:
    code = (
        "import threading\nfrom checker.store import Store\n"
        f"store = Store('sqlite:///{tmp_path}/x.db', timeout=0.1)\nstore.migrate()\n"
        "try:\n    store.write_now(lambda conn: threading.Event().wait())\n"
        "except Exception as error:\n    print(error)\n"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "no answer within 0.1 s" in done.stdout
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://me:hush@host/x", "unknown scheme 'mysql'"),
        ("nonsense", "not a database URL"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("sqlite:////no/such/folder/x.db", "the folder /no/such/folder does not exist"),
        ("sqlite:////tmp", "is a folder"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_a_reason(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        Store(url)
    assert "hush" not in str(caught.value)


def test_a_file_that_is_not_a_database_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are notes, and not a database. " * 100, encoding="utf-8")
    store = Store(f"sqlite:///{tmp_path / 'notes.txt'}")
    with pytest.raises(StoreError, match="not an SQLite database"):
        store.migrate()
    store.close()


def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"healthkit-monitor\[postgres\]"):
        Store("postgresql://localhost/x")


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    store = Store("postgresql://me:hush-hush@127.0.0.1:1/x")
    with pytest.raises(StoreError, match="nothing listens there") as caught:
        store.migrate()
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(store)
    store.close()


def test_a_database_that_does_not_exist_is_named(postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="no_such_database").render_as_string(hide_password=False)
    store = Store(url)
    with pytest.raises(StoreError, match=r"no_such_database.*does not exist; create it"):
        store.migrate()
    store.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold SQLite's write lock from outside, as another program would."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


def test_a_locked_database_is_told_and_works_again_once_it_is_free(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")
    store.migrate()
    with (
        locked(tmp_path / "x.db"),
        pytest.raises(StoreUnavailable, match="another process holds the write lock"),
    ):
        store.write_now(lambda conn: put(conn, "a"))
    store.write_now(lambda conn: put(conn, "b"))
    assert store.read_now(names) == ["b"]
    store.close()


def test_a_full_disk_is_told_and_work_goes_on_once_there_is_room(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'x.db'}")
    store.migrate()

    def pages(limit: int) -> None:
        store.write_now(lambda conn: conn.exec_driver_sql(f"PRAGMA max_page_count={limit}").fetchall())

    def fill(conn: Connection) -> None:
        put(conn, "a" * 1_000_000)

    pages(1)  # SQLite rounds up to the present size: no page more is given
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.write_now(fill)
    pages(1_000_000)
    store.write_now(fill)
    assert len(store.read_now(names)) == 1
    store.close()


def test_a_server_that_restarts_is_found_again(tmp_path: Path) -> None:
    with PostgresServer() as server:
        store = Store(server.url)
        store.migrate()
        store.write_now(lambda conn: put(conn, "a"))
        url = make_url(server.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'healthkit-checker'"
            )
        store.write_now(lambda conn: put(conn, "b"))  # the stale connection is replaced within the call
        assert store.read_now(names) == ["a", "b"]
        server.stop()
        with pytest.raises(StoreUnavailable):
            store.write_now(lambda conn: put(conn, "c"))
        store.close()
