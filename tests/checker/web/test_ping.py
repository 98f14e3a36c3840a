"""The ping receiver on a real store: texts, statuses, headers, what is kept and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from checker.model import Kind, MonitorSpec
from checker.record import Overloaded, Recorder
from checker.registry import Registry
from checker.schedule import Every
from checker.store import Store, StoreUnavailable, monitors
from checker.store.tables import ping
from checker.web.ping import BODY_LIMIT, READ_LIMIT, Gate, PingReceiver
from checker.web.ping_request import Room
from tests.checker.stores import prepared
from tests.checker.web.asgi import Reply, call

NOW = 1_800_000_000.0
TOKEN = "0b8f4a1e-6c7d-4e2f-9a3b-5c1d2e3f4a5b"
RID = "7d0d3c2a-1111-4222-8333-444455556666"
KEY = "k3y"
JOB = MonitorSpec(
    Kind.HEARTBEAT, "Nightly invoices", slug="nightly-invoices", token=TOKEN, schedule=Every(3600.0)
)


async def behind(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"behind"})


class Bench:
    """A receiver on a store of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.write_now(lambda conn: monitors.sync(conn, [JOB], NOW))
        self.registry = Registry(store)
        self.registry.reload_now()
        self.gate = Gate(KEY)
        self.door: Any = None  # made in the loop that asks first
        self.deadline = 30.0

    def ask(self, path: str, **options: Any) -> Reply:
        """Return the answer to one request."""
        reply = asyncio.run(self._ask(path, options))
        assert reply is not None
        return reply

    async def _ask(self, path: str, options: dict[str, Any]) -> Reply | None:
        receiver = PingReceiver(
            behind,
            registry=self.registry,
            door=self.door or Recorder(self.store, self.registry, lambda: NOW),
            clock=lambda: NOW,
            gate=lambda: self.gate,
            read_deadline=self.deadline,
        )
        return await call(receiver, path, **options)

    @property
    def kept(self) -> list[Any]:
        """The rows of the ping table."""
        return list(self.store.read_now(lambda conn: conn.execute(select(ping).order_by(ping.c.id)).all()))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = prepared(tmp_path / "pings.db")
    yield Bench(store)
    store.close()


@pytest.mark.parametrize("base", [f"/ping/{TOKEN}", f"/ping/{KEY}/nightly-invoices"])
@pytest.mark.parametrize(
    ("suffix", "kind", "code"),
    [("", "success", None), ("/start", "start", None), ("/fail", "fail", None), ("/log", "log", None),
     ("/0", "success", 0), ("/003", "fail", 3)],
)  # fmt: skip
def test_every_sign_is_kept_and_answered_ok(
    bench: Bench, base: str, suffix: str, kind: str, code: int
) -> None:
    reply = bench.ask(base + suffix, query=f"rid={RID.upper()}")
    assert (reply.status, reply.text) == (200, "OK")
    assert [(row.kind, row.exit_code, row.rid, row.n) for row in bench.kept] == [(kind, code, RID, 1)]


def test_the_headers_are_those_of_healthchecks(bench: Bench) -> None:
    headers = bench.ask(f"/ping/{TOKEN}").headers
    assert headers["ping-body-limit"] == "100000"
    assert headers["access-control-allow-origin"] == "*"
    assert "no-store" in headers["cache-control"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"])
def test_any_method_counts(bench: Bench, method: str) -> None:
    assert bench.ask(f"/ping/{TOKEN}", method=method).status == 200
    assert bench.kept[0].method == method


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/ping/00000000-0000-4000-8000-000000000000", "", 404, "not found"),
        (f"/ping/{TOKEN.upper()}", "", 404, "not found"),
        (f"/ping/{KEY}/unknown", "", 404, "not found"),
        (f"/ping/{KEY}/unknown/999", "", 404, "not found"),
        ("/ping/wrong/nightly-invoices", "", 404, "not found"),
        ("/ping/wrong/new", "create=1", 404, "not found"),
        ("/ping/wrong/nightly-invoices/999", "rid=x", 404, "not found"),
        ("/api/ping/nightly-invoices", "", 404, "not found"),
        (f"/ping/{TOKEN}/256", "", 400, "invalid url format"),
        (f"/ping/{KEY}/Nightly-Invoices", "", 400, "invalid url format"),
        (f"/ping/{TOKEN}", "rid=", 400, "invalid uuid format"),
        (f"/ping/{TOKEN}", "rid=nonsense", 400, "invalid uuid format"),
        (f"/ping/{KEY}/new/256", "create=1", 400, "invalid url format"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    bench: Bench, path: str, query: str, status: int, text: str
) -> None:
    reply = bench.ask(path, query=query)
    assert (reply.status, reply.text) == (status, text)
    assert "ping-body-limit" not in reply.headers
    assert bench.kept == []
    assert bench.registry.by_slug("new") is None


def test_create_makes_a_heartbeat_once(bench: Bench) -> None:
    first = bench.ask(f"/ping/{KEY}/new-job", query="create=1")
    again = bench.ask(f"/ping/{KEY}/new-job/start", query="create=1")
    assert (first.status, first.text) == (201, "Created")
    assert (again.status, again.text) == (200, "OK")
    found = bench.registry.by_slug("new-job")
    assert found is not None
    assert (found[1].schedule, found[1].grace, found[1].channels) == (Every(86_400.0), 3600.0, None)


def test_create_without_the_literal_one_creates_nothing(bench: Bench) -> None:
    assert bench.ask(f"/ping/{KEY}/new-job", query="create=yes").status == 404


def test_no_key_configured_lets_nobody_in_by_slug(bench: Bench) -> None:
    bench.gate = Gate("")
    assert bench.ask(f"/ping/{KEY}/nightly-invoices").status == 404
    assert bench.ask(f"/ping/{TOKEN}").status == 200


def test_open_slugs_answer_only_where_the_server_allows_them(bench: Bench) -> None:
    bench.gate = Gate(KEY, open_slugs=True)
    reply = bench.ask("/api/ping/nightly-invoices/fail")
    assert (reply.status, reply.text, reply.headers["content-type"]) == (
        200,
        '{"ok":true}',
        "application/json",
    )
    assert bench.kept[0].kind == "fail"


def test_refusals_cost_no_database_work(bench: Bench) -> None:
    bench.store.close()  # any query would raise now
    for path in ("/ping/wrong/nightly-invoices", f"/ping/{KEY}/unknown", f"/ping/{TOKEN[:-1]}0", "/ping/x"):
        assert bench.ask(path).status == 404


def test_other_paths_go_to_the_app_behind(bench: Bench) -> None:
    for path in ("/", "/health", "/ping", "/api/status", "/pings/x"):
        assert bench.ask(path).status == 299


def test_the_senders_facts_are_kept_within_their_columns(bench: Bench) -> None:
    headers = [
        ("User-Agent", "u" * 300),
        ("X-Forwarded-For", "2001:db8::1, 10.0.0.1"),
        ("X-Forwarded-Proto", "https"),
    ]
    assert bench.ask(f"/ping/{TOKEN}", headers=headers).status == 200
    row = bench.kept[0]
    assert (row.user_agent, row.remote, row.scheme) == ("u" * 200, "2001:db8::1", "https")


@pytest.mark.parametrize("forwarded", ["rubbish", "<script>", "1.2.3.4.5", "x" * 5000, ""])
def test_a_rubbish_forwarded_address_is_the_peers_address(bench: Bench, forwarded: str) -> None:
    assert bench.ask(f"/ping/{TOKEN}", headers=[("X-Forwarded-For", forwarded)]).status == 200
    assert bench.kept[0].remote == "192.0.2.7"


@pytest.mark.parametrize(
    "body", [b"plain", "<b>\u202e😀</b>".encode(), b"\xff\xfe\x00\x1b[31m", b"'; DROP TABLE ping; --", b"{"]
)
def test_a_body_is_kept_as_it_came(bench: Bench, body: bytes) -> None:
    assert bench.ask(f"/ping/{TOKEN}/log", method="POST", body=body).status == 200
    assert bench.kept[0].body == body


def test_a_long_body_is_cut_at_the_limit(bench: Bench) -> None:
    assert bench.ask(f"/ping/{TOKEN}", method="POST", body=b"x" * (BODY_LIMIT + 1)).status == 200
    assert bench.kept[0].body == b"x" * BODY_LIMIT


def test_a_body_in_chunks_is_put_together_and_the_excess_read(bench: Bench) -> None:
    chunks = [
        {"type": "http.request", "body": bytes([48 + i]) * 40_000, "more_body": i < 4} for i in range(5)
    ]
    assert bench.ask(f"/ping/{TOKEN}", chunks=chunks).headers.get("connection") is None
    assert bench.kept[0].body == b"0" * 40_000 + b"1" * 40_000 + b"2" * 20_000


def test_an_endless_body_is_recorded_cut_and_its_connection_ended(bench: Bench) -> None:
    chunk = {"type": "http.request", "body": b"x" * (READ_LIMIT // 8), "more_body": True}
    reply = bench.ask(f"/ping/{TOKEN}", chunks=[chunk] * 9)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert len(bench.kept[0].body) == BODY_LIMIT


def test_a_body_that_does_not_arrive_in_time_is_refused_and_not_counted(bench: Bench) -> None:
    bench.deadline = 0.05
    reply = bench.ask(f"/ping/{TOKEN}", chunks=[{"type": "http.request", "body": b"x", "more_body": True}])
    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert bench.kept == []


def test_a_client_that_leaves_in_the_middle_is_not_counted(bench: Bench) -> None:
    chunks = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    assert asyncio.run(bench._ask(f"/ping/{TOKEN}", {"chunks": chunks})) is None
    assert bench.kept == []


def test_a_journaled_ping_keeps_its_own_time(bench: Bench) -> None:
    body = b'{"at": "2027-01-15T07:00:00Z", "processed": 3, "backlog": 0, "output": "late"}'
    assert bench.ask(f"/ping/{TOKEN}", method="POST", body=body).status == 200
    row = bench.kept[0]
    assert (row.at, row.received_at, row.body) == (NOW - 3600.0, NOW, body)


class Refusing:
    """A door that cannot be passed."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self.error = error

    async def record(self, observations: Any) -> Any:
        raise self.error()


@pytest.mark.parametrize("error", [lambda: Overloaded("full"), lambda: StoreUnavailable("database: locked")])
def test_a_ping_that_cannot_be_kept_is_told_to_come_again(
    bench: Bench, error: Callable[[], Exception]
) -> None:
    bench.door = Refusing(error)
    reply = bench.ask(f"/ping/{TOKEN}")
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert "locked" not in reply.text


def test_a_store_that_is_gone_is_never_a_false_200(bench: Bench) -> None:
    bench.store.close()
    assert bench.ask(f"/ping/{TOKEN}").status == 503
    assert bench.ask(f"/ping/{KEY}/new", query="create=1").status == 503


class Slow:
    """A door that opens when it is told to."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.kept = 0

    async def record(self, observations: Any) -> Any:
        await self.opened.wait()
        self.kept += 1


def flood(bench: Bench, room: Room, requests: int, body: bytes | None) -> tuple[list[Reply], int]:
    """Return the answers to requests that all come before the first is kept, and how many were kept."""

    async def main() -> tuple[list[Reply], int]:
        door = Slow()
        receiver = PingReceiver(
            behind,
            registry=bench.registry,
            door=door,
            clock=lambda: NOW,
            gate=lambda: bench.gate,
            room=room,
        )
        asked = [asyncio.create_task(call(receiver, f"/ping/{TOKEN}", body=body)) for _ in range(requests)]
        for _ in range(10):
            await asyncio.sleep(0)  # each gets as far as it can
        door.opened.set()
        replies = await asyncio.gather(*asked)
        assert all(replies)
        return [each for each in replies if each], door.kept

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("room", "body"), [(Room(pings=7), None), (Room(size=7 * 100 + 50), b"x" * 100)], ids=["pings", "bytes"]
)
def test_more_than_there_is_room_for_is_told_to_come_again_and_the_rest_is_kept(
    bench: Bench, room: Room, body: bytes | None
) -> None:
    before = (room.pings, room.size)
    replies, kept = flood(bench, room, 20, body)
    assert sorted(each.status for each in replies) == [200] * 7 + [503] * 13
    assert {each.headers.get("retry-after") for each in replies if each.status == 503} == {"5"}
    assert kept == 7
    assert (room.pings, room.size) == before, "all of it is given back"


def test_a_client_that_leaves_or_drips_gives_its_room_back(bench: Bench) -> None:
    room = Room()
    before = (room.pings, room.size)
    half = {"type": "http.request", "body": b"x", "more_body": True}

    async def main() -> None:
        receiver = PingReceiver(
            behind, registry=bench.registry, door=Slow(), clock=lambda: NOW, gate=lambda: bench.gate,
            read_deadline=0.01, room=room,
        )  # fmt: skip
        await call(receiver, f"/ping/{TOKEN}", chunks=[half, {"type": "http.disconnect"}])
        await call(receiver, f"/ping/{TOKEN}", chunks=[half])

    asyncio.run(main())
    assert (room.pings, room.size) == before
