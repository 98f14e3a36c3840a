"""One client over every adapter: the same `Health`, mounted in each way there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import flask
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from healthkit import Health
from healthkit.asgi import HealthMiddleware as AsgiMiddleware
from healthkit.wsgi import HealthMiddleware as WsgiMiddleware
from healthkit_fastapi import health_router, mount_health
from healthkit_flask import HealthKit


@dataclass(frozen=True)
class Answer:
    """What came back, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[..., Answer]


def over_wsgi(app: Any) -> Ask:
    """Return a client for a WSGI app."""

    def ask(path: str, method: str = "GET", query: str = "", **headers: str) -> Answer:
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path.encode().decode("latin-1"), "QUERY_STRING": query,
            "SCRIPT_NAME": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "wsgi.errors": BytesIO(),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        }  # fmt: skip
        started: list[Any] = []
        parts = app(environ, lambda status, found, _exc=None: started.append((status, found)))
        status, found = started[0]
        return Answer(int(status[:3]), {k.lower(): v for k, v in found}, b"".join(parts))

    return ask


def over_asgi(app: Any, root_path: str = "") -> Ask:
    """Return a client for an ASGI app."""

    def ask(path: str, method: str = "GET", query: str = "", **headers: str) -> Answer:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "path": f"{root_path}{path}", "root_path": root_path, "raw_path": path.encode(), "scheme": "http",
            "query_string": query.encode(), "server": ("localhost", 80), "client": ("127.0.0.1", 1),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, b"".join(part.get("body", b"") for part in sent[1:]))

    return ask


def in_flask(health: Health) -> Ask:
    """The blueprint of the Flask extension."""
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "home")
    HealthKit(app, health)
    return over_wsgi(app)


def in_flask_bypassing(health: Health) -> Ask:
    """The Flask extension in front of the app."""
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "home")
    HealthKit(app, health, bypass=True)
    return over_wsgi(app)


def in_fastapi(health: Health) -> Ask:
    """The FastAPI mount."""
    app = FastAPI()
    app.add_api_route("/", lambda: "home")
    mount_health(app, health)
    return over_asgi(app)


def in_fastapi_router(health: Health) -> Ask:
    """The FastAPI router."""
    app = FastAPI()
    app.add_api_route("/", lambda: "home")
    app.include_router(health_router(health))
    return over_asgi(app)


def in_wsgi(health: Health) -> Ask:
    """The WSGI middleware."""

    def home(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"home"]

    return over_wsgi(WsgiMiddleware(home, health))


def in_asgi(health: Health) -> Ask:
    """The ASGI middleware."""

    async def home(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"home"})

    return over_asgi(AsgiMiddleware(home, health))


ADAPTERS: dict[str, Callable[[Health], Ask]] = {
    "flask": in_flask,
    "flask-bypass": in_flask_bypassing,
    "fastapi-mount": in_fastapi,
    "fastapi-router": in_fastapi_router,
    "wsgi": in_wsgi,
    "asgi": in_asgi,
}
