"""One HTTP exchange with requests, bounded in total time, in bytes and in redirects.

Requests' own timeout starts anew with every byte that drips in. So there is a deadline here as well: past it
the socket is shut, whatever the exchange is waiting for.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from healthkit.checks.unobserved import unobserved

CHUNK = 16_384

_here = threading.local()  # `.deadline` is that of the exchange this thread is in


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the text as far as it was read, and the seconds it took."""

    status: int
    text: str
    took: float


class Deadline:
    """Shuts the socket that an exchange waits on once its `limit` (seconds) is over; a context manager."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.is_over = False
        self._lock = threading.Lock()
        self._line: socket.socket | None = None

    def __enter__(self) -> Self:
        _here.deadline = self
        self._timer = threading.Timer(self.limit, self.pass_over)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _here.deadline = None
        self.close()

    def watch(self, connection: socket.socket) -> None:
        """Take a handle of our own on the socket in use, so that a reused number is never hit."""
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            old, self._line = self._line, line
            if self.is_over:
                _shut(line)
        if old is not None:
            old.close()

    def pass_over(self) -> None:
        """End the exchange, from any thread."""
        with self._lock:
            self.is_over = True
            if self._line is not None:
                _shut(self._line)

    def close(self) -> None:
        """Give up the handle; the socket itself stays open."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.close()


class OwnSession(requests.Session):
    """A session that takes no proxies and no .netrc from the environment, keeps no cookies, retries nothing.

    Headers in `private` go to no other host than the one they were given for.
    """

    def __init__(self, *, max_redirects: int, private: Mapping[str, str]) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = max_redirects
        self.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update({"User-Agent": "healthkit", "Accept-Encoding": "identity"})
        self._private = tuple(private)
        for scheme in ("http://", "https://"):
            self.mount(scheme, _WatchedAdapter())

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop what is not for a redirect's new host; requests by itself drops `Authorization` alone."""
        super().rebuild_auth(prepared_request, response)  # type: ignore[no-untyped-call]
        there = str(prepared_request.url)
        if self.should_strip_auth(str(response.request.url), there):  # type: ignore[no-untyped-call]
            for header in self._private:
                prepared_request.headers.pop(header, None)


def exchange(
    session: requests.Session, method: str, url: str, *, headers: Mapping[str, str], auth: Any,
    deadline: Deadline, max_body: int, clock: Callable[[], float],
) -> Answer:  # fmt: skip
    """Ask, and read at most `max_body` bytes, before the deadline.

    Raises what requests raises, and `requests.Timeout` past the deadline. With a session that is not an
    `OwnSession` the limit holds from the first byte of the body on; until then it is requests' own, a byte at
    a time.
    """
    began, body = clock(), bytearray()
    with deadline, unobserved():
        try:
            with session.request(
                method, url, headers=dict(headers), auth=auth, timeout=deadline.limit, stream=True
            ) as response:
                for part in response.iter_content(CHUNK):
                    body += part
                    if len(body) >= max_body or deadline.is_over:
                        break
        except (requests.RequestException, OSError):
            if not deadline.is_over:
                raise
    if deadline.is_over:
        raise requests.Timeout
    return Answer(response.status_code, _decoded(bytes(body[:max_body]), response.encoding), clock() - began)


class _Watched:
    """Shows the socket of a connection to the deadline: when it is opened, and when it is used again."""

    sock: Any

    def _new_conn(self) -> socket.socket:
        opened: socket.socket = super()._new_conn()  # type: ignore[misc]
        _show(opened)
        return opened

    def getresponse(self) -> Any:
        _show(self.sock)
        return super().getresponse()  # type: ignore[misc]


class _Http(_Watched, HTTPConnection):
    pass


class _Https(_Watched, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, **keywords)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


def _show(connection: Any) -> None:
    deadline: Deadline | None = getattr(_here, "deadline", None)
    if deadline is not None and connection is not None:
        deadline.watch(connection)


def _shut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _decoded(body: bytes, encoding: str | None) -> str:
    try:
        return body.decode(encoding or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
