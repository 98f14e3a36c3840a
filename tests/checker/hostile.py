"""A server that breaks the rules: it speaks raw bytes, so it can drip, lie, flood and hang up."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Behaviour = Callable[[socket.socket, threading.Event], None]


class HostileServer:
    """Reads a request's head, then does as `behaviour` does, each connection in a thread of its own."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._stopped = threading.Event()
        self._connections: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            head = b""
            while b"\r\n\r\n" not in head:
                received = connection.recv(65_536)
                if not received:
                    return
                head += received
            self._behaviour(connection, self._stopped)


def says(answer: bytes) -> Behaviour:
    """Answer these bytes and hang up."""
    return lambda connection, _: connection.sendall(answer)


def drip(connection: socket.socket, stopped: threading.Event) -> None:
    """Send a good head, then a byte of the body every 50 ms, without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not stopped.wait(0.05):
        connection.sendall(b"x")


def hang(connection: socket.socket, stopped: threading.Event) -> None:
    """Say nothing, and keep the connection open."""
    stopped.wait()


def flood(connection: socket.socket, stopped: threading.Event) -> None:
    """Send a body of a gigabyte."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1073741824\r\n\r\n")
    piece = b"x" * 1_048_576
    for _ in range(1024):
        connection.sendall(piece)


def endless_headers(connection: socket.socket, stopped: threading.Event) -> None:
    """Send header lines without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stopped.is_set():
        connection.sendall(b"X-More: and more and more\r\n" * 100)


def endless_trailers(connection: socket.socket, stopped: threading.Event) -> None:
    """Send a chunked body, then trailer lines without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
    while not stopped.is_set():
        connection.sendall(b"X-More: and more and more\r\n" * 100)


def gzip_bomb(connection: socket.socket, stopped: threading.Event) -> None:
    """Send a gigabyte of zeros in two layers of gzip, a few kB, though none was asked for."""
    body = gzip.compress(b"".join(gzip.compress(b"\0" * 1_048_576) for _ in range(1024)))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(body) + body)


def reset(connection: socket.socket, stopped: threading.Event) -> None:
    """Reset the connection instead of answering."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


partial = says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a bit")
not_http = says(b"SSH-2.0-OpenSSH_9.9\r\n")
silent = says(b"")
