"""A ping's request as ASGI brings it: its body within limits, and where it came from."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# An extension that our server offers in a request's scope: a function of a status and the rest of a whole
# answer (headers and body as they go out), which tells whether it could send that.
AT_ONCE = "healthkit.at_once"

BODY_LIMIT = 100_000  # bytes kept, as on the hosted Healthchecks
READ_LIMIT = 128 * 1024 * 1024  # bytes read and dropped before we stop listening
READ_DEADLINE = 30.0  # seconds for the whole body
IN_HAND = 2_000  # pings being read or waiting for their commit; the rest is told to come again
BYTES_IN_HAND = 64 * 1024 * 1024  # of their bodies together

_BODY_HEADERS = (b"content-length", b"transfer-encoding")


class BodyError(Exception):
    """The body did not arrive: `gone` tells whether the client left, else it was too slow."""

    def __init__(self, gone: bool) -> None:
        super().__init__("the client left" if gone else "the body was too slow")
        self.gone = gone


class Room:
    """How much is in hand at once, in pings and in bytes of their bodies: what does not fit is refused.

    A body counts with what it may come to, as soon as it is announced.
    """

    def __init__(self, pings: int = IN_HAND, size: int = BYTES_IN_HAND) -> None:
        self.pings = pings
        self.size = size

    def take(self, size: int) -> bool:
        """Take room for one more ping; tell whether there was any."""
        if self.pings <= 0 or (size and size > self.size):
            return False
        self.pings -= 1
        self.size -= size
        return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self.pings += 1
        self.size += size


def body_room(scope: Scope) -> int:
    """Return how many bytes of a request's body may come to be kept."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return min(int(value), BODY_LIMIT) if value.isdigit() and len(value) < 20 else BODY_LIMIT
        if name == b"transfer-encoding":
            return BODY_LIMIT
    return 0


async def read_body(scope: Scope, receive: Receive, deadline: float) -> tuple[bytes, bool]:
    """Return the first `BODY_LIMIT` bytes of a body and whether all of it was read.

    Raises `BodyError` when the client leaves, or is not through after `deadline` seconds.
    """
    if not any(name in _BODY_HEADERS for name, _ in scope["headers"]):  # nearly every ping
        return b"", True
    kept = bytearray()
    size, more = 0, True
    try:
        async with asyncio.timeout(deadline):
            while more and size <= READ_LIMIT:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyError(gone=True)
                chunk = message.get("body", b"")
                size += len(chunk)
                kept += chunk[: BODY_LIMIT - len(kept)]
                more = message.get("more_body", False)
    except TimeoutError:
        raise BodyError(gone=False) from None
    return bytes(kept), not more


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the request's headers by their lower-case names; the first of each name counts."""
    return dict(reversed(scope["headers"]))


def text_of(value: bytes) -> str:
    """Return a header's text, whatever bytes it holds."""
    return value.decode("utf-8", "replace").replace("\x00", "")


def scheme_of(headers: dict[bytes, bytes], scope: Scope) -> str:
    """Return "http" or "https", as the proxy in front says or as it came."""
    forwarded = headers.get(b"x-forwarded-proto", b"").lower()
    return forwarded.decode() if forwarded in (b"http", b"https") else str(scope.get("scheme", "http"))


def remote_of(headers: dict[bytes, bytes], scope: Scope) -> str:
    """Return the sender's address: the first X-Forwarded-For entry if that is an address, else the peer.

    Some proxies write `address:port`; the port is left out.
    """
    forwarded = headers.get(b"x-forwarded-for", b"").split(b",")[0].strip()[:64].decode("ascii", "replace")
    for text in (forwarded, forwarded.partition(":")[0]) if forwarded else ():
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            continue
    client = scope.get("client")
    return str(client[0])[:64] if client else ""
