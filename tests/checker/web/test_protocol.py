"""Connections that drip, idle, flood or break the rules, against the real server with short deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from checker import server
from checker.web.ping import read_body
from checker.web.protocol import BoundedProtocol
from tests.waiting import wait_for


class Impatient(BoundedProtocol):
    """Deadlines that a test can wait for."""

    header_deadline = 0.4
    request_deadline = 1.5
    drain_deadline = 0.4
    connection_limit = 40


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer `/`, read and answer `/body`, or hang."""
    if scope["path"] == "/hang":
        await asyncio.sleep(60)
    body = b"ok"
    if scope["path"] == "/body":
        body = str(len((await read_body(scope, receive, 30))[0])).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Running:
    """The server in a thread of its own."""

    def __init__(self) -> None:
        self.sock = server.listen("127.0.0.1", 0)
        self.address = server.address(self.sock)
        self.server = server.server(app, Impatient)
        self.thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(self.server, self.sock)), daemon=True
        )

    def connect(self) -> socket.socket:
        """Return a raw connection."""
        return socket.create_connection((self.address.host, self.address.port), timeout=10)

    def ask(self, path: str = "/", body: bytes | None = None) -> tuple[int, bytes]:
        """Return status and body of a well-behaved request."""
        connection = http.client.HTTPConnection(self.address.host, self.address.port, timeout=10)
        try:
            connection.request("POST" if body else "GET", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.server.server_state.connections)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    found = Running()
    found.thread.start()
    wait_for(lambda: found.server.started, what="the server's start")
    yield found
    found.server.should_exit = True
    found.thread.join(10)
    assert not found.thread.is_alive()


def ended(connection: socket.socket) -> bool:
    """Whether the far side has closed."""
    connection.settimeout(5)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def read_answer(connection: socket.socket) -> bytes:
    """Read one whole answer."""
    found = b""
    while not found.endswith(b"ok"):
        found += connection.recv(1000)
    return found


def refuses(connection: socket.socket) -> bool:
    """Whether the far side takes no more bytes."""
    try:
        connection.send(b"x")
    except ConnectionError:
        return True
    return False


def test_a_connection_that_drips_headers_is_dropped_and_others_are_served(running: Running) -> None:
    drips = [running.connect() for _ in range(30)]
    end = time.monotonic() + 1.2
    open_still = list(drips)
    while open_still and time.monotonic() < end:
        for connection in list(open_still):
            try:
                connection.send(b"G")
            except OSError:
                open_still.remove(connection)
        assert running.ask() == (200, b"ok")
    wait_for(lambda: running.connections == 0, 3, "the drips' end")
    assert all(ended(connection) for connection in drips)
    for connection in drips:
        connection.close()


def test_an_idle_connection_that_never_asks_is_dropped(running: Running) -> None:
    with running.connect() as connection:
        assert ended(connection)


def test_a_second_request_that_drips_on_a_kept_connection_is_dropped(running: Running) -> None:
    with running.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(connection)
        connection.send(b"GET / HT")
        assert ended(connection)


def test_an_answer_that_does_not_come_ends_the_connection(running: Running) -> None:
    with running.connect() as connection:
        began = time.monotonic()
        connection.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended(connection)
        assert time.monotonic() - began < 4


def test_a_body_that_nobody_reads_is_not_listened_to_for_long(running: Running) -> None:
    with running.connect() as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        assert read_answer(connection)
        assert wait_for(lambda: refuses(connection), 5, "the end of the drain")


def test_requests_one_after_the_other_keep_their_connection_longer_than_any_deadline(
    running: Running,
) -> None:
    connection = http.client.HTTPConnection(running.address.host, running.address.port, timeout=10)
    connection.connect()
    own = connection.sock
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        connection.request("POST", "/", b"unread")
        assert connection.getresponse().read() == b"ok"
        time.sleep(0.1)
    assert connection.sock is own
    connection.close()


def test_pipelined_requests_are_all_answered(running: Running) -> None:
    with running.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 19 + b"GET / HTTP/1.0\r\n\r\n")
        answered = b""
        while chunk := connection.recv(65536):
            answered += chunk
        assert answered.count(b"200 OK") == 20


def test_a_pipelined_request_that_hangs_ends_the_connection_too(running: Running) -> None:
    with running.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(connection)
        assert ended(connection)


def test_a_body_in_many_small_chunks_is_no_long_header(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"1\r\nx\r\n" * 2_000)
        connection.sendall(b"0\r\n\r\n")
        found = b""
        while not found.endswith(b"40000"):
            found += connection.recv(1000)
        assert found.startswith(b"HTTP/1.1 200 ")


def test_headers_after_the_body_are_bounded_as_those_before_it(running: Running) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    answered = b""
    with running.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(head + (b"Trailer: " + b"a" * 1000 + b"\r\n") * 1000)
        while chunk := connection.recv(65536):
            answered += chunk
    assert b"200 OK" not in answered
    assert running.ask() == (200, b"ok")


@pytest.mark.parametrize(
    "bytes_",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20,
     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000],
)  # fmt: skip
def test_malformed_http_is_ended_and_hurts_nobody(running: Running, bytes_: bytes) -> None:
    with running.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(bytes_)
        assert ended(connection)
    assert running.ask() == (200, b"ok")


def test_more_connections_than_the_limit_push_out_idle_ones_and_requests_are_served(running: Running) -> None:
    idle = [running.connect() for _ in range(60)]
    assert running.ask() == (200, b"ok")
    wait_for(lambda: running.connections <= Impatient.connection_limit, 2, "room")
    for connection in idle:
        connection.close()


def test_a_hundred_megabytes_are_read_and_cut(running: Running) -> None:
    Impatient.request_deadline = 60.0
    try:
        assert running.ask("/body", b"x" * 100_000_000) == (200, b"100000")
    finally:
        Impatient.request_deadline = 1.5
