"""`HealthMiddleware` for any WSGI app: moves bytes, and keeps the health routes out of the app's way."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from healthkit.endpoint import Endpoint, Request, Response, mount_path, relative
from healthkit.health import Health

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class HealthMiddleware:
    """Answers under `path` from `health`, and passes everything else on untouched."""

    def __init__(self, app: WSGIApplication, health: Health, *, path: str = "/health") -> None:
        self.app = app
        self._endpoint = Endpoint(health)
        self._path = mount_path(path)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._endpoint.start()  # with the first request, whatever its path
        below = relative(environ.get("PATH_INFO", ""), self._path)
        if below is None:
            return self.app(environ, start_response)
        response = answer(self._endpoint, environ, below)
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", response.headers)
        return [response.body]


def answer(endpoint: Endpoint, environ: WSGIEnvironment, below: str) -> Response:
    """Answer a WSGI request whose path below the mount is known; PEP 3333 gives its bytes as latin-1 text."""
    return endpoint.respond(
        Request(
            environ["REQUEST_METHOD"],
            below if below.isascii() else below.encode("latin-1", "replace").decode("utf-8", "replace"),
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_ACCEPT", ""),
            environ.get("HTTP_AUTHORIZATION", ""),
            environ.get("HTTP_IF_NONE_MATCH", ""),
        )
    )
