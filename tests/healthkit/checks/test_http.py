"""`ThirdPartyAPI` against real local servers: each bad answer gives its reason, in time, with no secret."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from examples.servers import free_port
from healthkit.checks.http import MAX_BODY, ThirdPartyAPI
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.status import Status
from tests.healthkit.checks.scripted import Script, Scripted, answer
from tests.healthkit.checks.support import (
    SECRET,
    SECRET_IN_URL,
    Watched,
    assert_no_secret,
    black_hole,
    mute_listener,
)
from tests.waiting import wait_for

# The check's own words; on a loaded machine the engine's may come first.
LATE = ("timed out: no answer within the limit", "no answer within 1 s")


@pytest.fixture
def server() -> Iterator[Scripted]:
    """The third party, answering 200 until a test says otherwise."""
    with Scripted() as made:
        yield made


@pytest.fixture
def ask(server: Scripted) -> Iterator[Callable[..., Watched]]:
    """Register a check on the server (or another URL); its connections are closed at the end."""
    sessions: list[requests.Session] = []

    def register(url: str = "", **options: Any) -> Watched:
        session = options.pop("session", None)
        probe = ThirdPartyAPI("stripe", url or server.url(), session=session, **options)
        original = probe._session

        def kept() -> requests.Session:
            sessions.append(original())
            return sessions[-1]

        probe._session = kept  # type: ignore[method-assign]
        return Watched(probe)

    yield register
    for session in sessions:
        session.close()


Ask = Callable[..., Watched]


def test_a_good_answer_passes_with_its_latency(ask: Ask, server: Scripted) -> None:
    reading = ask()()
    assert reading.status is Status.PASS
    assert reading.check.key == "stripe:responseTime"
    assert reading.unit == "ms"
    assert 0 < reading.value < 5000
    assert dict(reading.details) == {"status_code": 200}
    assert reading.check.identity == "http:127.0.0.1"
    assert server.requests[0].startswith("GET /health HTTP/1.1\r\n")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Down", "404 Not Found", "401 No"])
def test_a_bad_status_fails_and_a_good_one_again_passes(ask: Ask, server: Scripted, status: str) -> None:
    watched = ask()
    server.script = answer(status)
    assert watched.reason() == f"status {status[:3]}: expected 200 to 399"
    server.script = answer()
    assert watched.passes()


@pytest.mark.parametrize(("expected", "reason"), [
    (204, "status 200: expected 204"),
    ({204, 404}, "status 200: expected 204 or 404"),
    (range(400, 500), "status 200: expected 400 to 499"),
    ([200], ""),
])  # fmt: skip
def test_the_expected_status_may_be_said(ask: Ask, expected: Any, reason: str) -> None:
    assert ask(expect_status=expected)().output == reason


def test_method_headers_and_auth_are_sent(ask: Ask, server: Scripted) -> None:
    assert ask(method="head", headers={"X-Api-Key": "k"}, auth=("user", "word")).passes()
    head = server.requests[0]
    assert head.startswith("HEAD ")
    assert "X-Api-Key: k\r\n" in head
    assert "Authorization: Basic dXNlcjp3b3Jk\r\n" in head


@pytest.mark.parametrize("rule", ["fine", re.compile(r"^f\w+e$"), lambda body: body == "fine"])
def test_a_body_that_keeps_the_rule_passes(ask: Ask, rule: Any) -> None:
    assert ask(expect_body=rule).passes()


def fails(body: Any) -> bool:
    """Meet a body it was not made for."""
    return bool(body["status"]["indicator"] == SECRET)


def says_so(_body: Any) -> bool:
    """Tell by itself what is wrong."""
    raise Fail("payments are switched off")


@pytest.mark.parametrize(("rule", "reason"), [
    ("operational", "body: the expected text is not in it"),
    (re.compile("operational"), "body: the expected pattern is not found in it"),
    (lambda body: False, "body: the rule for it says no"),
    (fails, "body: the rule for it failed with TypeError"),
    (says_so, "payments are switched off"),
])  # fmt: skip
def test_a_body_that_breaks_the_rule_fails_unquoted(
    ask: Ask, server: Scripted, rule: Any, reason: str
) -> None:
    server.script = answer("200 OK", f'"{SECRET}"'.encode())
    reading = ask(expect_body=rule)()
    assert reading.status is Status.FAIL
    assert reading.output == reason
    assert SECRET not in repr(reading)


def test_a_rule_gets_parsed_json_and_may_warn(ask: Ask, server: Scripted) -> None:
    def rule(body: Any) -> bool:
        if body["indicator"] == "minor":
            raise Warn("a minor incident is open")
        return bool(body["indicator"] == "none")

    watched = ask(expect_body=rule)
    server.script = answer("200 OK", b'{"indicator": "none"}')
    assert watched.passes()
    server.script = answer("200 OK", b'{"indicator": "minor"}')
    assert (watched().status, watched().output) == (Status.WARN, "a minor incident is open")


def slow(seconds: float) -> Script:
    """Return a script that answers after a while."""

    def script(connection: socket.socket, _request: str) -> None:
        time.sleep(seconds)  # this is the fault itself, not a wait for something
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    return script


def test_latency_warns_and_fails_by_its_limits(ask: Ask, server: Scripted) -> None:
    server.script = slow(0.06)
    reading = ask(warn_latency="50ms")()
    assert reading.status is Status.WARN
    assert reading.output.startswith("latency: the answer took 0.")
    assert reading.output.endswith("(warning from 0.05 s)")
    assert ask(warn_latency=0.01, fail_latency="50ms").reason().endswith("(limit 0.05 s)")
    assert ask(fail_latency=5).passes()


def drip(server: Scripted, start: bytes) -> Script:
    """Return a script that sends a byte now and then, for ever."""

    def script(connection: socket.socket, _request: str) -> None:
        connection.sendall(start)
        while not server.over.wait(0.02):
            connection.sendall(b"x")

    return script


@pytest.mark.parametrize("start", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTT",
])  # fmt: skip
def test_an_answer_that_drips_is_timed_out_in_all(ask: Ask, server: Scripted, start: bytes) -> None:
    server.script = drip(server, start)
    watched = ask(timeout=1)
    assert watched.reason().startswith(LATE)
    server.script = answer()
    wait_for(watched.passes, what="recovery")


@pytest.mark.parametrize("hole", [black_hole, mute_listener])
def test_an_address_that_never_answers_is_timed_out(ask: Ask, hole: Any) -> None:
    with hole() as port:
        watched = ask(f"http://127.0.0.1:{port}/", timeout=1)
        assert watched.reason().startswith(LATE)


def test_abort_ends_a_hung_run_from_another_thread(server: Scripted) -> None:
    server.script = lambda *_: server.over.wait(30)
    probe = ThirdPartyAPI("stripe", server.url(), timeout=30)
    failures: list[str] = []

    def run() -> None:
        with pytest.raises(Fail) as caught:
            probe()
        failures.append(str(caught.value))
        probe.close()

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: server.requests, what="the request")
    probe.abort()
    thread.join(5)
    assert failures == ["timed out: no answer within the limit"]


def test_a_huge_body_is_read_to_its_bound_only(ask: Ask, server: Scripted) -> None:
    sent = 0

    def script(connection: socket.socket, _request: str) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while sent < 1_000_000_000:
            sent += connection.send(b"x" * 65536)

    server.script = script
    assert ask(expect_body=lambda text: len(text) == MAX_BODY).passes()
    assert sent < 50_000_000


def test_a_compressed_bomb_is_read_to_its_bound_only(ask: Ask, server: Scripted) -> None:
    server.script = answer("200 OK", gzip.compress(b"x" * 100_000_000), "Content-Encoding: gzip")
    assert ask(expect_body=lambda text: len(text) == MAX_BODY).passes()
    assert "Accept-Encoding: identity\r\n" in server.requests[0]


def test_redirects_are_followed_and_bounded(ask: Ask, server: Scripted) -> None:
    def script(connection: socket.socket, request: str) -> None:
        if "/moved" in request:
            answer()(connection, request)
        else:
            answer("302 Found", b"", "Location: /moved")(connection, request)

    server.script = script
    assert ask(expect_body="fine").passes()
    server.script = answer("302 Found", b"", "Location: /again")
    before = len(server.requests)
    assert ask(max_redirects=3).reason() == "redirects: the answer leads from address to address without end"
    assert len(server.requests) - before == 4


def test_a_redirect_to_another_host_gets_no_key(ask: Ask, server: Scripted) -> None:
    with Scripted() as other:
        server.script = answer("302 Found", b"", f"Location: http://localhost:{other.port}/")
        assert ask(headers={"X-Api-Key": SECRET_IN_URL}, auth=("user", SECRET_IN_URL)).passes()
        assert SECRET_IN_URL in server.requests[0]
        assert SECRET_IN_URL not in other.requests[0]
        assert "Authorization" not in other.requests[0]


def test_a_redirect_to_nonsense_fails(ask: Ask, server: Scripted) -> None:
    server.script = answer("302 Found", b"", "Location: gopher://nowhere/")
    assert ask().reason() == "redirects: the answer leads to an address that is none"


def test_a_refused_port_is_unreachable_and_shows_no_secret(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    reading = ask(f"http://user:{SECRET_IN_URL}@127.0.0.1:{free_port()}/?key={SECRET_IN_URL}")()
    assert reading.output == "unreachable: connection refused"
    assert_no_secret(reading, caplog)


def test_an_unknown_host_is_unreachable(ask: Ask) -> None:
    assert (
        ask("https://no-such-host.invalid/", timeout=20).reason() == "unreachable: the host name is not known"
    )


def test_a_server_that_speaks_no_tls_is_told(ask: Ask, server: Scripted) -> None:
    server.greeting = b"220 plain words\r\n"
    reason = ask(server.url().replace("http:", "https:")).reason()
    assert reason == "TLS: the certificate or the handshake was refused"


def test_a_connection_cut_halfway_is_lost(ask: Ask, server: Scripted) -> None:
    def script(connection: socket.socket, _request: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_RDWR)

    server.script = script
    assert ask().reason() == "unreachable: the connection was lost"


def test_rubbish_instead_of_http_fails(ask: Ask, server: Scripted) -> None:
    server.script = lambda connection, _: connection.sendall(b"\x00\xff rubbish\r\n\r\n")
    assert ask().reason() == "unreachable: the connection was lost"


def test_proxies_of_the_environment_are_not_used(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert ask().passes()


def test_cookies_are_not_kept(ask: Ask, server: Scripted) -> None:
    server.script = answer("200 OK", b"fine", "Set-Cookie: session=1")
    watched = ask()
    assert watched.passes()
    assert watched.passes()
    assert "Cookie" not in server.requests[1]


def test_a_session_of_ones_own_is_used(ask: Ask, server: Scripted) -> None:
    with requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        assert ask(session=session).passes()
    assert "X-Mine: yes\r\n" in server.requests[0]


@pytest.mark.parametrize(("options", "words"), [
    ({"url": f"ftp://u:{SECRET}@host/"}, "url is not one"),
    ({"url": f"https://:{SECRET}@/"}, "url is not one"),
    ({"url": f"http://host:{SECRET}/"}, "url is not one"),
    ({"expect_status": 42}, "not a status"),
    ({"expect_status": []}, "not a status"),
    ({"expect_body": 42}, "expect_body is a int"),
    ({"expect_body": re.compile(b"x")}, "of bytes"),
    ({"timeout": "soon"}, "not a duration"),
    ({"timeout": 0}, "leaves no time"),
    ({"warn_latency": 2, "fail_latency": 1}, "is above"),
])  # fmt: skip
def test_nonsense_options_are_refused_at_start(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        ThirdPartyAPI("stripe", **{"url": "https://api.example/", **options})
    assert SECRET not in str(caught.value)


class Answered:
    """An answer of some client library."""

    def __init__(self, status_code: int, text: str = "") -> None:
        self.status_code, self.text = status_code, text


class ClientError(Exception):
    """What some client library raises; its text holds a secret."""

    def __init__(self, **known: Any) -> None:
        super().__init__(f"Bearer {SECRET}")
        vars(self).update(known)


def raising(error: Exception) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "options", "told"),
    [
        (lambda: {"balance": 12}, {}, ""),
        (lambda: None, {}, ""),
        (lambda: Answered(204), {}, ""),
        (lambda: {"balance": 12}, {"expect_body": lambda said: said["balance"] > 5}, ""),
        (lambda: "all is well", {"expect_body": "well"}, ""),
        (lambda: False, {}, "the call returned False"),
        (lambda: Answered(500), {}, "status 500: expected 200 to 399"),
        (lambda: Answered(200, "{}"), {"expect_body": "ok"}, "body: the expected text is not in it"),
        (
            lambda: {"balance": 2},
            {"expect_body": lambda said: said["balance"] > 5},
            "body: the rule for it says no",
        ),
        (lambda: time.sleep(0.05), {"fail_latency": 0.01}, "latency: the answer took "),
        (raising(ClientError(http_status=503)), {}, "status 503: the call raised ClientError"),
        (raising(ClientError(response=Answered(429))), {}, "status 429: the call raised ClientError"),
        (raising(ConnectionRefusedError(111, "x")), {}, "unreachable: connection refused"),
        (raising(TimeoutError()), {}, "timed out"),
        (raising(Fail("no money left")), {}, "no money left"),
        (raising(ClientError()), {}, "ClientError"),
    ],
)
def test_a_call_of_a_client_library_is_judged_as_an_answer_is(
    call: Callable[[], Any], options: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    reading = Watched(ThirdPartyAPI("twilio", call, **options))()
    assert (reading.output[: len(told)], reading.status) == (told, Status.FAIL if told else Status.PASS)
    assert_no_secret(reading, caplog)


def test_a_call_that_has_to_be_awaited_is_refused_and_says_what_to_do() -> None:
    async def fetch() -> None: ...

    with pytest.raises(ConfigurationError, match="the call is async; register it by itself"):
        ThirdPartyAPI("twilio", fetch)


def test_a_call_that_hangs_is_over_its_timeout() -> None:
    released = threading.Event()
    reading = Watched(ThirdPartyAPI("twilio", lambda: released.wait(60)), timeout=0.3)()
    released.set()
    assert reading.output.startswith("no answer within 0.3 s")
