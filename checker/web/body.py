"""Reads a request's body within bounds of size and time, which no server below sets for us."""

from __future__ import annotations

import asyncio

from starlette.requests import Request


class TooLargeError(Exception):
    """A body has more bytes than are wanted."""


async def read_body(request: Request, *, most: int, within: float) -> bytes:
    """Return a body of `most` bytes that arrives `within` seconds; raises `TooLargeError`, `TimeoutError`."""
    body = bytearray()
    async with asyncio.timeout(within):
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise TooLargeError
    return bytes(body)
