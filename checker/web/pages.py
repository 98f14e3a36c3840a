"""Jinja2, set up once: everything is escaped, an undefined name is an error."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from checker.moments import clock, iso, latency, span, utc
from checker.web.present import Choice

HERE = Path(__file__).parent
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # marks that turn the direction of what follows


def upright(value: Any) -> Any:
    """Return text in which nothing turns its neighbours around; what forms send back is `forceescape`d."""
    if type(value) is not str or value.isascii():
        return value
    return _TURNING.sub("\ufffd", value)


_jinja = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=upright,
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
