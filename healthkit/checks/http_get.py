"""One HTTP request over the standard library, proxies and redirects included, that another thread can end."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from healthkit.checks.reasons import LOST, network_reason
from healthkit.checks.unobserved import unobserved
from healthkit.errors import ConfigurationError, Fail

SOCKET_TIMEOUT = (
    10.0  # seconds without a byte; the check's own timeout ends a call that drips, through `abort`
)
MAX_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes


class Fetcher:
    """Asks one server; `abort` shuts the socket of the request under way, which ends at once."""

    def __init__(self, url: str, what: str, *, ca_file: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{what}: the url must begin with http:// or https:// and name a host")
        self._url = url
        self._socket: socket.socket | None = None
        self._opener = urllib.request.build_opener(_HTTP(self), _HTTPS(self, ca_file))

    def fetch(self, method: str = "GET", headers: Mapping[str, str] | None = None) -> Page:
        """Return the answer, whatever its status. Raises `Fail` with the class of reason if there is none."""
        given = {"User-Agent": "healthkit", "Accept-Encoding": "identity", **(headers or {})}
        request = urllib.request.Request(self._url, method=method, headers=given)
        try:
            with unobserved(), self._opener.open(request, timeout=SOCKET_TIMEOUT) as response:
                return self._read(response)
        except urllib.error.HTTPError as error:
            with error:
                return self._read(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Fail(_reason(error)) from None
        finally:
            self._socket = None

    def remember(self, connected: socket.socket) -> None:
        """Keep the socket of the request under way."""
        self._socket = connected

    def abort(self) -> None:
        """End the request under way, from any thread."""
        connected = self._socket
        if connected is not None:
            with suppress(OSError):
                socket.socket.shutdown(
                    connected, socket.SHUT_RDWR
                )  # not SSLSocket's, which would first forget its keys

    @staticmethod
    def _read(response: Any) -> Page:
        body: bytes = response.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise Fail(f"the answer has more than {MAX_BYTES:,} bytes")
        return Page(response.status, response.headers, body)


class _Plain(http.client.HTTPConnection):
    fetcher: Fetcher

    def connect(self) -> None:
        super().connect()
        self.fetcher.remember(self.sock)


class _Secure(http.client.HTTPSConnection):
    fetcher: Fetcher

    def connect(self) -> None:
        super().connect()
        self.fetcher.remember(self.sock)


class _HTTP(urllib.request.HTTPHandler):
    def __init__(self, fetcher: Fetcher) -> None:
        super().__init__()
        self._class: Any = type("_Plain", (_Plain,), {"fetcher": fetcher})

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._class, req)


class _HTTPS(urllib.request.HTTPSHandler):
    def __init__(self, fetcher: Fetcher, ca_file: str | None) -> None:
        super().__init__()
        self._class: Any = type("_Secure", (_Secure,), {"fetcher": fetcher})
        self._ca_file = ca_file

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._class, req, context=verifying(self._ca_file))


@cache
def verifying(ca_file: str | None = None) -> ssl.SSLContext:
    """Return what verifies certificates, by the system's authorities or those in a file."""
    return ssl.create_default_context(cafile=ca_file)


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)  # URLError wraps what happened without chaining it
    found = network_reason(inner if isinstance(inner, BaseException) else error)
    if found is None and isinstance(error, http.client.HTTPException):
        return (
            f"{LOST}, or the answer was no HTTP"
            if isinstance(error, http.client.IncompleteRead)
            else "no HTTP answer"
        )
    return found or type(error).__name__
