"""What is FastAPI's own: dependencies, root paths, sub-apps, catch-alls, the app's loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.applications import Starlette

from healthkit import ConfigurationError, Health
from healthkit_fastapi import health_router, mount_health
from tests.contract.apps import over_asgi


def health_of() -> Health:
    health = Health("shop")
    health.add(lambda: 1, name="disk")
    return health


def wall() -> None:
    raise HTTPException(401)


def test_the_mount_stands_before_app_wide_dependencies_and_the_router_behind_them() -> None:
    mounted, routed = FastAPI(dependencies=[Depends(wall)]), FastAPI(dependencies=[Depends(wall)])
    mount_health(mounted, health_of())
    routed.include_router(health_router(health_of()))
    assert over_asgi(mounted)("/health").status == 200
    assert over_asgi(routed)("/health").status == 401


def test_a_router_of_ones_own_may_be_guarded() -> None:
    app = FastAPI()
    app.include_router(health_router(health_of()), prefix="/internal", dependencies=[Depends(wall)])
    app.include_router(health_router(health_of(), prefix="/open"))
    assert over_asgi(app)("/internal/health/checks/disk").status == 401
    assert over_asgi(app)("/open/checks/disk").status == 200


def test_the_mount_wins_over_a_catch_all_that_was_there_first() -> None:
    app = FastAPI()
    app.add_api_route("/{anything:path}", lambda anything: anything)
    mount_health(app, health_of())
    assert b'"checks"' in over_asgi(app)("/health").body
    assert over_asgi(app)("/else").body == b'"else"'


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/ready", "/health/checks/disk"])
def test_it_works_behind_a_root_path_and_as_a_sub_app(path: str) -> None:
    app = FastAPI()
    mount_health(app, health_of())
    assert over_asgi(app, root_path="/behind/proxy")(path).status == 200
    outer = FastAPI()
    outer.mount("/shop", app)
    assert over_asgi(outer)(f"/shop{path}").status == 200
    assert over_asgi(outer)(path).status == 404


def test_it_mounts_in_plain_starlette() -> None:
    app = Starlette()
    mount_health(app, health_of(), path="/internal/health")
    assert over_asgi(app)("/internal/health/live").status == 200


def test_it_stays_out_of_the_openapi_document() -> None:
    app = FastAPI()
    mount_health(app, health_of())
    app.include_router(health_router(health_of(), prefix="/again"))
    assert app.openapi()["paths"] == {}


def test_an_async_check_may_use_a_client_of_the_apps_loop() -> None:
    async def turn() -> list[str]:
        loop = asyncio.get_running_loop()
        health = Health("shop")

        async def client() -> int:
            waits = loop.create_future()
            loop.call_soon(waits.set_result, 7)
            return int(await waits)

        health.add(client, name="app", on_app_loop=True)
        health.add(client, name="isolated")
        report = await health.report_async()
        return [str(reading.value or reading.output) for reading in report.readings]

    mine, isolated = asyncio.run(turn())
    assert mine == "7"
    assert "on_app_loop=True" in isolated


@pytest.mark.parametrize("app", [None, "app", object()])
def test_what_is_no_app_is_told(app: Any) -> None:
    with pytest.raises(ConfigurationError, match="not a FastAPI"):
        mount_health(app, health_of())
