"""One request to the management API: its key, its body, and the check that its path names.

Statuses and error texts are those of hc/api/views.py and decorators.py of Healthchecks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from checker.model import MonitorSpec
from checker.web.access import NO_TOKEN, Right, is_here, is_open, right_of
from checker.web.body import TooLargeError, read_body
from checker.web.context import Context

BODY = 1_000_000  # bytes of a request
SLOW = 30.0  # seconds for a request's body to arrive
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(r"[0-9a-z]{40}")

Found = tuple[int, MonitorSpec]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be answered: what it brought, and whether its key only reads."""

    document: Mapping[str, Any]
    readonly: bool


class Stop(Exception):
    """Ends a request with an answer."""

    def __init__(self, status: int, text: str, *, plain: bool = False) -> None:
        super().__init__(text)
        self.response: Response = (
            PlainTextResponse(text, status) if plain else JSONResponse({"error": text}, status)
        )


class Desk:
    """Takes requests in: who may, what they brought, and which check they mean."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def learn(self, request: Request) -> None:
        """Where the path's check is not known here, wait until what other nodes made is."""
        text, ask = request.path_params.get("check", ""), self._context.ask
        if ask is not None and _UUID.fullmatch(text) and self._context.monitors.by_token(text) is None:
            await ask()

    def reading(self, request: Request) -> Call:
        """Return a call whose key may read, in its header alone; raises `Stop`."""
        server = self._context.config().server
        token = request.headers.get("x-api-key", "")
        right = right_of(server, token)
        if right is Right.NONE and is_open(server):
            if not is_here(server, request):
                raise Stop(403, NO_TOKEN.format(verb="read", header="X-Api-Key"))
            return Call({}, readonly=False)
        if right is Right.NONE:
            raise Stop(401, "wrong api key" if token else "missing api key")
        return Call({}, readonly=right is Right.READ)

    async def writing(self, request: Request) -> Call:
        """Return a call whose key may write, in its header or its body; raises `Stop`."""
        document = await _document(request) if request.method == "POST" else {}
        server = self._context.config().server
        token = request.headers.get("x-api-key")
        if token is None:
            token = str(document.get("api_key", ""))
        right = right_of(server, token)
        if right is Right.WRITE:
            return Call(document, readonly=False)
        if is_open(server) and request.method == "GET" and is_here(server, request):
            return Call(document, readonly=False)
        if not server.admin_token:
            verb = "read" if request.method == "GET" else "change"
            raise Stop(403, NO_TOKEN.format(verb=verb, header="X-Api-Key"))
        raise Stop(401, "wrong api key" if token else "missing api key")

    def found(self, request: Request, *, keys: bool = True) -> Found:
        """Return the check of the path, by its uuid or (where `keys`) its unique key; raises `Stop`."""
        text = request.path_params["check"]
        found = None
        if _UUID.fullmatch(text):
            found = self._context.monitors.by_token(text)
        elif keys and _KEY.fullmatch(text):
            found = self._context.monitors.by_unique_key(text)
        if found is None:
            raise Stop(404, "not found")
        return found


async def _document(request: Request) -> Mapping[str, Any]:
    """Return the JSON object of a request's body, an empty one where there is none; raises `Stop`."""
    try:
        raw = await read_body(request, most=BODY, within=SLOW)
    except TooLargeError:
        raise Stop(413, "the request body is too large") from None
    except TimeoutError:
        raise Stop(408, "the request body is too slow") from None
    if not raw:
        return {}
    try:
        document = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise Stop(400, "could not parse request body") from None
    if not isinstance(document, dict):
        raise Stop(400, "json validation error: value is not an object")
    return document


def whole(request: Request, name: str, most: int) -> float | None:
    """Return a whole number of the query; raises `Stop` for any other text."""
    text = request.query_params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 11 and int(text) <= most):
        raise Stop(400, f"{name} must be a whole number from 0 to {most}")
    return float(int(text))
