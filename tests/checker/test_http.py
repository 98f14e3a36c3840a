"""The HTTP client holds its limits against servers that break the rules, and says what went wrong."""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from checker.http import ErrorKind, Http, HttpError, Request, Response
from checker.http.addresses import refusal
from checker.http.resolver import Resolver
from checker.http.target import parse
from tests.checker import hostile
from tests.checker.hostile import HostileServer
from tests.recording import CERTIFICATE, Answer, RecordingServer, black_hole


def run(work: Callable[[Http], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """Run `work` with a client on a loop of its own."""

    async def main() -> Any:
        async with Http(**options) as http:
            return await work(http)

    return asyncio.run(main())


def get(request: Request, **options: Any) -> Response:
    response: Response = run(lambda http: http.request(request), **options)
    return response


def refused(request: Request, **options: Any) -> HttpError:
    with pytest.raises(HttpError) as caught:
        get(request, **options)
    return caught.value


# What a request is and what an answer tells.


def test_an_answer_comes_with_status_headers_body_and_phases() -> None:
    answer = Answer(503, b'{"status": "fail"}', {"Content-Type": "application/health+json; charset=utf-8"})
    with RecordingServer(answer) as server:
        response = get(Request(server.url + "/health?x=1", headers={"Authorization": "Bearer t0ken"}))
    assert (response.status, response.body) == (503, b'{"status": "fail"}')
    assert response.content_type == "application/health+json"
    assert response.address == "127.0.0.1"
    assert 0 < response.phases.connect <= response.latency < 10
    assert response.phases.first_byte > 0
    [received] = server.requests
    assert received.target == "/health?x=1"
    assert received.headers["authorization"] == "Bearer t0ken"
    assert received.headers["accept-encoding"] == "identity"
    assert "healthkit" in received.headers["user-agent"]


def test_a_body_is_posted_as_it_is_with_the_content_type_given_and_none_invented() -> None:
    with RecordingServer() as server:
        get(Request(server.url, "POST", body=b'{"a": 1}', headers={"Content-Type": "application/json"}))
        get(Request(server.url, "PUT", body=b"\x00\xff" * 2000))
        get(Request(server.url, "POST", body=b""))
    first, second, third = server.requests
    assert (first.method, first.body, first.headers["content-type"]) == (
        "POST",
        b'{"a": 1}',
        "application/json",
    )
    assert (second.method, second.body) == ("PUT", b"\x00\xff" * 2000)
    assert "content-type" not in second.headers
    assert "expect" not in second.headers
    assert (third.method, third.body) == ("POST", b"")


def test_a_reused_handle_keeps_nothing_of_the_request_before() -> None:
    with RecordingServer() as server:

        async def work(http: Http) -> None:
            secret = {"X-Api-Key": "s3cret"}
            await http.request(Request(server.url + "/1", "POST", body=b"hello", headers=secret))
            await http.request(Request(server.url + "/2", "HEAD"))
            await http.request(Request(server.url + "/3", "DELETE"))
            assert (await http.request(Request(server.url + "/4"))).body == b"OK"

        run(work)
    assert [(r.method, r.body) for r in server.requests] == [
        ("POST", b"hello"), ("HEAD", b""), ("DELETE", b""), ("GET", b""),
    ]  # fmt: skip
    assert all("x-api-key" not in request.headers for request in server.requests[1:])


def test_connections_are_reused_when_the_server_keeps_them() -> None:
    def keep_alive(connection: socket.socket, stopped: Any) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if not connection.recv(65_536):
                return

    with HostileServer(keep_alive) as server:

        async def work(http: Http) -> list[Response]:
            return [await http.request(Request(server.url)) for _ in range(3)]

        first, *others = run(work)
    assert first.phases.connect > 0
    assert [response.phases.connect for response in others] == [0, 0]


def test_names_are_looked_up_once_a_minute_and_localhost_works() -> None:
    with RecordingServer() as server:
        url = server.url.replace("127.0.0.1", "localhost")

        async def work(http: Http) -> list[Response]:
            return [await http.request(Request(url)) for _ in range(2)]

        first, second = run(work)
    assert first.status == 200
    assert first.phases.dns > 0
    assert second.phases.dns == 0


@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", {"X-A": "a\r\nX-B: b"}), ("GET", {"X-A\r\nX-B": "b"}), ("GET", {"X A": "b"}), ("GET\r\nX", {})],
)
def test_a_header_or_method_that_smuggles_another_is_refused_and_not_repeated(
    method: str, headers: dict[str, str]
) -> None:
    error = refused(Request("http://127.0.0.1:1/", method, headers))
    assert error.kind is ErrorKind.PROTOCOL
    assert "\n" not in error.reason


def test_a_url_with_user_blanks_around_and_letters_of_any_script_is_asked() -> None:
    with RecordingServer() as server:
        get(Request(f" {server.url.replace('//', '//me:pw@')}/größe?q=ü#part "))
    assert server.requests[0].target == "/gr%C3%B6%C3%9Fe?q=%C3%BC"
    assert server.requests[0].headers["authorization"] == "Basic bWU6cHc="


def test_an_empty_or_non_ascii_header_is_sent() -> None:
    with RecordingServer() as server:
        get(Request(server.url, headers={"X-Empty": "", "X-Name": "Zoë"}))
    assert server.requests[0].headers["x-empty"] == ""
    assert server.requests[0].headers["x-name"].encode("latin-1").decode() == "Zoë"


# Limits.


def test_the_total_timeout_holds_against_a_server_that_drips() -> None:
    with HostileServer(hostile.drip) as server:
        start = time.monotonic()
        error = refused(Request(server.url, timeout=0.5))
        assert time.monotonic() - start < 3
    assert error.kind is ErrorKind.TIMEOUT
    assert "was not complete within 0.5 s" in error.reason


def test_a_server_that_hangs_is_given_up_after_the_timeout() -> None:
    with HostileServer(hostile.hang) as server:
        error = refused(Request(server.url, timeout=0.3))
    assert error.kind is ErrorKind.TIMEOUT
    assert error.reason.startswith("no answer from 127.0.0.1:")
    assert error.reason.endswith("within 0.3 s")


def test_each_request_has_its_own_timeout_in_whatever_order_they_come() -> None:
    ended: set[float] = set()

    async def hang(http: Http, url: str, timeout: float) -> None:
        with pytest.raises(HttpError) as caught:
            await http.request(Request(url, timeout=timeout))
        assert caught.value.kind is ErrorKind.TIMEOUT
        ended.add(timeout)

    async def ask(http: Http) -> None:
        with RecordingServer() as quick, HostileServer(hostile.hang) as server:
            await http.request(Request(quick.url, timeout=5.0))  # its moment is put off by the next ones
            await asyncio.gather(*(hang(http, server.url, timeout) for timeout in (0.2, 1.5, 0.7)))
            long = asyncio.create_task(http.request(Request(server.url, timeout=600.0)))
            await asyncio.sleep(0)
            await hang(http, server.url, 0.3)  # sooner than what is under way
            long.cancel()

    run(ask)
    assert ended == {0.2, 0.7, 1.5, 0.3}


def test_headers_that_drip_and_a_port_that_swallows_connections_are_given_up_too() -> None:
    with RecordingServer(Answer(fault="drip")) as server:
        assert "within 0.3 s" in refused(Request(server.url, timeout=0.3)).reason
    with black_hole() as url:
        error = refused(Request(url, timeout=0.3))
    assert error.kind is ErrorKind.TIMEOUT
    assert error.reason.startswith("no connection to 127.0.0.1:")


def test_a_body_is_cut_at_the_limit_and_memory_stays_bounded() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with HostileServer(hostile.flood) as server:
        response = get(Request(server.url, max_bytes=100_000))
    assert response.status == 200
    assert response.truncated
    assert len(response.body) == 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_a_body_of_exactly_the_limit_is_not_called_cut() -> None:
    with RecordingServer(Answer(body=b"x" * 1000)) as server:
        response = get(Request(server.url, max_bytes=1000))
    assert (len(response.body), response.truncated) == (1000, False)


@pytest.mark.parametrize("behaviour", [hostile.endless_headers, hostile.endless_trailers])
def test_header_bytes_are_bounded(behaviour: hostile.Behaviour) -> None:
    with HostileServer(behaviour) as server:
        error = refused(Request(server.url, timeout=5))
    assert error.kind is ErrorKind.TOO_LARGE
    assert "headers" in error.reason


def test_a_gzip_bomb_is_not_unpacked() -> None:
    with HostileServer(hostile.gzip_bomb) as server:
        response = get(Request(server.url, timeout=30))
    assert response.status == 200
    assert response.body == b""
    assert "gzip" in response.unread


# What goes wrong on the way.


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (hostile.reset, ErrorKind.RESET, "cut the connection"),
        (hostile.silent, ErrorKind.RESET, "closed the connection without an answer"),
        (hostile.partial, ErrorKind.RESET, "before the answer was complete"),
        (hostile.not_http, ErrorKind.PROTOCOL, "did not answer as HTTP"),
    ],
)
def test_a_broken_answer_is_told_in_plain_words(
    behaviour: hostile.Behaviour, kind: ErrorKind, words: str
) -> None:
    with HostileServer(behaviour) as server:
        error = refused(Request(server.url + "/secret-path?token=secret"))
    assert error.kind is kind
    assert words in error.reason
    assert "secret" not in error.reason


def test_a_closed_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(Request(f"http://127.0.0.1:{port}/"))
    assert (error.kind, error.reason) == (ErrorKind.REFUSED, f"connection refused by 127.0.0.1:{port}")


def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    error = refused(Request("http://no-such-host.invalid/"))
    assert error.kind is ErrorKind.DNS
    assert "no-such-host.invalid" in error.reason


def test_a_lookup_that_hangs_delays_neither_the_others_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> Any:
        if host.endswith(".black-hole.test"):
            time.sleep(3)  # stands for name servers that do not answer
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with RecordingServer() as server:

        async def work(http: Http) -> list[Any]:
            dead = [Request(f"http://h{n}.black-hole.test/", timeout=0.3) for n in range(60)]
            alive = Request(server.url.replace("127.0.0.1", "localhost"), timeout=0.3)
            return await asyncio.gather(*map(http.request, [*dead, alive]), return_exceptions=True)

        start = time.monotonic()
        *dead, alive = run(work)
        assert time.monotonic() - start < 2
    assert {error.kind for error in dead} == {ErrorKind.TIMEOUT}
    assert "name servers" in dead[0].reason
    assert alive.status == 200


def test_more_new_names_than_threads_wait_in_line_and_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asking: set[str] = set()
    most = 0

    def getaddrinfo(host: str, *_rest: Any, **_named: Any) -> Any:
        nonlocal most
        asking.add(host)
        most = max(most, len(asking))
        time.sleep(0.001)
        asking.discard(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    async def ask() -> list[tuple[str, ...]]:
        resolver = Resolver(at_once=4)
        names = [f"e{n}.test" for n in range(200)]
        found = await asyncio.gather(*(resolver.resolve(name, 30.0) for name in names))
        ends = {end for end, _ in resolver._known.values()}
        assert max(ends) - min(ends) > 20  # asked for again at different moments
        return found

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert asyncio.run(ask()) == [("192.0.2.1",)] * 200
    assert most <= 4


def test_a_name_in_line_behind_hanging_ones_is_given_up_in_its_own_time_and_found_once_they_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def getaddrinfo(host: str, *_rest: Any, **_named: Any) -> Any:
        if host.startswith("dead"):
            assert released.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    async def ask() -> None:
        resolver = Resolver(at_once=2)
        dead = [asyncio.create_task(resolver.resolve(f"dead{n}.test", 30.0)) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(HttpError, match="within the timeout"):
            await resolver.resolve("live.test", 0.05)
        released.set()
        assert await resolver.resolve("live.test", 30.0) == ("192.0.2.1",)
        ended = await asyncio.gather(*dead, return_exceptions=True)
        assert all(isinstance(each, HttpError) and each.kind is ErrorKind.DNS for each in ended)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    asyncio.run(ask())


@pytest.mark.parametrize(
    "url", ["ftp://x/", "file:///etc/passwd", "http://", "http://a b/", "http://x:99999/", "x"]
)
def test_only_http_urls_that_can_be_read_are_asked(url: str) -> None:
    assert refused(Request(url)).kind is ErrorKind.PROTOCOL


def test_a_cancelled_request_is_taken_back_and_the_client_works_on() -> None:
    with HostileServer(hostile.hang) as hanging, RecordingServer() as server:

        async def work(http: Http) -> Response:
            tasks = [asyncio.create_task(http.request(Request(hanging.url))) for _ in range(20)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            response = await http.request(Request(server.url))
            assert not http.in_flight
            return response

        assert run(work).status == 200
    gc.collect()


# TLS.


def test_a_certificate_nobody_trusts_is_a_tls_error() -> None:
    with RecordingServer(tls=True) as server:
        error = refused(Request(server.url))
    assert error.kind is ErrorKind.TLS
    assert "self-signed" in error.reason


def test_the_certificates_end_is_told_also_on_a_reused_connection() -> None:
    with RecordingServer(tls=True) as server:

        async def work(http: Http) -> list[Response]:
            return [await http.request(Request(server.url)) for _ in range(2)]

        first, second = run(work, ca_file=str(CERTIFICATE))
    decoded = ssl._ssl._test_decode_cert(str(CERTIFICATE))  # type: ignore[attr-defined]
    assert first.certificate_expires == ssl.cert_time_to_seconds(decoded["notAfter"])
    assert second.certificate_expires == first.certificate_expires
    assert first.phases.tls > 0


def test_plain_http_on_a_tls_port_and_the_reverse_are_told() -> None:
    with RecordingServer() as server:
        error = refused(Request(server.url.replace("http:", "https:"), timeout=5))
    assert error.kind is ErrorKind.TLS
    assert "does not speak TLS" in error.reason


# Redirects.


def test_redirects_are_followed_to_the_end_and_counted() -> None:
    answers = Answer(302, headers={"Location": "/b"}), Answer(307, headers={"Location": "c?x=1"}), Answer(200)
    with RecordingServer(*answers) as server:
        response = get(Request(server.url + "/a", headers={"Authorization": "Bearer t"}))
    assert (response.status, response.redirects) == (200, 2)
    assert response.url == server.url + "/c?x=1"
    assert [request.target for request in server.requests] == ["/a", "/b", "/c?x=1"]
    assert all(request.headers["authorization"] == "Bearer t" for request in server.requests)


def test_a_redirect_loop_ends() -> None:
    with RecordingServer(default=Answer(302, headers={"Location": "/again"})) as server:
        error = refused(Request(server.url, max_redirects=3))
    assert error.kind is ErrorKind.TOO_MANY_REDIRECTS
    assert len(server.requests) == 4


def test_the_timeout_covers_all_redirects_together() -> None:
    slow = Answer(302, headers={"Location": "/again"}, delay=0.3)
    with RecordingServer(default=slow) as server:
        start = time.monotonic()
        error = refused(Request(server.url, max_redirects=50, timeout=0.7))
        assert time.monotonic() - start < 3
    assert error.kind is ErrorKind.TIMEOUT


def test_credentials_stay_with_the_origin_they_were_meant_for() -> None:
    with RecordingServer() as other:
        with RecordingServer(Answer(302, headers={"Location": other.url + "/x"})) as server:
            secrets = {"Authorization": "Bearer t", "X-Api-Key": "k", "Cookie": "c=1"}
            assert get(Request(server.url, headers=secrets)).status == 200
        [received] = other.requests
    assert not {"authorization", "x-api-key", "cookie"} & set(received.headers)


def test_a_body_is_not_sent_on_to_another_origin() -> None:
    with RecordingServer() as other:
        with RecordingServer(Answer(307, headers={"Location": other.url})) as server:
            error = refused(Request(server.url, "POST", body=b"secret"))
        assert not other.requests
    assert error.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://["])
def test_a_redirect_out_of_http_is_not_followed(location: str) -> None:
    with RecordingServer(Answer(302, headers={"Location": location})) as server:
        assert refused(Request(server.url)).kind is ErrorKind.PROTOCOL


def test_without_redirects_allowed_a_redirect_is_an_answer() -> None:
    with RecordingServer(Answer(302, headers={"Location": "/x"})) as server:
        assert get(Request(server.url, max_redirects=0)).status == 302


# Addresses.


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254",
     "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254"],
)  # fmt: skip
def test_metadata_addresses_are_refused_even_where_private_ones_are_allowed(address: str) -> None:
    assert "metadata" in refusal(address, allow_private=True)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255",
     "240.0.0.1", "::1", "::", "fc00::1", "fe80::1%eth0", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
     "2002:a00:1::", "::127.0.0.1", "198.18.0.1", "not an address"],
)  # fmt: skip
def test_private_addresses_in_any_dress_are_refused_under_the_guard(address: str) -> None:
    assert refusal(address, allow_private=False)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert refusal(address, allow_private=False) == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_the_guard_judges_the_address_that_is_connected_to_not_the_name(host: str) -> None:
    with RecordingServer() as server:
        error = refused(Request(server.url.replace("127.0.0.1", host), allow_private=False))
        assert not server.requests
    assert error.kind is ErrorKind.ADDRESS


def test_the_guard_holds_at_a_redirect() -> None:
    with RecordingServer(Answer(302, headers={"Location": "http://169.254.169.254/latest/"})) as server:
        error = refused(Request(server.url))
    assert error.kind is ErrorKind.ADDRESS
    assert "metadata" in error.reason


def test_an_open_connection_of_an_unguarded_request_is_not_lent_to_a_guarded_one() -> None:
    with RecordingServer() as server:

        async def work(http: Http) -> None:
            await http.request(Request(server.url))
            with pytest.raises(HttpError):
                await http.request(Request(server.url, allow_private=False))

        run(work)
        assert len(server.requests) == 1


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordingServer(default=Answer(418)) as proxy, RecordingServer() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert get(Request(server.url)).status == 200
        assert not proxy.requests
        assert get(Request("http://shop.example/health"), proxy=proxy.url).status == 418


def test_nothing_secret_is_in_a_repr() -> None:
    request = Request(
        "https://u:pw@h/services/T0/SECRET", headers={"Authorization": "SECRET"}, body=b"SECRET"
    )
    response = Response(200, {}, b"SECRET", url=request.url)
    assert "SECRET" not in repr(request) + repr(response)
    assert parse(request.url).place == "h"
