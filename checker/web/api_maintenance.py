"""Maintenance windows as JSON: those of the configuration, and one-off ones that are announced here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException

from checker.store import windows
from checker.store.windows import OneOff
from checker.web import schemas
from checker.web.api_json import recurring_json, window_json
from checker.web.api_parts import UNKNOWN, Id
from checker.web.context import Context


def add(context: Context, reading: APIRouter, writing: APIRouter) -> None:
    """Add the routes."""

    @reading.get("/maintenance", summary="Maintenance windows", response_model=schemas.Windows)
    async def maintenance() -> Any:
        """The windows of the configuration, and the one-off ones that are not over."""
        now = context.clock()
        found = await context.store.read(lambda conn: windows.load(conn, now))
        recurring = [recurring_json(each, now) for each in context.config().maintenance]
        return {"maintenance": [*recurring, *(window_json(each, now) for each in found)]}

    @writing.post("/maintenance", status_code=201, summary="Announce a window", response_model=schemas.Window)
    async def announce(window: schemas.NewWindow) -> Any:
        """Tell nothing new of these monitors from `start` to `end`, for example around a deploy."""
        now = context.clock()
        made = _one_off(window, now)
        kept = await context.store.write(lambda conn: windows.insert(conn, made))
        await context.windows.reload()
        context.wake()
        return window_json(kept, now)

    @writing.delete(
        "/maintenance/{number}", status_code=204, summary="End or cancel a window", responses=UNKNOWN
    )
    async def cancel(number: Id) -> None:
        """Forget a one-off window; if it is open, it ends now."""
        if not await context.store.write(lambda conn: windows.delete(conn, number)):
            raise HTTPException(404, f"no one-off maintenance window has the id {number}")
        await context.windows.reload()
        context.wake()


def _one_off(window: schemas.NewWindow, now: float) -> OneOff:
    start = now if window.start is None else window.start
    end = start + window.duration if isinstance(window.duration, float) else (window.end or 0.0)
    if not now < end <= schemas.LATEST or not start < end <= start + schemas.LONGEST_WINDOW:
        raise HTTPException(
            422, "the window must end after now and after its start, and last 31 days at most"
        )
    return OneOff(window.name, start, end, tuple(window.monitors), window.description, now)
