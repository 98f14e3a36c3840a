"""The pages for people: the dashboard, the public status page, badges, and a reading of the API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from markupsafe import escape
from sqlalchemy import Connection

from checker.model import Kind, MonitorSpec, State
from checker.slugs import slug as slug_of
from checker.store import board, views
from checker.store.views import Watched
from checker.verdict import LOOKS, Look, Verdict, names, summed_up, worst
from checker.web import gather
from checker.web.access import may_see_pages
from checker.web.context import Context
from checker.web.pages import render
from checker.web.present import PAGE, Choice, page
from checker.web.present_incident import incident_page
from checker.web.present_monitor import chosen, monitor_page
from checker.web.session import form_token

BADGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
    'aria-label="{name}: {word}">'
    '<title>{name}: {word}</title><rect width="{width}" height="20" rx="4" fill="#3b4654"/>'
    '<path d="M{left} 0h{most}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{most}z" fill="{colour}"/>'
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
    '<text x="7" y="14">{name}</text><text x="{text}" y="14">{word}</text></g></svg>'
)
LARGEST = 2**63 - 1  # an incident's id
SHIELDS = {"up": "success", "late": "important", "down": "critical"}
DELIVERIES = 50  # of an incident, the newest first
NAMES = 200  # on one page of the status page
Text = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=1, le=100_000)]
COLOURS = {"ok": "#177245", "warn": "#a86a00", "bad": "#b3261e", "mute": "#6b7785"}


def router(context: Context) -> APIRouter:
    """Return the routes of the pages."""
    pages = APIRouter(include_in_schema=False)

    async def insider(request: Request) -> None:
        if not form_token(context.config().server, request, context.clock()):
            may_see_pages(context.config().server, request)

    inside = APIRouter(
        include_in_schema=False, dependencies=[Depends(insider)], default_response_class=HTMLResponse
    )

    def shown(request: Request, template: str, **values: Any) -> HTMLResponse:
        server, now = context.config().server, context.clock()
        token = form_token(server, request, now)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        acting = {"form": token, "here": here, "able": bool(server.admin_token)}
        return render(template, acting=acting, **values)

    @inside.get("/")
    async def dashboard(
        request: Request, q: Text = "", tag: Text = "", endpoints: Number = 1, jobs: Number = 1
    ) -> HTMLResponse:
        now = context.clock()
        choice = Choice(q.strip(), tag.strip(), endpoints, jobs)
        content = page(
            await gather.dashboard(context, choice, now),
            now=now,
            choice=choice,
            notices=context.notices(),
            ping_url=f"{context.public_url}/ping/<ping_key>/my-job?create=1",
            node=context.node,
        )
        return shown(request, "dashboard.html", page=content, tone=content.verdict.tone)

    @inside.get("/monitors/{name:path}")
    async def monitor(request: Request, name: Annotated[str, Path(max_length=1_000)]) -> HTMLResponse:
        now = context.clock()
        known = await gather.monitor(context, name, now)
        return shown(request, "monitor.html", **monitor_page(known, now))

    @inside.get("/incidents")
    async def incidents(
        request: Request, open: bool = False, before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None
    ) -> HTMLResponse:
        resolved = False if open else None
        found, count = await context.store.read(
            lambda conn: (
                views.incidents(conn, resolved=resolved, limit=PAGE, before=before),
                gather.open_count(conn),
            )
        )
        older = found[-1].id if len(found) == PAGE else None
        tone = "bad" if count else "ok"
        values: dict[str, Any] = {
            "found": found,
            "count": count,
            "older": older,
            "only_open": open,
            "tone": tone,
        }
        return shown(request, "incidents.html", now=context.clock(), **values)

    @inside.get("/incidents/{number}")
    async def incident(request: Request, number: Annotated[int, Path(ge=1, le=LARGEST)]) -> HTMLResponse:
        found, sent = await context.store.read(
            lambda conn: (
                views.incident_of(conn, number),
                views.deliveries(conn, limit=DELIVERIES, incident_id=number),
            )
        )
        if found is None:
            raise HTTPException(404)
        return shown(request, "incident.html", **incident_page(found, sent, context.clock()))

    pages.include_router(inside)

    @pages.get("/status", response_class=HTMLResponse)
    async def status(number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1) -> HTMLResponse:
        now = context.clock()
        said, rows, more = await context.store.read(lambda conn: _public(conn, number))
        values: dict[str, Any] = {"verdict": said, "rows": rows, "now": now, "tone": said.tone}
        return render("status.html", number=number, more=more, **values)

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

    @pages.get("/docs", response_class=HTMLResponse)
    async def docs(request: Request) -> HTMLResponse:
        schema = await asyncio.to_thread(request.app.openapi)
        return render("docs.html", schema=schema, example=_example)

    return pages


def _public(conn: Connection, number: int) -> tuple[Verdict, list[dict[str, Any]], bool]:
    """Return the verdict, a page of names and states (those in trouble first), and whether there are more."""
    tally = board.tally(conn)
    down = [each.name for each in tally.troubles if each.state is State.DOWN]
    bad = {each.id: each for each in tally.troubles}
    rows = [{"name": each.name, "state": LOOKS[each.state]} for each in tally.troubles[:NAMES]]
    kinds = (Kind.ENDPOINT, Kind.HEARTBEAT)
    first, left = (number - 1) * NAMES, NAMES + 1
    found: list[int] = []
    for kind in kinds:
        total = tally.of(kind).total()
        found += board.page(conn, kind, limit=left, offset=max(0, first))
        first, left = first - total, NAMES + 1 - len(found)
    shown = [each for each in views.watched(conn, found[:NAMES]) if each.id not in bad]
    calm = [{"name": each.spec.name, "state": LOOKS[worst(each)]} for each in shown]
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
    return BADGE.format(
        name=escape(name),
        word=look.label,
        colour=COLOURS[look.tone],
        left=left,
        most=width - left - 4,
        width=width,
        text=left + 7,
    )


def _example(path: str, method: str, operation: dict[str, Any]) -> str:
    """Return a curl line for an operation of the OpenAPI document."""
    schemes = {name for each in operation.get("security", ()) for name in each}
    token = ""
    if schemes:
        name = "X-Api-Key:" if "ApiKey" in schemes else "Authorization: Bearer"
        token = f' -H "{name} $CHECKER_ADMIN_TOKEN"'
    return f"curl -fsS -X {method.upper()}{token} {quote(path, safe='/{}')}"
