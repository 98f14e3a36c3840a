"""Jinja2, set up once: everything is escaped, an undefined name is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from checker.moments import clock, iso, span, utc

HERE = Path(__file__).parent


_jinja = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_jinja.filters.update(clock=clock, iso=iso, utc=utc, span=span)


def render(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page."""
    return HTMLResponse(_jinja.get_template(template).render(values), status_code=status)
