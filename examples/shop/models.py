"""The shop's tables and the few things done with them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Engine, ForeignKey, Numeric, String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """Base of the shop's tables."""


class Product(Base):
    """Something to buy."""

    __tablename__ = "product"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))


class Order(Base):
    """One purchase, from the click to the confirmation."""

    __tablename__ = "shop_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    customer: Mapped[str] = mapped_column(String(200))
    paid_with: Mapped[str] = mapped_column(String(64))
    ordered_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class Invoice(Base):
    """What the nightly job makes of the day's orders."""

    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    orders: Mapped[int]
    total: Mapped[Decimal] = mapped_column(Numeric(12, 2))


CATALOGUE = {"Teapot": "24.00", "Kettle": "39.50", "Cup, set of two": "18.00", "Darjeeling, 250 g": "12.90"}


def now() -> datetime:
    """The present in UTC, without a zone, as the tables keep it."""
    return datetime.now(UTC).replace(tzinfo=None)


def create(engine: Engine) -> None:
    """Create the tables and the catalogue where they are missing."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        if session.scalar(select(func.count()).select_from(Product)) == 0:
            session.add_all(Product(name=name, price=Decimal(price)) for name, price in CATALOGUE.items())


def products(session: Session) -> list[Product]:
    """Everything on sale."""
    return list(session.scalars(select(Product).order_by(Product.id)))


def recent_orders(session: Session, limit: int = 10) -> list[tuple[Order, Product]]:
    """The latest orders with what was bought."""
    query = select(Order, Product).join(Product, Product.id == Order.product_id).order_by(Order.id.desc())
    return [(order, product) for order, product in session.execute(query.limit(limit))]


def make_invoice(session: Session) -> Invoice:
    """Add up what was ordered since the last invoice and write the next one."""
    since = session.scalar(select(func.max(Invoice.made_at))) or datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC
    query = select(func.count(), func.coalesce(func.sum(Product.price), 0)).select_from(Order)
    count, total = session.execute(
        query.join(Product, Product.id == Order.product_id).where(Order.ordered_at > since)
    ).one()
    invoice = Invoice(made_at=now(), orders=count, total=Decimal(total))
    session.add(invoice)
    return invoice
