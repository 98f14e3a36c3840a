"""Jinja2, set up once: everything is escaped, an undefined name is an error."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from checker.moments import clock, iso, latency, span, utc
from checker.web.present import Choice

HERE = Path(__file__).parent


_jinja = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def turned(choice: Choice, name: str, number: int) -> str:
    """Return the query of the dashboard with one of its lists turned to another page."""
    asked = {"q": choice.search, "tag": choice.tag, "endpoints": choice.endpoints, "jobs": choice.jobs}
    found = {**asked, name: number}
    return urlencode({key: value for key, value in found.items() if value not in ("", 1)})


_jinja.filters.update(clock=clock, iso=iso, utc=utc, span=span, latency=latency, turned=turned)


def drawn(template: str, **values: Any) -> str:
    """Return a template with these values in it."""
    return _jinja.get_template(template).render(values)


async def render(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page; a large one takes some milliseconds, in which pings are answered."""
    return HTMLResponse(await asyncio.to_thread(drawn, template, **values), status_code=status)
