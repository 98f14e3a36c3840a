"""The nouns of the HTTP client: what is asked, what came back, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ErrorKind(StrEnum):
    """Why no answer came."""

    TIMEOUT = "timeout"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"  # no route, network down
    DNS = "dns"
    TLS = "tls"
    RESET = "reset"  # connected, then cut before the answer was complete
    TOO_LARGE = "too large"  # the headers; a body is cut instead
    TOO_MANY_REDIRECTS = "too many redirects"
    ADDRESS = "address"  # the address guard refused it
    PROTOCOL = "protocol"  # not HTTP, or a request that cannot be meant


class HttpError(Exception):
    """No usable answer came. `reason` is in plain words and holds no path, query, header or credential."""

    def __init__(self, kind: ErrorKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Times in seconds, sizes in bytes.

    `timeout` bounds the whole of it, redirects included, however slowly the bytes drip. A body longer
    than `max_bytes` is cut. With `max_redirects` 0 a redirect is an answer like any other. Headers are sent
    on only to the origin they were meant for. `allow_private=False` refuses loopback, private and reserved
    addresses; cloud metadata addresses are refused always.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(
        default_factory=lambda: NO_HEADERS, repr=False
    )  # values may be secrets
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 10.0
    max_bytes: int = 1_048_576
    max_redirects: int = 5
    allow_private: bool = True

    def __repr__(self) -> str:
        return f"Request({self.method}, timeout={self.timeout})"  # a URL may be a secret


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the time went, in seconds, summed over redirects.

    `dns`, `connect` and `tls` are 0 on a reused connection.
    """

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0  # from the request sent to the first byte of the answer
    total: float = 0.0

    def __add__(self, other: Phases) -> Phases:
        return Phases(
            self.dns + other.dns,
            self.connect + other.connect,
            self.tls + other.tls,
            self.first_byte + other.first_byte,
            self.total + other.total,
        )


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `headers` have lower-case names; repeated ones are joined by `, `.

    `truncated`: the body went past `max_bytes` and was cut there.
    `unread`: why the body was not read, else "".
    `certificate_expires`: epoch seconds of the leaf's end, None without TLS.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = field(default="", repr=False)  # where the answer came from, after redirects
    phases: Phases = Phases()
    truncated: bool = False
    unread: str = ""
    redirects: int = 0
    address: str = ""
    certificate_expires: float | None = None

    @property
    def latency(self) -> float:
        """Seconds from the start of the request to the end of the answer."""
        return self.phases.total

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()
