"""What the pages' examples take for granted: an engine, apps, a package of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import flask
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import create_engine
from starlette.types import Receive, Scope, Send


def names(folder: Path, redis_url: str) -> dict[str, Any]:
    """Return the names that every page may use."""
    engine = create_engine(f"sqlite:///{folder / 'shop.db'}")
    return {
        "__name__": "example",
        "app": flask.Flask("shop"),
        "asgi_app": asgi_app,
        "ask_warehouse": lambda: "open",
        "engine": engine,
        "fastapi_app": FastAPI(),
        "flask_app": flask.Flask("another"),
        "orders_waiting": lambda: 3,
        "redis": Redis.from_url(redis_url),
        "send_to_slack": print,
        "shutil": shutil,
        "wsgi_app": wsgi_app,
    }


def modules(given: dict[str, Any]) -> dict[str, ModuleType]:
    """Return the modules of the reader's own that pages import from."""
    db = ModuleType("myapp.db")
    db.__dict__.update({name: given[name] for name in ("engine", "redis")})
    return {"myapp": ModuleType("myapp"), "myapp.db": db}


def wsgi_app(_environ: Any, start_response: Any) -> list[bytes]:
    """An app of no framework."""
    start_response("200 OK", [])
    return [b"home"]


async def asgi_app(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An app of no framework."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"home"})
