"""`HealthMiddleware` for any ASGI app: moves bytes, and keeps the health routes out of the app's way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from healthkit.endpoint import Endpoint, Request, Response, mount_path, relative
from healthkit.health import Health

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HealthMiddleware:
    """Answers under `path` from `health`, and passes everything else on untouched."""

    def __init__(self, app: App, health: Health, *, path: str = "/health") -> None:
        self.app = app
        self._endpoint = Endpoint(health)
        self._path = mount_path(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._endpoint.start()  # with the lifespan, or the first request whatever its path
        below = relative(_path(scope), self._path) if scope["type"] == "http" else None
        if below is None:
            await self.app(scope, receive, send)
        else:
            await write(await self._endpoint.respond_async(read(scope, below)), send)


class HealthApp:
    """An ASGI app of the health routes alone; `scope["path_params"]["below"]` is the path below the mount."""

    def __init__(self, health: Health) -> None:
        self._endpoint = Endpoint(health)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        below = scope.get("path_params", {}).get("below", "")
        await write(await self._endpoint.respond_async(read(scope, below)), send)


def read(scope: Scope, below: str) -> Request:
    """Return what policy needs of an HTTP scope. Repeated headers are joined, as RFC 9110 (5.3) says."""
    found: dict[bytes, list[bytes]] = {b"accept": [], b"authorization": [], b"if-none-match": []}
    for name, value in scope["headers"]:
        if name in found:
            found[name].append(value)
    return Request(
        scope["method"],
        below,
        scope.get("query_string", b"").decode("latin-1"),
        *(b",".join(values).decode("latin-1") for values in found.values()),
    )


async def write(response: Response, send: Send) -> None:
    """Send a response."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _path(scope: Scope) -> str:
    """Return the path below `root_path`, which servers put in front of it and some proxies strip."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path
