"""fastapi-health with the same checks as plain functions, as its own documentation shows them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi_health import health  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bench._endpoint import work


def _wrapped(check: Any) -> Any:
    def run() -> bool:
        check()
        return True

    run.__name__ = check.__name__
    return run


application = FastAPI()
application.add_api_route("/health", health([_wrapped(check) for check in work.CHECKS]))


@application.get("/")
async def home() -> str:
    """Answer like a page."""
    return "home"
