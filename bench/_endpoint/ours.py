"""healthkit in Flask and in FastAPI; `BENCH_FRESH_FOR` sets how long a reading is served again."""

from __future__ import annotations

import os
from typing import Any

import flask
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from bench._endpoint.work import CHECKS, STATIC
from healthkit import Health
from healthkit_fastapi import mount_health
from healthkit_flask import HealthKit

health = Health("bench")
for check in CHECKS:
    health.add(check, fresh_for=float(os.environ.get("BENCH_FRESH_FOR", "1")))

flask_app = flask.Flask("bench")
HealthKit(flask_app, health)
flask_app.add_url_rule("/", view_func=lambda: "home")
flask_app.add_url_rule("/static-json", endpoint="static-json", view_func=lambda: flask.jsonify(STATIC))

fastapi_app = FastAPI()
mount_health(fastapi_app, health)


@fastapi_app.get("/")
async def home() -> str:
    """Answer like a page."""
    return "home"


@fastapi_app.get("/static-json")
async def static_json() -> dict[str, Any]:
    """Answer as a FastAPI route usually does."""
    return STATIC


@fastapi_app.get("/bare-json")
async def bare_json() -> JSONResponse:
    """Answer without FastAPI's serialisation."""
    return JSONResponse(STATIC)
