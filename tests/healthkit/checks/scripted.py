"""A local HTTP server whose every answer, byte by byte, is the test's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Script = Callable[[socket.socket, str], object]


class Scripted:
    """Takes connections on a free port and lets `script(connection, request head)` answer each request."""

    def __init__(self, script: Script | None = None) -> None:
        self.script: Script = script or answer()
        self.greeting = b""  # sent as soon as somebody connects
        self.requests: list[str] = []
        self.over = threading.Event()  # set at the end: scripts that wait, wait on this

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(10)

    def url(self, path: str = "/health") -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(self.greeting)
            connection.settimeout(0.05)
            head = b""
            while not self.over.is_set():
                try:
                    part = connection.recv(65536)
                except TimeoutError:
                    continue
                if not part:
                    return
                head += part
                if b"\r\n\r\n" in head:
                    connection.settimeout(10)
                    self.requests.append(head.decode("latin-1"))
                    self.script(connection, self.requests[-1])
                    connection.settimeout(0.05)
                    head = b""


def answer(status: str = "200 OK", body: bytes = b"fine", *headers: str) -> Script:
    """Return a script that gives one plain answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda connection, _: connection.sendall("\r\n".join(lines).encode() + body)
