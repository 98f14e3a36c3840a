"""Looks at what has no HTTP, and plain HTTP with conditions, on real servers of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from checker.http import Http
from checker.model import Cause, Kind, MonitorSpec, Poll, Verdict
from checker.probe import probe
from checker.probe_spec import ProbeSpec
from tests.recording import CERTIFICATE, Answer, RecordingServer, refused_url

AT = 1_800_000_000.0


def look(
    url: str, *, timeout: float = 20.0, ca_file: str | None = None, at: float = AT, **probing: Any
) -> Poll:
    spec = MonitorSpec(Kind.ENDPOINT, "it", url=url, timeout=timeout, probe=ProbeSpec(**probing))

    async def main() -> Poll:
        async with Http(ca_file=ca_file) as http:
            return await probe(http, spec, clock=lambda: at)

    return asyncio.run(main())


@contextlib.contextmanager
def speaker(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A TCP server on a free port that does `serve` with each connection; yields `host:port`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def greets(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.exa")
    connection.sendall(b"mple ESMTP\r\n")
    connection.recv(100)


def echoes(connection: socket.socket) -> None:
    connection.sendall(b"+" + connection.recv(100))
    connection.recv(100)


# HTTP


def test_a_plain_page_with_method_body_and_conditions() -> None:
    answer = Answer(
        201, b'{"state": "ready", "jobs": [1, 2]}', {"X-Build": "77", "Content-Type": "application/json"}
    )
    with RecordingServer(answer) as server:
        seen = look(
            server.url + "/jobs",
            method="POST",
            body='{"q": 1}',
            conditions=(
                "status == 201",
                "latency < 20s",
                "body.state == ready",
                "len(body.jobs) == 2",
                "header.x-build > 70",
            ),
        )
    assert (seen.verdict, seen.reason) == (Verdict.PASS, "")
    [received] = server.requests
    assert (received.method, received.body) == ("POST", b'{"q": 1}')


def test_a_condition_on_the_status_decides_which_one_is_right() -> None:
    with RecordingServer(default=Answer(404, b"nothing")) as server:
        assert look(server.url, conditions=("status == 404",)).verdict is Verdict.PASS
        seen = look(server.url, conditions=("status in 200-299",))
    assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.CONDITION)
    assert seen.reason == "status in 200-299: it is 404"


def test_without_a_document_the_body_means_nothing_by_itself() -> None:
    answer = Answer(200, b'{"status": "error"}', {"Content-Type": "application/json"})
    with RecordingServer(default=answer) as server:
        assert look(server.url).verdict is Verdict.FAIL
        assert look(server.url, document=False).verdict is Verdict.PASS


def test_a_redirect_is_an_answer_where_it_is_not_followed() -> None:
    with RecordingServer(default=Answer(302, headers={"Location": "/login"})) as server:
        seen = look(server.url, follow_redirects=False, conditions=("header.location == /login",))
    assert (seen.verdict, seen.http_status, len(server.requests)) == (Verdict.PASS, 302, 1)


def test_a_component_of_the_document_may_stand_in_a_condition() -> None:
    body = b'{"status": "pass", "checks": {"queue:depth": [{"status": "pass", "observedValue": 1200}]}}'
    with RecordingServer(default=Answer(200, body, {"Content-Type": "application/health+json"})) as server:
        seen = look(server.url, warn_conditions=('components."queue:depth".value < 1000',))
    assert seen.verdict is Verdict.WARN
    assert seen.reason == 'components."queue:depth".value < 1000: it is 1200'


def test_private_addresses_are_refused_where_only_public_ones_are_allowed_at_every_hop() -> None:
    with RecordingServer() as server:
        refused = look(server.url, allow_private=False)
        by_name = look(server.url.replace("127.0.0.1", "localhost"), allow_private=False)
        metadata = Answer(302, headers={"Location": "http://169.254.169.254/latest/meta-data"})
        server.then(metadata)
        redirected = look(server.url)
    assert len(server.requests) == 1
    for seen in (refused, by_name, redirected):
        assert (seen.verdict, seen.cause) == (Verdict.FAIL, Cause.UNREACHABLE)
        assert "was not asked" in seen.reason
    assert "private, loopback or reserved" in refused.reason
    assert "metadata" in redirected.reason


# TCP


def test_a_port_that_answers_passes_and_one_that_does_not_is_unreachable() -> None:
    with speaker(greets) as place:
        seen = look(f"tcp://{place}")
    assert (seen.verdict, seen.http_status) == (Verdict.PASS, None)
    assert seen.latency is not None
    gone = look(refused_url().replace("http", "tcp"))
    assert (gone.verdict, gone.cause) == (Verdict.FAIL, Cause.UNREACHABLE)
    assert gone.reason.startswith("connection refused by 127.0.0.1:")
    assert "no such host" in look("tcp://nowhere.invalid:25").reason


def test_what_is_said_on_a_connection_is_listened_to_until_the_conditions_hold() -> None:
    with speaker(greets) as place:
        assert look(f"tcp://{place}", conditions=('body contains "mple ESMTP"',)).verdict is Verdict.PASS
    with speaker(echoes) as place:
        assert (
            look(f"tcp://{place}", body="PING\r\n", conditions=("body == '+PING\r\n'",)).verdict
            is Verdict.PASS
        )
        wrong = look(f"tcp://{place}", body="PING", timeout=0.5, conditions=("body contains PONG",))
    assert (wrong.verdict, wrong.cause) == (Verdict.FAIL, Cause.CONDITION)
    assert wrong.reason == 'body contains PONG: it is "+PING"'


def test_a_flood_on_a_connection_is_bounded() -> None:
    def floods(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 65_536)

    with speaker(floods) as place:
        seen = look(f"tcp://{place}", conditions=("body contains PONG",))
    assert seen.cause is Cause.CONDITION


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
def test_the_address_guard_holds_for_every_kind(scheme: str) -> None:
    connections: list[socket.socket] = []
    with speaker(connections.append) as place:
        port = place.rpartition(":")[2]
        for url in (f"{scheme}://{place}", f"{scheme}://localhost:{port}"):
            seen = look(url, allow_private=False)
            assert seen.cause is Cause.UNREACHABLE
            assert "was not asked" in seen.reason
    assert not connections
    assert "metadata" in look(f"{scheme}://169.254.169.254:80").reason


# TLS


def test_a_certificate_tells_how_long_it_is_valid() -> None:
    with RecordingServer(tls=True) as server:
        place = server.url.replace("https", "tls").replace("127.0.0.1", "localhost")
        trusted = look(place, ca_file=str(CERTIFICATE), conditions=("certificate > 1d",))
        ending = look(place, ca_file=str(CERTIFICATE), at=4.94e9, warn_conditions=("certificate > 200d",))
        over = look(place, ca_file=str(CERTIFICATE), at=9e9, conditions=("certificate > 14d",))
        stranger = look(place)
        by_https = look(server.url, ca_file=str(CERTIFICATE), at=4.94e9, conditions=("certificate > 200d",))
    assert trusted.verdict is Verdict.PASS, trusted.reason
    assert (ending.verdict, ending.cause) == (Verdict.WARN, Cause.CONDITION)
    assert "certificate > 200d: it ends in" in ending.reason
    assert "it ended" in over.reason
    assert stranger.cause is Cause.UNREACHABLE
    assert "certificate of localhost" in stranger.reason
    assert by_https.cause is Cause.CONDITION


def test_a_port_that_speaks_no_tls_says_so_and_one_that_hangs_is_given_up() -> None:
    with speaker(greets) as place:
        assert look(f"tls://{place}").cause is Cause.UNREACHABLE

    def hangs(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    with speaker(hangs) as place:
        seen = look(f"tls://{place}", timeout=0.3)
    assert "gave no answer within 0.3 s" in seen.reason


# DNS


@contextlib.contextmanager
def name_server() -> Iterator[str]:
    """A name server that knows shop.example, refuses refused.example, and is silent about silent.example."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, sender = server.recvfrom(4096)
            if data == b"stop":
                return
            if reply := answer(dns.message.from_wire(data)):
                server.sendto(reply.to_wire(), sender)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.sendto(b"stop", server.getsockname())
    thread.join(10)
    server.close()


RECORDS = {
    "A": ("192.0.2.1", "192.0.2.2"),
    "MX": ("10 mail.shop.example.",),
    "TXT": ('"v=spf1 " "-all"',),
}


def answer(query: dns.message.Message) -> dns.message.Message | None:
    [question] = query.question
    name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    if name == "silent.example.":
        return None
    if name == "refused.example.":
        reply.set_rcode(dns.rcode.REFUSED)
    elif name != "shop.example.":
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif kind in RECORDS:
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *RECORDS[kind]))
    return reply


def test_a_name_is_asked_for_and_its_answers_are_compared() -> None:
    with name_server() as server:
        assert look("dns://shop.example", server=server).verdict is Verdict.PASS
        both = ("answers == 192.0.2.2, 192.0.2.1", "rcode == NOERROR", "latency < 20s")
        assert look("dns://shop.example", server=server, conditions=both).reason == ""
        mail = look("dns://shop.example", server=server, record="MX", conditions=("answers contains mail",))
        spf = look(
            "dns://shop.example", server=server, record="TXT", conditions=("answers == 'v=spf1 -all'",)
        )
        gone = look("dns://gone.example", server=server)
        wanted = look("dns://gone.example", server=server, conditions=("rcode == NXDOMAIN",))
        none = look("dns://shop.example", server=server, record="AAAA")
        refused = look("dns://refused.example", server=server)
        silent = look("dns://silent.example", server=server, timeout=0.4)
    assert mail.reason == "answers contains mail: it is 10 mail.shop.example"
    assert spf.verdict is Verdict.PASS, spf.reason
    assert gone.reason == "the name server answered NXDOMAIN about gone.example"
    assert gone.cause is Cause.HTTP
    assert wanted.verdict is Verdict.PASS
    assert none.reason == "shop.example has no AAAA record"
    assert refused.reason == "the name server answered REFUSED about refused.example"
    assert (silent.cause, "no answer" in silent.reason) == (Cause.UNREACHABLE, True)


def test_a_name_server_at_a_private_address_is_refused_where_only_public_ones_are_allowed() -> None:
    seen = look("dns://shop.example", server="127.0.0.1:5353", allow_private=False)
    assert "was not asked" in seen.reason
