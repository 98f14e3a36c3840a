"""The endpoint's inner promises; what every adapter shows of it is in tests/contract."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from healthkit import ConfigurationError, Health
from healthkit.asgi import HealthMiddleware
from healthkit.carriers import ThreadCarrier
from healthkit.endpoint import Endpoint, Request, mount_path, relative


def fresh_endpoint(**options: Any) -> Endpoint:
    health = Health("shop", **options)
    health.add(lambda: 1, name="disk", fresh_for=3600)
    health.report()
    return Endpoint(health)


def test_a_fresh_report_is_answered_without_a_task_a_thread_or_a_turn_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = fresh_endpoint()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(ThreadCarrier, "carry", refuse)
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "create_task", refuse)
    answering = endpoint.respond_async(Request("GET", ""))
    with pytest.raises(StopIteration) as done:
        answering.send(None)
    assert done.value.value.status == 200


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "HEAD", "BREW"]) | st.text(), st.text(), st.text(), st.text(), st.text()
)  # fmt: skip
def test_no_request_whatever_gets_anything_but_an_answer(
    method: str, path: str, query: str, accept: str, authorization: str
) -> None:
    for token in (None, "token"):
        answer = fresh_endpoint(details_token=token).respond(
            Request(method, path, query, accept, authorization)
        )
        assert answer.status in (200, 400, 404, 405)
        assert len(answer.body) < 10_000
        for name, value in answer.headers:
            assert f"{name}{value}".isascii()
            assert f"{name}{value}".isprintable()


@pytest.mark.parametrize("path", ["/health", "/internal/health", "/-/healthz", "/v1.2/~health"])
def test_a_sound_mount_path_is_taken_as_it_is(path: str) -> None:
    assert mount_path(path) == path


@pytest.mark.parametrize("path", ["", "/", "health", "/health/", "//x", "/x y", "/{x}", "/x?y", None, 3])
def test_a_nonsense_mount_path_is_refused_with_an_example(path: Any) -> None:
    with pytest.raises(ConfigurationError, match='"/health"'):
        mount_path(path)


@pytest.mark.parametrize(
    ("path", "below"),
    [("/health", ""), ("/health/", "/"), ("/health/x", "/x"), ("/healthz", None), ("", None)],
)
def test_only_what_lies_under_the_mount_is_ours(path: str, below: str | None) -> None:
    assert relative(path, "/health") == below


def test_bodies_are_baked_for_known_checks_only() -> None:
    endpoint = fresh_endpoint()
    for number in range(1_000):
        endpoint.respond(Request("GET", f"/checks/nope{number}"))
        endpoint.respond(Request("GET", "/checks/disk", f"nonce={number}"))
    assert len(endpoint._baked) == 1


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_the_asgi_middleware_passes_on_what_is_not_http(kind: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any: ...

    middleware = HealthMiddleware(app, Health("shop"))
    asyncio.run(middleware({"type": kind, "path": "/health", "headers": []}, nothing, nothing))
    assert seen == [kind]
