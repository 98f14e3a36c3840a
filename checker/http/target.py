"""A URL taken apart once: what may be asked, of whom, and what may be said about it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit, urlunsplit

from checker.http.model import ErrorKind, HttpError

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `place` is all that a message may say: a path or query may be a secret."""

    url: str
    scheme: str
    host: str  # ASCII, lower case
    port: int
    is_literal: bool  # the host is an address, not a name

    @property
    def place(self) -> str:
        """`shop.example`, or `shop.example:8080` where the port is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def keeps_headers(self, next_hop: Target) -> bool:
        """Whether headers meant for this target may go to `next_hop`: the same origin, or its TLS upgrade."""
        if (self.scheme, self.host, self.port) == (next_hop.scheme, next_hop.host, next_hop.port):
            return True
        upgrade = (self.scheme, self.port, next_hop.scheme, next_hop.port) == ("http", 80, "https", 443)
        return upgrade and self.host == next_hop.host

    def follow(self, location: str) -> Target:
        """Return the target of a `Location` header; raise `HttpError` when it is none to follow."""
        try:
            joined = urljoin(self.url, location)
        except ValueError as problem:
            reason = f"{self.place} redirects to a URL that cannot be read"
            raise HttpError(ErrorKind.PROTOCOL, reason) from problem
        return parse(joined)


@lru_cache(maxsize=10_000)
def parse(url: str) -> Target:
    """Take a URL apart; raise `HttpError(PROTOCOL)` when it is not one of http or https."""
    try:
        parts = urlsplit(url.strip())
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as problem:
        raise HttpError(ErrorKind.PROTOCOL, "the URL cannot be read") from problem
    if scheme not in PORTS:
        raise HttpError(ErrorKind.PROTOCOL, f"only http and https URLs are asked, not {scheme[:20]!r}")
    if not ascii_host or any(character <= " " or character == "\x7f" for character in url.strip()):
        raise HttpError(ErrorKind.PROTOCOL, "the URL names no host, or holds a blank or control character")
    userinfo, at, _ = parts.netloc.rpartition("@")
    netloc = f"{userinfo}{at}" + (f"[{ascii_host}]" if ":" in ascii_host else ascii_host)
    netloc += f":{port}" if port is not None else ""
    rebuilt = urlunsplit((scheme, netloc, _quote(parts.path) or "/", _quote(parts.query), ""))
    return Target(
        rebuilt, scheme, ascii_host, port if port is not None else PORTS[scheme], _is_address(ascii_host)
    )


def _quote(text: str) -> str:
    """Percent-encode what is not ASCII, as browsers do, and leave the rest as it is written."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
