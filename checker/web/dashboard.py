"""The pages for people: the dashboard, the public status page, badges, and a reading of the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from markupsafe import escape

from checker.model import Kind, State
from checker.slugs import slug as slug_of
from checker.store import views
from checker.store.views import Watched, watched
from checker.verdict import LOOKS, Look, verdict, worst
from checker.web.access import may_see_pages
from checker.web.context import Context
from checker.web.pages import render
from checker.web.present import incident_page, page

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
COLOURS = {"ok": "#177245", "warn": "#a86a00", "bad": "#b3261e", "mute": "#6b7785"}


def router(context: Context) -> APIRouter:
    """Return the routes of the pages."""
    pages = APIRouter(include_in_schema=False)

    async def insider(request: Request) -> None:
        may_see_pages(context.config().server, request)

    @pages.get("/", response_class=HTMLResponse, dependencies=[Depends(insider)])
    async def dashboard() -> HTMLResponse:
        overview = await context.overview()
        content = page(
            overview,
            now=context.clock(),
            notices=context.notices(),
            ping_url=f"{context.public_url}/ping/<ping_key>/my-job?create=1",
            node=context.node,
        )
        return render("dashboard.html", page=content, tone=content.verdict.tone)

    @pages.get("/incidents/{number}", response_class=HTMLResponse, dependencies=[Depends(insider)])
    async def incident(number: Annotated[int, Path(ge=1, le=LARGEST)]) -> HTMLResponse:
        found, sent = await context.store.read(
            lambda conn: (
                views.incident_of(conn, number),
                views.deliveries(conn, limit=DELIVERIES, incident_id=number),
            )
        )
        if found is None:
            raise HTTPException(404)
        return render("incident.html", **incident_page(found, sent, context.clock()))

    @pages.get("/status", response_class=HTMLResponse)
    async def status() -> HTMLResponse:
        monitors = await context.store.read(watched)
        rows = [{"name": monitor.spec.name, "state": LOOKS[worst(monitor)]} for monitor in monitors]
        said = verdict(monitors)
        return render("status.html", verdict=said, rows=rows, now=context.clock(), tone=said.tone)

    @pages.get("/status/{slug}")
    async def one(slug: str) -> PlainTextResponse:
        state = worst(await _find(context, slug))
        return PlainTextResponse(state.value, status_code=503 if state is State.DOWN else 200)

    @pages.get("/badge/{slug}.svg")
    async def badge(slug: str) -> Response:
        monitor = await _find(context, slug)
        return Response(_badge(monitor.spec.name, LOOKS[worst(monitor)]), media_type="image/svg+xml")

    @pages.get("/badges/{states}.{form}")
    async def badge_of_all(states: str, form: str) -> Response:
        return _tag_badge(await context.store.read(watched), "", states, form)

    @pages.get("/badges/{states}/{tag}.{form}")
    async def badge_of_tag(states: str, tag: str, form: str) -> Response:
        return _tag_badge(await context.store.read(watched), tag, states, form)

    @pages.get("/docs", response_class=HTMLResponse)
    async def docs(request: Request) -> HTMLResponse:
        return render("docs.html", schema=request.app.openapi(), example=_example)

    return pages


async def _find(context: Context, name: str) -> Watched:
    """Return the monitor of that name or slug; raises 404."""
    monitors = await context.store.read(watched)
    exact = [monitor for monitor in monitors if name == monitor.spec.name]
    similar = [monitor for monitor in monitors if slug_of(name) == slug_of(monitor.spec.name)]
    found = exact or sorted(similar, key=lambda monitor: monitor.spec.kind is not Kind.HEARTBEAT)
    if not found:
        raise HTTPException(404, "no monitor of that name")
    return found[0]


def _tag_badge(monitors: Sequence[Watched], tag: str, states: str, form: str) -> Response:
    """Return the badge of the heartbeats with a tag (empty: all), as the management API's `badges/` names it.

    `states` is "2", or "3" where being late is told; `form` is svg, json or shields. Raises 404.
    """
    if states not in ("2", "3") or form not in ("svg", "json", "shields"):
        raise HTTPException(404)
    found = [each for each in monitors if each.spec.kind is Kind.HEARTBEAT]
    stand = [each.state.state for each in found if not tag or tag in each.spec.tags]
    if tag and not stand:
        raise HTTPException(404, "no heartbeat has that tag")
    grace, down = stand.count(State.GRACE), stand.count(State.DOWN)
    word = "down" if down else "late" if grace and states == "3" else "up"
    if form == "json":
        return JSONResponse({"status": word, "total": len(stand), "grace": grace, "down": down})
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
