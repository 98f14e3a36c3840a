"""What anybody may see, programs above all: the public status page, a status URL of each monitor, badges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from sqlalchemy import Connection

from checker.model import Kind, MonitorSpec, State
from checker.slugs import slug as slug_of
from checker.store import board, views
from checker.store.views import Watched
from checker.verdict import LOOKS, Look, Verdict, names, summed_up, worst
from checker.web.context import Context
from checker.web.pages import drawn, render
from checker.web.present_monitor import chosen

NAMES = 200  # on one page of the status page
SHIELDS = {"up": "success", "late": "important", "down": "critical"}
COLOURS = {"ok": "#177245", "warn": "#a86a00", "bad": "#b3261e", "mute": "#6b7785"}


def router(context: Context) -> APIRouter:
    """Return the routes that ask for no token."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/status", response_class=HTMLResponse)
    async def status(number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1) -> HTMLResponse:
        now = context.clock()
        said, rows, more = await context.store.read(lambda conn: _public(conn, number))
        values: dict[str, Any] = {"verdict": said, "rows": rows, "now": now, "tone": said.tone}
        return await render("status.html", number=number, more=more, **values)

    @pages.api_route("/status/{slug:path}", methods=["GET", "HEAD"])
    async def one(slug: str) -> PlainTextResponse:
        state = worst(await _find(context, slug))
        return PlainTextResponse(state.value, status_code=503 if state is State.DOWN else 200)

    @pages.api_route("/badge/{slug:path}.svg", methods=["GET", "HEAD"])
    async def badge(slug: str) -> Response:
        monitor = await _find(context, slug)
        return Response(_badge(monitor.spec.name, LOOKS[worst(monitor)]), media_type="image/svg+xml")

    @pages.get("/badges/{states}.{form}")
    async def badge_of_all(states: str, form: str) -> Response:
        return await _tag_badge(context, "", states, form)

    @pages.get("/badges/{states}/{tag}.{form}")
    async def badge_of_tag(states: str, tag: str, form: str) -> Response:
        return await _tag_badge(context, tag, states, form)

    return pages


def _public(conn: Connection, number: int) -> tuple[Verdict, list[dict[str, Any]], bool]:
    """Return the verdict, a page of names and states (those in trouble first), and whether there are more."""
    tally = board.tally(conn)
    down = [each.name for each in tally.troubles if each.state is State.DOWN]
    bad = {each.id for each in tally.troubles}
    rows = [{"name": each.name, "state": LOOKS[each.state]} for each in tally.troubles[:NAMES]]
    kinds = (Kind.ENDPOINT, Kind.HEARTBEAT)
    first, left = (number - 1) * NAMES, NAMES + 1
    found: list[int] = []
    for kind in kinds:
        total = tally.of(kind).total()
        found += board.page(conn, kind, limit=left, offset=max(0, first))
        first, left = first - total, NAMES + 1 - len(found)
    calm = [
        {"name": name, "state": LOOKS[state]}
        for each, name, state in board.own_states(conn, found[:NAMES])
        if each not in bad
    ]
    said = summed_up(tally.of(), names(down))
    return said, (rows if number == 1 else []) + calm, len(found) > NAMES


async def _find(context: Context, name: str) -> Watched:
    """Return the monitor of that name or slug; raises 404. A component stands for itself."""
    registry = context.monitors
    number = registry.full_name(name)
    if number is None:
        wanted = slug_of(name)
        found = registry.by_slug(wanted)
        number = found[0] if found else _like(registry.endpoints(), wanted)
    spec = None if number is None else registry.by_id(number)
    if number is None or spec is None:
        raise HTTPException(404, "no monitor of that name")
    top = registry.full_name(spec.parent) if spec.parent else number
    monitors = await context.store.read(lambda conn: views.watched(conn, [top or number]))
    if not monitors:
        raise HTTPException(404, "no monitor of that name")
    return chosen(monitors[0], spec.full_name)


def _like(endpoints: Iterable[tuple[int, MonitorSpec]], wanted: str) -> int | None:
    return next((number for number, spec in endpoints if slug_of(spec.name) == wanted), None)


async def _tag_badge(context: Context, tag: str, states: str, form: str) -> Response:
    """Return the badge of the heartbeats with a tag (empty: all), as the management API's `badges/` names it.

    `states` is "2", or "3" where being late is told; `form` is svg, json or shields. Raises 404.
    """
    if states not in ("2", "3") or form not in ("svg", "json", "shields"):
        raise HTTPException(404)
    if tag:
        tagged = context.monitors.tagged(tag)
        count = await context.store.read(lambda conn: board.heartbeat_states(conn, tagged))
    else:
        count = (await context.store.read(board.tally)).of(Kind.HEARTBEAT)
    if tag and not count:
        raise HTTPException(404, "no heartbeat has that tag")
    grace, down = count[State.GRACE], count[State.DOWN]
    word = "down" if down else "late" if grace and states == "3" else "up"
    if form == "json":
        return JSONResponse({"status": word, "total": count.total(), "grace": grace, "down": down})
    if form == "shields":
        return JSONResponse(
            {"schemaVersion": 1, "label": tag or "status", "message": word, "color": SHIELDS[word]}
        )
    tone = {"up": "ok", "late": "warn", "down": "bad"}[word]
    return Response(_badge(tag or "status", Look(tone, word)), media_type="image/svg+xml")


def _badge(name: str, look: Look) -> str:
    name = "".join(each if each.isprintable() else "-" for each in name[:60])
    left = 14 + 7 * len(name)
    width = left + 14 + 7 * len(look.label)
    return drawn("badge.svg", name=name, word=look.label, colour=COLOURS[look.tone], left=left, width=width)
