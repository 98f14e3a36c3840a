"""The pages for people: the dashboard, monitors, incidents, and a reading of the API."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse

from checker.store import views
from checker.web import gather
from checker.web.access import may_see_pages
from checker.web.context import Context
from checker.web.pages import render
from checker.web.present import PAGE, Choice, page
from checker.web.present_incident import incident_page
from checker.web.present_monitor import monitor_page
from checker.web.session import form_token

LARGEST = 2**63 - 1  # an incident's id
DELIVERIES = 50  # of an incident, the newest first
Text = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=1, le=100_000)]


def router(context: Context) -> APIRouter:
    """Return the routes of the pages."""
    pages = APIRouter(include_in_schema=False)

    async def insider(request: Request) -> None:
        if not form_token(context.config().server, request, context.clock()):
            may_see_pages(context.config().server, request)

    inside = APIRouter(
        include_in_schema=False, dependencies=[Depends(insider)], default_response_class=HTMLResponse
    )

    async def shown(request: Request, template: str, **values: Any) -> HTMLResponse:
        server, now = context.config().server, context.clock()
        token = form_token(server, request, now)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        acting = {"form": token, "here": here, "able": bool(server.admin_token)}
        return await render(template, acting=acting, **values)

    @inside.get("/")
    async def dashboard(
        request: Request, q: Text = "", tag: Text = "", endpoints: Number = 1, jobs: Number = 1
    ) -> HTMLResponse:
        now = context.clock()
        choice = Choice(q.strip(), tag.strip(), endpoints, jobs)
        content = await asyncio.to_thread(
            page,
            await gather.dashboard(context, choice, now),
            now=now,
            choice=choice,
            notices=context.notices(),
            ping_url=f"{context.public_url}/ping/<ping_key>/my-job?create=1",
            node=context.node,
        )
        return await shown(request, "dashboard.html", now=now, page=content, tone=content.verdict.tone)

    @inside.get("/monitors/{name:path}")
    async def monitor(request: Request, name: Annotated[str, Path(max_length=1_000)]) -> HTMLResponse:
        now = context.clock()
        known = await gather.monitor(context, name, now)
        return await shown(request, "monitor.html", **monitor_page(known, now))

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
        return await shown(request, "incidents.html", now=context.clock(), **values)

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
        return await shown(request, "incident.html", **incident_page(found, sent, context.clock()))

    pages.include_router(inside)

    @pages.get("/docs", response_class=HTMLResponse)
    async def docs(request: Request) -> HTMLResponse:
        schema = await asyncio.to_thread(request.app.openapi)
        return await render("docs.html", schema=schema, example=_example)

    return pages


def _example(path: str, method: str, operation: dict[str, Any]) -> str:
    """Return a curl line for an operation of the OpenAPI document."""
    schemes = {name for each in operation.get("security", ()) for name in each}
    token = ""
    if schemes:
        name = "X-Api-Key:" if "ApiKey" in schemes else "Authorization: Bearer"
        token = f' -H "{name} $CHECKER_ADMIN_TOKEN"'
    return f"curl -fsS -X {method.upper()}{token} {quote(path, safe='/{}')}"
