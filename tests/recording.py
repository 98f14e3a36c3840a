"""A real HTTP server for tests: it records what it receives and answers as it was told, faults included."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.waiting import wait_for

CERTIFICATE = Path(__file__).with_name(
    "localhost.pem"
)  # self-signed for localhost and 127.0.0.1; trusted by nobody


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived. `target` is path and query as sent; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float  # epoch seconds

    @property
    def path(self) -> str:
        """The path alone."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's last value of each name."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def json(self) -> Any:
        """The body parsed as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer. `delay` in seconds before the first byte.

    `fault`: "" none; "reset": the body is read, then the connection is reset; "hang": the body is read, and
    nothing is ever answered; "drip": one byte of the header each 0.1 s, without end.
    """

    status: int = 200
    body: bytes = b"OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    fault: str = ""


class RecordingServer:
    """A server on a free port of 127.0.0.1; a context manager.

    Each request takes the next of the scripted `answers`, and `default` when there is none left.
    """

    def __init__(
        self, *answers: Answer, default: Answer | None = None, tls: bool = False, port: int = 0
    ) -> None:
        self.script: deque[Answer] = deque(answers)
        self.default = default or Answer()
        self.requests: list[Received] = []
        self.released = threading.Event()  # ends hanging and dripping answers
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.owner = self
        self._scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self._server.tls = context
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its base URL, without a trailing slash."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def then(self, *answers: Answer) -> None:
        """Append answers to the script."""
        self.script.extend(answers)

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Received]:
        """Return the requests once there are at least `count`; fail after `timeout` seconds."""
        wait_for(lambda: len(self.requests) >= count, timeout, f"{count} requests (of {self.requests!r})")
        return list(self.requests)

    def paths(self) -> list[str]:
        """The paths received so far, in order of arrival."""
        return [request.path for request in self.requests]

    def start(self) -> Self:
        """Begin to answer; until then connections wait in the backlog."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every hanging answer and close the port; connecting is refused from then on."""
        self.released.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    owner: RecordingServer
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request.settimeout(5)
            request = self.tls.wrap_socket(request, server_side=True)
        with contextlib.ExitStack() as stack:
            if self.tls is not None:
                stack.callback(request.close)
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away or refuses the certificate is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        owner = self.server.owner
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = owner.script.popleft() if owner.script else owner.default
        owner.requests.append(Received(self.command, self.path, headers, body, time.time()))
        if answer.delay:
            owner.released.wait(answer.delay)
        if answer.fault:
            self._misbehave(answer.fault)
        else:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_HEAD = do_PATCH = do_DELETE = _answer

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _misbehave(self, fault: str) -> None:
        self.close_connection = True
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "hang":
            self.server.owner.released.wait()
        elif fault == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not self.server.owner.released.wait(0.1):
                self.wfile.write(b".")
        else:
            raise ValueError(f"unknown fault {fault!r}")

    def log_message(self, *args: Any) -> None:
        """Keep the test's output quiet."""


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Yield the base URL of a port that swallows connections: a connect neither succeeds nor is refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):  # fill the backlog; what comes after gets no answer to its SYN
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def refused_url() -> str:
    """Return the base URL of a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
