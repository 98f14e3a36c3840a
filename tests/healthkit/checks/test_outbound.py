"""The app's own calls, really made with every library, are counted; and nothing about them changes."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from healthkit.checks import outbound_patches
from healthkit.checks.outbound import OutboundCalls, unobserved
from healthkit.checks.outbound_clients import CLIENTS
from healthkit.checks.outbound_clients.model import host_of_url
from healthkit.errors import ConfigurationError
from healthkit.health import Health
from healthkit.model import Result
from healthkit.status import Status
from tests.recording import Answer, RecordingServer, black_hole, refused_url

ROOT = Path(__file__).parents[3]
Get = Callable[[str], int]


def by_requests(url: str) -> int:
    return requests.get(url, timeout=0.3).status_code


def by_urllib3(url: str) -> int:
    with urllib3.PoolManager(retries=False, timeout=0.3) as pool:
        return pool.request("GET", url).status


def by_httpx(url: str) -> int:
    return httpx.get(url, timeout=0.3, verify=False).status_code


def by_httpx2(url: str) -> int:
    return httpx2.get(url, timeout=0.3, verify=False).status_code


def by_httpx_async(url: str) -> int:
    async def get() -> int:
        async with httpx.AsyncClient(timeout=0.3, verify=False) as client:
            return (await client.get(url)).status_code

    return asyncio.run(get())


def by_httpx2_async(url: str) -> int:
    async def get() -> int:
        async with httpx2.AsyncClient(timeout=0.3, verify=False) as client:
            return (await client.get(url)).status_code

    return asyncio.run(get())


def by_aiohttp(url: str) -> int:
    async def get() -> int:
        timeout = aiohttp.ClientTimeout(total=0.3)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return response.status

    return asyncio.run(get())


def by_urllib(url: str) -> int:
    with urllib.request.urlopen(url, timeout=0.3) as response:
        return int(response.status)


LIBRARIES = [
    by_requests, by_urllib3, by_httpx, by_httpx2, by_httpx_async, by_httpx2_async, by_aiohttp, by_urllib,
]  # fmt: skip
every_library = pytest.mark.parametrize("get", LIBRARIES, ids=lambda get: get.__name__[3:])


@pytest.fixture
def calls() -> Iterator[OutboundCalls]:
    with OutboundCalls(min_calls=2) as watching:
        yield watching


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as running:
        yield running


def only(calls: OutboundCalls) -> Result:
    [result] = calls()
    return result


@every_library
def test_a_call_is_counted_once_for_its_host(get: Get, calls: OutboundCalls, server: RecordingServer) -> None:
    assert [get(server.url + "/v1/charges?key=secret") for _ in range(3)] == [200] * 3

    said = only(calls)
    assert (said.component_id, said.status, said.value) == (f"127.0.0.1:{server.port}", Status.PASS, 0.0)
    assert said.details["calls"] == len(server.requests) == 3
    assert 0 < said.details["p50_ms"] < 300


@every_library
def test_a_host_that_answers_500_fails(get: Get, calls: OutboundCalls, server: RecordingServer) -> None:
    server.default = Answer(500)
    for _ in range(3):
        with suppress(urllib.request.HTTPError):  # urllib raises on 500 by itself
            assert get(server.url) == 500

    said = only(calls)
    assert (said.status, said.value, said.details["last_failure"]) == (Status.FAIL, 1.0, "status 500")
    assert said.output.startswith("3 of 3 calls failed")


@every_library
def test_no_answer_is_a_failure_with_its_class_of_reason(get: Get, calls: OutboundCalls) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match=r"(?i)refused|connect"):
            get(refused_url())

    assert [r.status for r in calls()] == [Status.PASS] * 2  # two ports are two hosts
    assert {r.details["last_failure"] for r in calls()} == {"unreachable: connection refused"}


@every_library
def test_a_timeout_is_a_failure(get: Get, calls: OutboundCalls) -> None:
    with RecordingServer(default=Answer(fault="hang")) as server:
        for _ in range(2):
            with pytest.raises(Exception) as caught:
                get(server.url)
            assert "time" in f"{type(caught.value).__name__} {caught.value}".lower()

    said = only(calls)
    assert (said.status, said.details["last_failure"]) == (
        Status.FAIL,
        "timed out: no answer within the limit",
    )


@every_library
def test_a_black_hole_is_a_failure(get: Get, calls: OutboundCalls) -> None:
    with black_hole() as url, pytest.raises(Exception):  # noqa: B017 - each library has its own
        get(url)

    assert only(calls).details["last_failure"] == "timed out: no answer within the limit"


@every_library
def test_a_lost_connection_is_a_failure(get: Get, calls: OutboundCalls, server: RecordingServer) -> None:
    server.default = Answer(fault="reset")
    for _ in range(2):
        with pytest.raises(Exception):  # noqa: B017 - each library has its own
            get(server.url)

    assert only(calls).status is Status.FAIL
    assert "unreachable" in only(calls).details["last_failure"]


@pytest.mark.parametrize("get", [by_requests, by_urllib3, by_aiohttp, by_urllib])
def test_a_wrong_certificate_is_a_failure_that_says_so(get: Get, calls: OutboundCalls) -> None:
    with RecordingServer(tls=True) as server, pytest.raises(Exception, match=r"(?i)certificate"):
        get(server.url)

    assert only(calls).details["last_failure"] == "TLS: the certificate or the handshake was refused"


@every_library
def test_a_name_that_is_unknown_is_a_failure(get: Get, calls: OutboundCalls) -> None:
    with pytest.raises(Exception):  # noqa: B017 - each library has its own
        get("http://no-such-host.invalid/")

    said = only(calls)
    assert said.component_id == "no-such-host.invalid"
    assert said.details["errors"] == 1


@every_library
def test_the_callers_own_mistake_says_nothing_of_a_host(get: Get, calls: OutboundCalls) -> None:
    with pytest.raises(Exception):  # noqa: B017 - each library has its own
        get("nosuch://127.0.0.1:1/")

    assert only(calls).details["hosts"] == 0


def test_throttling_warns_unless_told_otherwise(server: RecordingServer) -> None:
    server.default = Answer(429)
    mild, strict, blind = (OutboundCalls(min_calls=2, throttled=how) for how in ("warn", "error", "ignore"))
    with mild, strict, blind:
        for _ in range(3):
            by_requests(server.url)

    assert [only(one).status for one in (mild, strict, blind)] == [Status.WARN, Status.FAIL, Status.PASS]


def test_further_statuses_can_count_as_failures(server: RecordingServer) -> None:
    server.default = Answer(401)
    with OutboundCalls(min_calls=2, errors={401, 403, *range(500, 600)}) as calls:
        by_requests(server.url)
        by_requests(server.url)

    assert only(calls).details["last_failure"] == "status 401"


def test_retries_inside_urllib3_are_one_call(calls: OutboundCalls, server: RecordingServer) -> None:
    server.then(Answer(503), Answer(503), Answer(200))
    retry = urllib3.Retry(total=5, status_forcelist=[503], backoff_factor=0)
    with urllib3.PoolManager(retries=retry) as pool:
        assert pool.request("GET", server.url).status == 200

    assert only(calls).details["calls"] == 1
    assert len(server.requests) == 3


def test_retries_that_ran_out_tell_the_status_they_ran_out_on(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    server.default = Answer(503)
    with requests.Session() as session:
        retry = urllib3.Retry(total=2, status_forcelist=[503], backoff_factor=0)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        with pytest.raises(requests.exceptions.RetryError):
            session.get(server.url)

    assert only(calls).details["last_failure"] == "status 503"


def test_each_hop_of_a_redirect_counts_for_its_own_host(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    with RecordingServer(default=Answer(500)) as behind:
        server.default = Answer(302, headers={"Location": behind.url})
        by_requests(server.url)
        by_aiohttp(server.url)

        counted = {result.component_id: result.details["errors"] for result in calls()}

    assert counted == {f"127.0.0.1:{server.port}": 0, f"127.0.0.1:{behind.port}": 2}


def test_aiohttp_with_raise_for_status_and_a_base_url_is_read_right(
    calls: OutboundCalls, server: RecordingServer
) -> None:
    server.default = Answer(502)

    async def get() -> None:
        async with aiohttp.ClientSession(server.url, raise_for_status=True) as session:
            await session.get("/v1")

    with pytest.raises(aiohttp.ClientResponseError):
        asyncio.run(get())

    assert only(calls).details["last_failure"] == "status 502"


def test_a_password_in_a_url_is_shown_nowhere(calls: OutboundCalls, server: RecordingServer) -> None:
    server.default = Answer(500)
    url = f"http://user:hunter2@127.0.0.1:{server.port}/?token=hunter3"
    for get in (by_requests, by_urllib3, by_httpx, by_aiohttp):
        get(url)

    assert "hunter" not in repr(calls())


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
    assert only(calls).details["watching"] == ["aiohttp", "httpx", "httpx2", "requests", "urllib", "urllib3"]
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

    assert only(calls).details["hosts"] == 0


def test_heartbeats_of_the_app_are_not_counted(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTHKIT_PING_URL", f"{server.url}/ping/key/worker")
    with OutboundCalls() as calls:
        by_requests(f"{server.url}/ping/key/worker")

    assert only(calls).details["hosts"] == 0


def test_hosts_can_be_chosen_left_out_and_given_limits_of_their_own() -> None:
    chosen = OutboundCalls(
        hosts={"api.stripe.com", "*.twilio.com"},
        exclude={"lab.twilio.com"},
        per_host={"*.Twilio.com": {"fail": 0.9, "warn": None}},
    )
    for host in ("api.stripe.com", "api.stripe.com:8443", "a.twilio.com", "lab.twilio.com", "evil.com"):
        for status in (200, 500, 500, 500, 500, 500):
            chosen.record(host, status, "", 0.1)
    chosen.uninstall()

    assert {result.component_id: result.status for result in chosen()} == {
        "api.stripe.com": Status.FAIL,
        "api.stripe.com:8443": Status.FAIL,
        "a.twilio.com": Status.PASS,
    }


def test_the_number_of_hosts_is_bounded_and_the_one_called_longest_ago_gives_way() -> None:
    calls = OutboundCalls(max_hosts=3)
    for host in ("a.com", "b.com", "c.com", "a.com", "d.com"):
        calls.record(host, 200, "", 0.1)
    calls.uninstall()

    assert [result.component_id for result in calls()] == ["a.com", "c.com", "d.com"]


def test_a_host_not_called_for_long_is_dropped() -> None:
    now = [1000.0]
    calls = OutboundCalls(clock=lambda: now[0], forget_after="1h", min_calls=1)
    calls.record("a.com", 500, "", 0.1)
    calls.uninstall()

    now[0] += 3600
    assert only(calls).status is Status.FAIL
    now[0] += 1
    assert only(calls).details["hosts"] == 0


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
        assert only(calls).details["hosts"] == 0
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
                before = only(calls).details
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
assert calls()[0].details == {"hosts": 0, "watching": []}, calls()
import requests
calls()
try:
    requests.get("http://127.0.0.1:9", timeout=5)
except requests.ConnectionError:
    pass
print(calls()[0].component_id, calls()[0].details["errors"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("127.0.0.1:9 1\n", "")


def test_in_a_health_the_failing_host_warns_of_the_whole_with_its_name(server: RecordingServer) -> None:
    server.default = Answer(500)
    health = Health("shop")
    calls = OutboundCalls(min_calls=2)
    health.add(calls)
    for _ in range(3):
        by_requests(server.url)
    calls.uninstall()

    report = health.report()

    assert report.status is Status.WARN  # a third party is not critical unless the app says so
    [reading] = report.readings
    assert (reading.check.key, reading.status) == ("outbound:errorRate", Status.FAIL)
    assert reading.results[0].component_id == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"window": 0}, "OutboundCalls 'outbound': window: 0 leaves no calls to judge"),
        ({"throttled": "maybe"}, 'throttled \'maybe\' must be "warn", "error" or "ignore"'),
        ({"max_hosts": 101}, "max_hosts 101 is no whole number from 1 to 100"),
        ({"hosts": "api.stripe.com"}, "hosts and exclude are sets of names"),
        ({"per_host": {"a.com": {"fial": 1}}}, "OutboundCalls 'outbound': a.com: unknown 'fial'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OutboundCalls(**given)

    assert told in str(caught.value)
