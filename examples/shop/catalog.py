"""A second, smaller service on FastAPI that knows stock: `uvicorn examples.shop.catalog:app --factory`."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from examples.shop import models, settings
from healthkit import Fail, Health
from healthkit_fastapi import mount_health


def app() -> FastAPI:
    """Create the service."""
    service = FastAPI(title="catalog")
    health = Health("catalog", version="0.3.0")

    @health.check("stock", timeout=2)
    async def stock() -> int:
        """The catalogue can be read and is not empty."""
        with settings.engine().connect() as connection:
            count = int(connection.execute(text("SELECT count(*) FROM product")).scalar_one())
        if not count:
            raise Fail("the catalogue is empty")
        return count

    mount_health(service, health)

    @service.get("/stock/{name}")
    def in_stock(name: str) -> dict[str, str]:
        """Tell the price of one product."""
        with Session(settings.engine()) as session:
            product = session.scalar(select(models.Product).where(models.Product.name == name))
        if product is None:
            raise HTTPException(404, "no such product")
        return {"name": product.name, "price": str(product.price)}

    return service
