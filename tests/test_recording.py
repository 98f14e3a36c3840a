"""The recording server itself: tests that rely on it need it to do what it says."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

import pytest

from tests.recording import Answer, RecordingServer, black_hole, refused_url


def call(url: str, path: str = "/x?rid=1", timeout: float = 5.0) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request("POST", path, body=b"hello")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_it_records_requests_and_answers_as_scripted() -> None:
    with RecordingServer(Answer(status=503, headers={"Retry-After": "3"})) as server:
        assert call(server.url) == (503, b"OK")
        assert call(server.url) == (200, b"OK")
        first = server.wait_for(2)[0]
    assert (first.method, first.path, first.query, first.body) == ("POST", "/x", {"rid": "1"}, b"hello")


@pytest.mark.parametrize("fault", ["reset", "hang", "drip"])
def test_its_faults_end_without_an_answer(fault: str) -> None:
    with RecordingServer(Answer(fault=fault)) as server:
        if fault == "drip":
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert raw.recv(100).startswith(b"HTTP/1.1 200")
        else:
            with pytest.raises((ConnectionResetError, TimeoutError)):
                call(server.url, timeout=0.3)


def test_the_black_hole_neither_accepts_nor_refuses() -> None:
    with black_hole() as url, pytest.raises(TimeoutError):
        call(url, timeout=0.3)


def test_a_refused_url_refuses() -> None:
    with pytest.raises(ConnectionRefusedError):
        call(refused_url())
