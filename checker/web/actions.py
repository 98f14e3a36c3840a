"""What a person does on the pages: sign in, acknowledge, snooze, pause, resume. Plain forms, no script."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from checker.model import Command, Snooze
from checker.record import UnknownMonitorError
from checker.store import operations, snoozes
from checker.web.access import Right, right_of
from checker.web.body import TooLargeError, read_body
from checker.web.context import Context
from checker.web.pages import render
from checker.web.session import may_act, sign_in, sign_out

BODY = 10_000  # bytes of a form
FIELDS = 50
SLOW = 10.0  # seconds for it to arrive
WRONG = 0.5  # seconds that a wrong token has to wait for its answer
LENGTHS = {"1h": 3_600.0, "4h": 14_400.0, "1d": 86_400.0, "7d": 604_800.0}
BY = "the dashboard"
LARGEST = 2**63 - 1


def router(context: Context) -> APIRouter:
    """Return the routes that forms are sent to."""
    forms = APIRouter(include_in_schema=False)

    @forms.get("/login", response_class=HTMLResponse)
    async def ask(request: Request) -> HTMLResponse:
        able = bool(context.config().server.admin_token)
        return await render(
            "login.html", next=_place(request.query_params.get("next", "/")), wrong=False, able=able
        )

    @forms.post("/login")
    async def login(request: Request) -> Response:
        server = context.config().server
        sent = await _form(request)
        place = _place(sent.get("next", "/"))
        if right_of(server, sent.get("token", "").strip()) is not Right.WRITE:
            await asyncio.sleep(WRONG)
            able = bool(server.admin_token)
            return await render("login.html", status=403, next=place, wrong=True, able=able)
        answer = RedirectResponse(place, 303)
        sign_in(server, request, answer, context.clock())
        return answer

    @forms.post("/logout")
    async def logout(request: Request) -> Response:
        await _allowed(context, request)
        answer = RedirectResponse("/", 303)
        sign_out(answer)
        return answer

    @forms.post("/act")
    async def act(request: Request) -> Response:
        sent = await _allowed(context, request)
        if "incident" in sent:
            await _on_incident(context, sent.get("what", ""), _number(sent["incident"]), sent)
        else:
            await _on_monitor(context, sent.get("what", ""), sent)
        context.wake()
        return RedirectResponse(_place(sent.get("next", "/")), 303)

    return forms


async def _on_incident(context: Context, what: str, number: int, sent: Mapping[str, str]) -> None:
    now = context.clock()
    if what == "acknowledge":
        await context.store.write(lambda conn: operations.acknowledge_incident(conn, number, now, BY))
    elif what == "snooze":
        wanted = _snooze(sent, now)
        await context.store.write(lambda conn: snoozes.put_incident(conn, number, wanted))
    else:
        raise HTTPException(422, "an incident can be acknowledged or snoozed")


async def _on_monitor(context: Context, what: str, sent: Mapping[str, str]) -> None:
    now = context.clock()
    monitor_id = context.monitors.full_name(sent.get("monitor", ""))
    if monitor_id is None:
        raise HTTPException(404, "no such monitor")
    if what in ("pause", "resume"):
        try:
            await context.record([(monitor_id, Command(what, now, BY))])
        except UnknownMonitorError:
            raise HTTPException(404, "the monitor was removed just now") from None
    elif what == "snooze":
        wanted = _snooze(sent, now)
        await context.store.write(lambda conn: snoozes.put(conn, [monitor_id], wanted))
    elif what == "unsnooze":
        await context.store.write(lambda conn: snoozes.forget(conn, [monitor_id]))
    else:
        raise HTTPException(422, "a monitor can be paused, resumed, snoozed and told of again")


def _snooze(sent: Mapping[str, str], now: float) -> Snooze:
    length = LENGTHS.get(sent.get("length", "1h"))
    if length is None:
        raise HTTPException(422, f"a snooze lasts one of: {', '.join(LENGTHS)}")
    return Snooze(now + length, now, BY)


async def _allowed(context: Context, request: Request) -> Mapping[str, str]:
    """Return a form that a page of ours was sent with; raises 403."""
    sent = await _form(request)
    if not may_act(context.config().server, request, sent.get("form", ""), context.clock()):
        raise HTTPException(403, "sign in first, and send the form from the page")
    return sent


async def _form(request: Request) -> dict[str, str]:
    """Return a form's fields; raises 413 or 408 for one that is too large or too slow."""
    try:
        sent = await read_body(request, most=BODY, within=SLOW)
    except TooLargeError:
        raise HTTPException(413, "the form is too large") from None
    except TimeoutError:
        raise HTTPException(408, "the form did not arrive in time") from None
    try:
        return dict(parse_qsl(sent.decode("utf-8", "replace"), max_num_fields=FIELDS))
    except ValueError:
        raise HTTPException(422, "the form has too many fields") from None


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < number <= LARGEST:
        raise HTTPException(422, "an incident's number is meant")
    return number


def _place(text: str) -> str:
    """Return a path on this server, whatever was asked for."""
    safe = (
        text.startswith("/")
        and not text.startswith(("//", "/\\"))
        and text.isprintable()
        and "\\" not in text
    )
    return text[:2_000] if safe else "/"
