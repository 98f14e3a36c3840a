"""A FastAPI service whose `/health` is healthkit's, with half of the checks it needs."""

from __future__ import annotations

import os

import httpx
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from healthkit import Health
from healthkit.checks.http import ThirdPartyAPI
from healthkit.checks.sqlalchemy import RowFreshness
from healthkit_fastapi import mount_health
from tests.healthkit.audit.apps.fastapi_api.billing import pay

engine = create_async_engine(  # gap: HK002
    os.environ["AUDIT_DATABASE_URL"].replace("sqlite://", "sqlite+aiosqlite://")
)
weather = httpx.AsyncClient(base_url="https://api.openweathermap.org/data/2.5")  # gap: HK006
github = httpx.AsyncClient(base_url="https://api.github.com")


async def session() -> object:
    """The dependency that routes take."""
    return object()


router = APIRouter(prefix="/healthz")


@router.get("/live")
async def live() -> dict[str, str]:  # gap: HK009
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return {"status": "ok"}


@router.get("/ready")
async def ready() -> dict[str, str]:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    return {"status": "ok"}


health = Health("api")
health.add(RowFreshness("SELECT 1", engine, max_age="1d"), tags={"live"})  # gap: HK009
health.add(ThirdPartyAPI("github", "https://api.github.com/zen"), critical=False)


@health.check("weather-cache", timeout=30)  # gap: HK012
async def weather_cache() -> int:
    answer = await github.get("/rate_limit")
    return answer.status_code


@health.check("licence")
def licence() -> bool:  # gap: HK008
    return True


app = FastAPI()
app.include_router(router)
mount_health(app, health)


@app.get("/forecast", dependencies=[Depends(session)])
async def forecast() -> object:
    """Tell the weather, for money."""
    await pay("10.00")
    return (await weather.get("/forecast")).json()
