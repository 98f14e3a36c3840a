"""One HTTP exchange with a deadline that holds, in the few lines of HTTP/1.1 that a ping needs.

`urllib.request` bounds each read and not the whole, so a server that drips a byte now and then would hold the
sender for ever; and importing `http.client` costs more than the ping. Proxies come from the environment, as
they do for curl (`https_proxy`, `no_proxy`, ...); certificates are always verified, with the system's
authorities or those named by `SSL_CERT_FILE`.
"""

from __future__ import annotations

import importlib
import os
import socket
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from healthkit import retry_after
from healthkit.pings import Request, Target, basic
from healthkit.proxies import proxies_set, proxy_of

if TYPE_CHECKING:
    import ssl

CONNECT_TIMEOUT = 5.0
MAX_HEAD = 32_768
MAX_KEPT_BODY = 8_192
MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 307, 308})
RETRY = frozenset({408, 425, 429})  # and every 5xx
GIVE_UP = 3600.0  # seconds for which one ping may be answered with 500


class Answer(NamedTuple):
    """What a server said: its status code, and how many seconds it asks to be left alone."""

    status: int
    retry_after: float | None = None
    location: str = ""


class Unreachable(Exception):
    """No answer came: refused, timed out, reset, no such host, wrong certificate. The text names no URL."""


def prepare(origin: str) -> None:
    """Import, in the caller's thread, whatever talking to an origin will need.

    A sender's thread must not import: a fork in the middle of an import leaves the child with a module that
    is locked for ever, and the child is the user's job.
    """
    if origin.startswith("https:"):
        importlib.import_module("ssl")
    if proxies_set(os.environ):
        importlib.import_module("urllib.request")


class Line:
    """The way to one origin (`scheme://host[:port]`); keeps its connection until `close`. For one thread."""

    def __init__(self, origin: str) -> None:
        self._origin = urlsplit(origin)
        self._socket: socket.socket | None = None
        self._greeting: Mapping[str, str] = {}  # headers for a proxy
        self._prefix = ""  # the origin again, where a proxy wants to read it

    def send(self, request: Request, timeout: float) -> Answer:
        """Return the answer to a request, redirects followed, within `timeout` seconds.

        Raises `Unreachable` when there is none.
        """
        deadline = time.monotonic() + timeout
        answer = self._exchange(request, deadline)
        where = self._origin.geturl() + request.target
        for _ in range(MAX_REDIRECTS):
            if answer.status not in REDIRECTS or not answer.location:
                break
            where = urljoin(where, answer.location)
            answer = _elsewhere(where, request, self._origin, deadline)
        return answer

    def close(self) -> None:
        """Let the connection go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: Request, deadline: float) -> Answer:
        reused = self._socket is not None
        try:
            return self._attempt(request, deadline)
        except ConnectionError as error:
            self.close()
            if (
                not reused
            ):  # a kept connection may have ended while nobody looked: that says nothing of the server
                raise Unreachable(_reason(error)) from None
        except (OSError, ValueError) as error:
            self.close()
            raise Unreachable(_reason(error)) from None
        return self._exchange(request, deadline)

    def _attempt(self, request: Request, deadline: float) -> Answer:
        sock = self._socket = self._socket or self._connect(deadline)
        headers = {"Host": self._origin.netloc, **self._greeting, **request.headers}
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        sock.settimeout(_left(deadline))
        sock.sendall(_head(request.method, self._prefix + request.target, headers) + (request.body or b""))
        status, fields, rest = _read_head(sock, deadline)
        if not _read_body(sock, deadline, fields, rest):
            self.close()
        wait = retry_after.seconds(fields.get("retry-after", ""), fields.get("date", ""), time.time())
        return Answer(status, wait, fields.get("location", ""))

    def _connect(self, deadline: float) -> socket.socket:
        proxy = proxy_of(self._origin)
        via = proxy or self._origin
        port = via.port or (443 if via.scheme == "https" else 80)
        address = _name(via), port
        sock = socket.create_connection(address, min(CONNECT_TIMEOUT, _left(deadline)))  # type: ignore[arg-type]
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy is not None:
                self._introduce(sock, proxy, deadline)
            if self._origin.scheme == "http":
                return sock
            sock.settimeout(_left(deadline))
            return _verifying().wrap_socket(
                sock, server_hostname=(self._origin.hostname or "").encode("ascii")
            )
        except BaseException:
            sock.close()
            raise

    def _introduce(self, sock: socket.socket, proxy: SplitResult, deadline: float) -> None:
        """Tell a proxy where to: in each request's first line for http, by a tunnel for https."""
        headers = {"Proxy-Authorization": basic(proxy)} if proxy.username is not None else {}
        if self._origin.scheme == "http":
            self._prefix, self._greeting = self._origin.geturl(), headers
            return
        where = f"{self._origin.netloc.rpartition('@')[2]}{'' if self._origin.port else ':443'}"
        sock.settimeout(_left(deadline))
        sock.sendall(_head("CONNECT", where, {"Host": where, **headers}))
        status, _, _ = _read_head(sock, deadline)
        if status != 200:
            raise ConnectionRefusedError(0, f"the proxy answers {status}")


def _name(where: SplitResult) -> bytes:
    """Return a host's name as bytes: given as text, the first use of it would import the IDNA codec."""
    return (where.hostname or "").encode("ascii")


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _read_head(sock: socket.socket, deadline: float) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (names in lower case) and what came behind them; interim answers are passed
    over.
    """
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            if len(data) > MAX_HEAD:
                raise ValueError("headers without end")
            data += _receive(sock, deadline)
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, status = first.partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError("not HTTP")
        if int(status[:3]) >= 200:
            pairs = (line.partition(":") for line in lines)
            return int(status[:3]), {name.strip().lower(): value.strip() for name, _, value in pairs}, data


def _read_body(sock: socket.socket, deadline: float, fields: Mapping[str, str], data: bytes) -> bool:
    """Read past a short body; return whether the connection can serve once more. Nobody reads what the body
    says.
    """
    length = fields.get("content-length", "")
    if (
        not length.isdecimal()
        or int(length) > MAX_KEPT_BODY
        or fields.get("connection", "").lower() == "close"
    ):
        return False
    left = int(length) - len(data)
    while left > 0:
        left -= len(_receive(sock, deadline))
    return left == 0


def _receive(sock: socket.socket, deadline: float) -> bytes:
    sock.settimeout(_left(deadline))
    data = sock.recv(16_384)
    if not data:
        raise ConnectionResetError(0, "closed without an answer")
    return data


def _elsewhere(where: str, request: Request, home: SplitResult, deadline: float) -> Answer:
    """Follow a redirect with the same method and body; never down from https, and no password leaves home."""
    parts = urlsplit(where)
    if parts.scheme not in ("http", "https") or (home.scheme == "https" and parts.scheme == "http"):
        raise Unreachable("redirected to an address that is not https")
    headers = dict(request.headers)
    if parts.netloc != home.netloc:
        headers.pop("Authorization", None)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    line = Line(f"{parts.scheme}://{parts.netloc}")
    try:
        return line._exchange(request._replace(target=target, headers=headers), deadline)
    finally:
        line.close()


@cache
def _verifying() -> ssl.SSLContext:
    import ssl  # slow to import, and not needed for http; `prepare` has done it

    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _reason(error: Exception) -> str:
    if refused := getattr(error, "verify_message", ""):
        return f"certificate refused: {refused}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no HTTP answer ({type(error).__name__})"


def worth_retrying(status: int, age: float = 0.0) -> bool:
    """Whether an answer says that the server is in trouble, and not that the ping is wrong.

    For a ping `age` seconds old a 500 may be either: after `GIVE_UP` the ping is blamed, for all that came
    after it is waiting behind it.
    """
    return status in RETRY or status > 500 or (status == 500 and age < GIVE_UP)


def refusal(target: Target, status: int) -> str:
    """Say why a server refused a ping, and what to do about it."""
    why = {
        404: "no such heartbeat there; check the key and the name in the URL",
        400: "it cannot read the URL; check its shape",
        401: "it wants credentials",
        403: "it forbids it",
        409: "more than one heartbeat has that name",
    }.get(status, "unexpected")
    return f"{target.shown} answered {status}: {why}"
