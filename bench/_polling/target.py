"""The polled: a server that answers each path with a health document, as cheaply as Python can.

`python -m bench._polling.target` prints its port and serves until standard input ends. It listens on every
address of the loopback network, so that each endpoint can have a host of its own.

`/doc/...` answers what an app with `healthkit` does: the instance, its count of readings, the time, and
figures that are others each time. `/same/...` answers one that stays the same, with an ETag and 304;
`/hang/...` never answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from healthkit.wire import timestamp

COMPONENTS = 5
VARIANTS = 97  # prime: an endpoint that is asked in turn with others meets another document each time
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/health+json\r\nCache-Control: max-age=0\r\n"
_TAG = b'"one"'
_DOCUMENT = (
    b'{"status":"pass","serviceId":"shop","version":"1.4.2","instance":"shop-1:17","sequence":%d,'
    b'"time":"%b","checks":%b}'
)


def checks(variant: int) -> bytes:
    """Return five checks, all well, as JSON; `variant` tells their figures."""
    found = {
        f"component-{n}:responseTime": [
            {
                "status": "pass",
                "observedValue": round(1.5 * n + variant / 7, 3),
                "observedUnit": "ms",
                "time": timestamp(1_700_000_000 + variant),
                "critical": n != COMPONENTS - 1,
                "durationMs": round(2.5 + variant / 13, 3),
                "componentType": "datastore",
                "tags": ["ready"],
            }
        ]
        for n in range(COMPONENTS)
    }
    return json.dumps(found, separators=(",", ":")).encode()


def document(parts: bytes, sequence: int, at: float) -> bytes:
    """Return what `healthkit` answers for a service with these checks: its reading `sequence` of `at`."""
    return _DOCUMENT % (sequence, timestamp(at).encode(), parts)


def answer(body: bytes, more: str = "") -> bytes:
    """Return a whole HTTP answer."""
    return f"{_HEAD}{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Target(asyncio.Protocol):
    """One connection; requests come one at a time and without a body."""

    parts = tuple(checks(variant) for variant in range(VARIANTS))
    # Whose document it is, "not modified" does not say, so it has no instance.
    same = answer(b'{"status":"pass","checks":%b}' % parts[0], 'ETag: "one"\r\n')
    unchanged = b'HTTP/1.1 304 Not Modified\r\nETag: "one"\r\nCache-Control: max-age=0\r\n\r\n'
    turn = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: Any = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        """Answer as soon as the blank line is there."""
        head = self.pending + data if self.pending else data
        if not head.endswith(b"\r\n\r\n"):
            self.pending = head
            return
        self.pending = b""
        if head.startswith(b"GET /doc"):
            Target.turn = turn = Target.turn + 1
            self.transport.write(answer(document(self.parts[turn % VARIANTS], turn, time.time())))
        elif head.startswith(b"GET /same"):
            self.transport.write(self.unchanged if _TAG in head else self.same)


async def serve() -> None:
    """Serve on a free port of every loopback address, print it, until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, "0.0.0.0", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
