"""Watching changes nothing about a call, loses none, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from healthkit.checks import outbound_patches
from healthkit.checks.outbound import OutboundCalls, unobserved
from healthkit.checks.outbound_clients import CLIENTS
from healthkit.checks.outbound_clients.model import host_of_url
from healthkit.status import Status
from tests.healthkit.checks.http_clients import (
    by_aiohttp,
    by_httpx,
    by_requests,
    by_urllib3,
)
from tests.healthkit.checks.outbound_site import only, whole
from tests.recording import Answer, RecordingServer, refused_url

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("library", ["httpx", "httpx2", "aiohttp"])
def test_cancellation_passes_through_and_counts_neither_way(
    library: str, calls: OutboundCalls, server: RecordingServer
) -> None:
    server.then(Answer(), Answer(), Answer(fault="hang"))

    async def get() -> None:
        if library == "aiohttp":
            async with aiohttp.ClientSession() as session, session.get(server.url):
                return
        async with {"httpx": httpx, "httpx2": httpx2}[library].AsyncClient() as client:
            await client.get(server.url)

    async def main() -> bool:
        await get()
        await get()
        task = asyncio.create_task(get())
        while len(server.requests) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert asyncio.run(main())
    said = only(calls)
    assert (said.status, said.value) == (Status.PASS, 0.0)
    assert (said.details["calls"], said.details["given_up"]) == (2, 1)


def test_an_exception_of_the_apps_own_that_ends_a_call_passes_through(calls: OutboundCalls) -> None:
    class JobTimeoutError(Exception):
        pass

    def body() -> Iterator[bytes]:
        yield b"part"
        raise JobTimeoutError

    with RecordingServer() as server:
        by_requests(server.url)
        with pytest.raises(JobTimeoutError):
            requests.post(server.url, data=body(), timeout=5)

    assert (only(calls).details["errors"], only(calls).details["given_up"]) == (0, 1)


def test_a_streamed_answer_is_read_by_the_app_and_not_by_the_watcher(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    server.default = Answer(body=b"x" * 100_000)
    with requests.get(server.url, stream=True, timeout=5) as response:
        assert response.raw.tell() == 0
        assert sum(len(part) for part in response.iter_content(1000)) == 100_000
    with httpx.stream("GET", server.url) as streamed:
        assert not streamed.is_stream_consumed
        assert sum(len(part) for part in streamed.iter_bytes()) == 100_000

    assert only(calls).details["calls"] == 2


def test_methods_keep_their_name_signature_and_kind() -> None:
    plain = {client: vars(owner_of(client))[client.method] for client in CLIENTS}
    with OutboundCalls():
        for client, original in plain.items():
            watched = vars(owner_of(client))[client.method]
            assert watched is not original
            assert inspect.signature(watched) == inspect.signature(original)
            assert (watched.__name__, watched.__doc__) == (original.__name__, original.__doc__)
            assert inspect.iscoroutinefunction(watched) == inspect.iscoroutinefunction(original)


def owner_of(client: Any) -> type:
    owner: type = getattr(sys.modules[client.module], client.owner)
    return owner


def test_the_last_one_to_stop_puts_every_method_back() -> None:
    plain = {client: vars(owner_of(client))[client.method] for client in CLIENTS}
    one, other = OutboundCalls(), OutboundCalls()
    one.install()
    one.uninstall()
    assert all(vars(owner_of(client))[client.method] is not plain[client] for client in CLIENTS)

    other.uninstall()
    other.uninstall()

    assert all(vars(owner_of(client))[client.method] is plain[client] for client in CLIENTS)


def test_installing_twice_counts_once(calls: OutboundCalls, server: RecordingServer) -> None:
    calls.install()
    outbound_patches.install()

    by_requests(server.url)

    assert only(calls).details["calls"] == 1


@pytest.fixture
def adapter() -> Iterator[type[requests.adapters.HTTPAdapter]]:
    """The class of requests that is patched, put back as it was whatever the test does to it."""
    original = requests.adapters.HTTPAdapter.send
    yield requests.adapters.HTTPAdapter
    requests.adapters.HTTPAdapter.send = original  # type: ignore[method-assign]


def test_another_watchers_wrapper_over_ours_stays_and_nothing_is_counted_twice(
    server: RecordingServer, adapter: type[requests.adapters.HTTPAdapter]
) -> None:
    calls = OutboundCalls()
    ours = vars(adapter)["send"]

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    theirs.__wrapped__ = ours  # type: ignore[attr-defined]
    adapter.send = theirs  # type: ignore[method-assign]
    calls.uninstall()
    assert vars(adapter)["send"] is theirs
    by_requests(server.url)
    calls.install()

    by_requests(server.url)

    assert only(calls).details["calls"] == 1
    calls.uninstall()


def test_the_libraries_that_are_watched_are_told(calls: OutboundCalls) -> None:
    assert whole(calls)["watching"] == ["aiohttp", "httpx", "httpx2", "requests", "urllib", "urllib3"]
    calls.uninstall()
    assert outbound_patches.watched() == ()


def test_a_library_that_fakes_answers_over_ours_is_left_alone(
    calls: OutboundCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = requests.Response()
    fake.status_code = 500
    with monkeypatch.context() as patching:
        patching.setattr(requests.adapters.HTTPAdapter, "send", lambda *args, **kwargs: fake)
        assert by_requests("http://stripe.example/") == 500
    with pytest.raises(requests.ConnectionError):
        by_requests("http://no-such-host.invalid/")

    assert only(calls).component_id == "no-such-host.invalid"


def test_a_subclass_that_overrides_the_method_is_counted_once(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> Any:
            return super().send(*args, **kwargs)

    with requests.Session() as session:
        session.mount("http://", Adapter())
        assert session.get(server.url, timeout=5).status_code == 200

    assert only(calls).details["calls"] == 1


def test_one_that_nobody_holds_is_told_no_more(server: RecordingServer) -> None:
    OutboundCalls()
    gc.collect()

    by_requests(server.url)

    assert all(listener() is None for listener in outbound_patches._listeners)


def test_own_probes_are_not_counted(calls: OutboundCalls, server: RecordingServer) -> None:
    async def get() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(server.url)

    with unobserved():
        by_requests(server.url)
        by_urllib3(server.url)
        asyncio.run(get())

    assert whole(calls)["hosts"] == 0


def test_heartbeats_of_the_app_are_not_counted(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHKIT_PING_URL", f"{server.url}/ping/key/worker")
    with OutboundCalls() as calls:
        by_requests(f"{server.url}/ping/key/worker")

    assert whole(calls)["hosts"] == 0


def test_many_threads_lose_no_call() -> None:
    calls = OutboundCalls()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(record_many, calls, 2000)
    calls.uninstall()

    assert only(calls).details["calls"] == 16_000


@given(st.text() | st.from_regex(r"https?://[^/]*/.*"))
def test_any_url_gives_a_host_or_none_and_never_a_password(url: str) -> None:
    assert "@" not in host_of_url(url)


def record_many(calls: OutboundCalls, count: int) -> None:
    for _ in range(count):
        calls.record("a.com", 200, "", 0.1)


def test_a_reading_in_the_middle_of_a_call_never_waits(calls: OutboundCalls) -> None:
    with RecordingServer(default=Answer(fault="hang")) as server:
        thread = threading.Thread(target=lambda: suppress_all(server.url), daemon=True)
        thread.start()
        server.wait_for(1)
        assert whole(calls)["hosts"] == 0
        server.released.set()
        thread.join(5)


def suppress_all(url: str) -> None:
    with suppress(requests.RequestException):
        requests.get(url, timeout=5)


def test_a_forked_child_counts_its_own_calls_even_when_the_parent_was_counting(
    server: RecordingServer,
) -> None:
    calls = OutboundCalls()
    by_requests(server.url)
    with calls._lock:  # as another thread might hold it at the moment of the fork
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(BaseException):
                before = whole(calls)
                calls.record("child.com", 200, "", 0.1)
                code = 0 if before["hosts"] == 0 and only(calls).component_id == "child.com" else 2
            os._exit(code)
    calls.uninstall()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert only(calls).details["calls"] == 1


def test_a_listener_that_breaks_never_reaches_the_app(
    calls: OutboundCalls, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(calls, "record", broken)

    assert by_requests(server.url) == by_httpx(server.url) == by_aiohttp(server.url) == 200
    with pytest.raises(requests.ConnectionError):
        by_requests(refused_url())


def test_a_library_imported_later_is_watched_from_the_next_run_on() -> None:
    code = """
import sys
from healthkit.checks.outbound import OutboundCalls
calls = OutboundCalls()
assert "requests" not in sys.modules and "httpx" not in sys.modules, "importing it imports no library"
assert [(one.details["hosts"], one.details["watching"]) for one in calls()] == [(0, [])]
import requests
calls()
try:
    requests.get("http://127.0.0.1:9", timeout=5)
except requests.ConnectionError:
    pass
print(calls()[1].component_id, calls()[1].details["errors"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("127.0.0.1:9 1\n", "")
