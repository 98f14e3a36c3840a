"""An ASGI call without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from checker.web.ping import App


@dataclass(frozen=True)
class Reply:
    """What an app answered; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


async def call(
    app: App,
    path: str,
    *,
    query: str = "",
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    chunks: Iterable[dict[str, Any]] | None = None,
) -> Reply | None:
    """Return the app's answer, None when it gave none; `chunks` are ASGI messages, then the body hangs."""
    messages = list(chunks) if chunks is not None else [{"type": "http.request", "body": body or b""}]
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers]
    if chunks is not None:
        pairs.append((b"transfer-encoding", b"chunked"))
    elif body is not None:
        pairs.append((b"content-length", str(len(body)).encode()))
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": pairs,
        "client": ("192.0.2.7", 4711),
        "server": ("127.0.0.1", 8765),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return None
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, b"".join(message["body"] for message in sent[1:]))
