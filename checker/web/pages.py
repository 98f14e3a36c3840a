"""Jinja2, set up once: everything is escaped, an undefined name is an error, times are shown in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from healthkit.durations import humanize

HERE = Path(__file__).parent


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def iso(at: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC."""
    return _moment(at).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(at: float) -> str:
    """Return epoch seconds as people read them, in UTC."""
    return f"{_moment(at):%Y-%m-%d %H:%M:%S} UTC"


def span(duration: float) -> str:
    """Return a duration as people say it; a negative one (clocks differ) is none."""
    return humanize(float(round(duration))) if duration >= 1 else "0 s"


_jinja = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_jinja.filters.update(iso=iso, utc=utc, span=span)


def render(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page."""
    return HTMLResponse(_jinja.get_template(template).render(values), status_code=status)
