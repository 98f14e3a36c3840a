"""Jobs that were written for other products ping this checker with the calls those products document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from checker.model import Kind, MonitorSpec, PingKind
from checker.record import Recorder
from checker.registry import Registry
from checker.schedule import Every
from checker.store import Store, StoreUnavailable, door, monitors
from checker.store.tables import ping
from checker.web.foreign import Sign, is_meant, read
from checker.web.ping import Gate, PingReceiver
from checker.web.ping_path import Refusal
from tests.checker.stores import prepared
from tests.checker.web.asgi import Reply, call
from tests.checker.web.served import served

NOW = 1_800_000_000.0
TOKEN = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY"
JOB = MonitorSpec(Kind.HEARTBEAT, "Ext ep.test", slug="ext-ep-test", push_token=TOKEN, schedule=Every(3600.0))
OTHER = MonitorSpec(Kind.HEARTBEAT, "other", slug="other", push_token="z" * 32, schedule=Every(3600.0))


async def behind(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError(f"{scope['path']} went past the receiver")


class Bench:
    """A receiver over a real store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.write_now(lambda conn: monitors.sync(conn, [JOB, OTHER], NOW))
        self.registry = Registry(store)
        self.registry.reload_now()
        self.open = True
        self.door: Any = None

    def ask(self, path: str, **options: Any) -> Reply:
        """Return the answer to one request."""

        async def asked() -> Reply | None:
            receiver = PingReceiver(
                behind,
                registry=self.registry,
                door=self.door or Recorder(self.store, self.registry, lambda: NOW),
                clock=lambda: NOW,
                gate=lambda: Gate("k3y", open_slugs=self.open),
            )
            return await call(receiver, path, **options)

        reply = asyncio.run(asked())
        assert reply is not None
        return reply

    @property
    def kept(self) -> list[Any]:
        """The rows of the ping table."""
        return list(self.store.read_now(lambda conn: conn.execute(select(ping).order_by(ping.c.id)).all()))

    def metrics(self) -> Any:
        """The figures that the job last gave."""
        found = self.registry.by_token(TOKEN)
        assert found is not None
        return self.store.read_now(lambda conn: door.load_states(conn, [found[0]]))[found[0]].value


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = prepared(tmp_path / "pings.db")
    yield Bench(store)
    store.close()


# QuietPulse: GET or POST https://host/ping/<token>


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_quietpulse_pings_with_an_opaque_token(bench: Bench, method: str) -> None:
    reply = bench.ask(f"/ping/{TOKEN}", method=method)
    assert (reply.status, reply.text, bench.kept[0].kind) == (200, "OK", "success")


def test_quietpulse_with_an_unknown_token_is_not_found(bench: Bench) -> None:
    assert bench.ask(f"/ping/{TOKEN.lower()}").status == 404
    assert bench.ask(f"/ping/{TOKEN}x").status == 404


# PulseMon: https://pulsemon.dev/docs, "Ping API"


def test_pulsemon_pings_by_slug_and_hears_ok(bench: Bench) -> None:
    reply = bench.ask("/api/ping/ext-ep-test")
    assert (reply.status, json.loads(reply.text)) == (200, {"ok": True})
    assert bench.kept[0].kind == "success"


def test_pulsemon_tells_failure_and_duration_in_the_query(bench: Bench) -> None:
    bench.ask("/api/ping/ext-ep-test", query="status=fail&duration=1234")
    assert (bench.kept[0].kind, bench.kept[0].duration) == ("fail", 1.234)


def test_pulsemon_tells_status_duration_and_output_in_a_json_body(bench: Bench) -> None:
    body = b'{"status": "fail", "duration": 1234, "body": "Processed 0 records"}'
    bench.ask(
        "/api/ping/ext-ep-test", method="POST", body=body, headers=[("Content-Type", "application/json")]
    )
    row = bench.kept[0]
    assert (row.kind, row.duration, row.body) == ("fail", 1.234, body)


def test_pulsemons_shape_is_closed_unless_the_server_opens_it(bench: Bench) -> None:
    bench.open = False
    assert bench.ask("/api/ping/ext-ep-test").status == 404
    assert bench.kept == []


# Uptime Kuma: https://host/api/push/<token>?status=up&msg=OK&ping=


@pytest.mark.parametrize("query", ["status=up&msg=OK&ping=", "status=up&ping=12.5", "", "ping=rubbish"])
def test_kuma_pushes_up(bench: Bench, query: str) -> None:
    reply = bench.ask(f"/api/push/{TOKEN}", query=query)
    assert (reply.status, reply.text) == (200, '{"ok":true}')
    assert reply.headers["content-type"] == "application/json"
    assert bench.kept[0].kind == "success"


def test_kumas_ping_and_message_are_kept(bench: Bench) -> None:
    bench.ask(f"/api/push/{TOKEN}", query="status=down&msg=disk%20full&ping=12.5")
    assert (bench.kept[0].kind, bench.kept[0].body) == ("fail", b"disk full")
    assert bench.metrics() == {"ping": 12.5}


def test_kuma_answers_an_unknown_token_as_kuma_does(bench: Bench) -> None:
    reply = bench.ask("/api/push/unknown123", query="status=up")
    assert reply.status == 404
    assert json.loads(reply.text) == {"ok": False, "msg": "Monitor not found or not active."}


def test_kuma_refuses_a_ping_that_cannot_be(bench: Bench) -> None:
    for value in ("-1", "100000000001", "inf"):
        reply = bench.ask(f"/api/push/{TOKEN}", query=f"ping={value}")
        assert reply.status == 404
        assert "Invalid ping value" in json.loads(reply.text)["msg"]
    assert bench.kept == []


# Gatus: POST /api/v1/endpoints/<key>/external?success=&error=&duration= with a bearer token


def push(bench: Bench, key: str = "core_ext-ep-test", token: str = TOKEN, **options: Any) -> Reply:
    options.setdefault("query", "success=true")
    headers = [("Authorization", f"Bearer {token}")]
    return bench.ask(f"/api/v1/endpoints/{key}/external", method="POST", headers=headers, **options)


def test_gatus_pushes_success_with_a_duration(bench: Bench) -> None:
    reply = push(bench, query="success=true&error=&duration=1m1.5s")
    assert (reply.status, reply.text) == (200, "")
    assert (bench.kept[0].kind, bench.kept[0].duration) == ("success", 61.5)


def test_gatus_pushes_a_failure_with_its_error(bench: Bench) -> None:
    assert push(bench, query="success=false&error=connection%20refused").status == 200
    assert (bench.kept[0].kind, bench.kept[0].body) == ("fail", b"connection refused")


@pytest.mark.parametrize("key", ["_ext-ep-test", "core_ext-ep-test", "ext_ep-test"])
def test_gatus_names_the_monitor_by_group_and_name(bench: Bench, key: str) -> None:
    assert push(bench, key).status == 200


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ({"query": ""}, 400, "missing or invalid success query parameter"),
        ({"query": "success=yes"}, 400, "missing or invalid success query parameter"),
        ({"query": "success=true&duration=10"}, 400, 'invalid duration: time: invalid duration "10"'),
        ({"token": ""}, 401, "bearer token must not be empty"),
        ({"token": "wrong"}, 401, "invalid token"),
        ({"token": "z" * 32}, 401, "invalid token"),
        ({"key": "core_unknown"}, 404, "not found"),
    ],
)
def test_gatus_refuses_as_gatus_does(bench: Bench, options: Any, status: int, text: str) -> None:
    reply = push(bench, **options)
    assert (reply.status, reply.text) == (status, text)
    assert bench.kept == []


def test_gatus_wants_its_header(bench: Bench) -> None:
    reply = bench.ask("/api/v1/endpoints/core_ext-ep-test/external", method="POST", query="success=true")
    assert (reply.status, reply.text) == (401, "invalid Authorization header")


# All


class Refusing:
    """A door that cannot be passed."""

    async def record(self, observations: Any) -> Any:
        raise StoreUnavailable("database: locked")


@pytest.mark.parametrize("path", [f"/ping/{TOKEN}", "/api/ping/ext-ep-test", f"/api/push/{TOKEN}", "gatus"])
def test_no_shape_says_yes_to_what_could_not_be_kept(bench: Bench, path: str) -> None:
    bench.door = Refusing()
    reply = push(bench) if path == "gatus" else bench.ask(path)
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    ("name", "key", "meant"),
    [
        ("ext-ep-test", "core_ext-ep-test", True),
        ("Ext ep.test", "_ext-ep-test", True),
        ("core ext", "core_ext", True),
        ("a_b", "x_a-b", True),
        ("ext", "core_other", False),
        ("core", "core_ext", False),
    ],
)
def test_a_gatus_key_is_compared_as_gatus_writes_it(name: str, key: str, meant: bool) -> None:
    assert is_meant(MonitorSpec(Kind.HEARTBEAT, name), key) is meant


@given(st.text(max_size=40), st.binary(max_size=80), st.sampled_from(["GET", "POST"]), st.text(max_size=30))
def test_hostile_requests_never_raise(rest: str, query: bytes, method: str, header: str) -> None:
    for prefix in ("/api/push/", "/api/v1/endpoints/"):
        assert isinstance(read(prefix + rest, query, method, header), Sign | Refusal)
    found = read("/api/v1/endpoints/a_b/external", b"success=true&" + query, "POST", f"Bearer {header}x")
    assert not isinstance(found, Sign) or found.kind is PingKind.SUCCESS


def test_the_documented_calls_work_over_a_real_server(bench: Bench) -> None:
    receiver = PingReceiver(
        behind,
        registry=bench.registry,
        door=Recorder(bench.store, bench.registry, lambda: NOW),
        clock=lambda: NOW,
        gate=lambda: Gate("k3y", open_slugs=True),
    )
    with served(receiver) as url, httpx.Client(base_url=url, timeout=10) as client:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(f"/ping/{TOKEN}").text == "OK"
        assert client.get("/api/ping/ext-ep-test").json() == {"ok": True}
        assert client.get(f"/api/push/{TOKEN}?status=up&msg=OK&ping=").json() == {"ok": True}
        path = "/api/v1/endpoints/core_ext-ep-test/external?success=true&error=&duration=10s"
        assert client.post(path, headers=bearer).status_code == 200
    assert len(bench.kept) == 4
