"""`POST /announce/<ping key>`: an app tells where its health is to be asked for."""

from __future__ import annotations

import hmac
import json
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from checker.web.body import TooLargeError, read_body
from checker.web.context import Context

LARGEST = 65_536  # bytes of an announcement
SLOW = 10.0  # seconds for it to arrive


def router(context: Context) -> APIRouter:
    """Return the route; without announcements nothing is found there."""
    routes = APIRouter()

    @routes.post("/announce/{key}", include_in_schema=False)
    async def announce(key: str, request: Request) -> Response:
        taking, known = context.announcements, (context.config().server.ping_key or "").encode()
        if not taking or not known or not hmac.compare_digest(key.encode("utf-8", "replace"), known):
            raise HTTPException(404, "not found")
        status, text = await taking.app(await _document(request))
        return PlainTextResponse(text, status)

    return routes


async def _document(request: Request) -> dict[str, Any]:
    try:
        sent = await read_body(request, most=LARGEST, within=SLOW)
    except TooLargeError:
        raise HTTPException(413, f"an announcement is {LARGEST} bytes at most") from None
    except TimeoutError:
        raise HTTPException(408, "the announcement did not arrive in time") from None
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError):
        raise HTTPException(400, "an announcement is a JSON object") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "an announcement is a JSON object")
    return found
