"""A webhook receiver that keeps up: it records when each message came, and answers at once or later."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@dataclass(frozen=True, slots=True)
class Message:
    """One notification, and when its last byte had come (epoch seconds)."""

    at: float
    path: str
    body: Any


class Receiver:
    """Listens on a free port of 127.0.0.1, in a thread. `delays`: path -> seconds until it answers."""

    def __init__(self, delays: dict[str, float] | None = None) -> None:
        self.delays = delays or {}
        self.messages: list[Message] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def opened(self, path: str) -> list[Message]:
        """Return the messages that tell of new incidents."""
        return [each for each in list(self.messages) if each.path == path and each.body["event"] == "opened"]

    def _run(self) -> None:
        async def start() -> None:
            server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()


class _Connection(asyncio.Protocol):
    def __init__(self, owner: Receiver) -> None:
        self._owner = owner
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end].decode("latin-1")
            size = next(
                (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")),
                0,
            )
            if len(self._pending) < end + 4 + size:
                return
            body, self._pending = self._pending[end + 4 : end + 4 + size], self._pending[end + 4 + size :]
            path = head.split(" ", 2)[1]
            self._owner.messages.append(Message(time.time(), path, json.loads(body)))
            asyncio.get_running_loop().call_later(self._owner.delays.get(path, 0.0), self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)
