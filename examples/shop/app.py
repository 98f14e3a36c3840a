"""The shop's web app: `flask --app examples.shop.app run`, or a WSGI server on `examples.shop.app:app()`."""

from __future__ import annotations

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from rq import Queue
from sqlalchemy.orm import Session

from examples.shop import jobs, models, settings
from examples.shop.health import QUEUE, build
from examples.shop.payments import PaymentError, charge
from healthkit_flask import HealthKit


def app() -> Flask:
    """Create the shop."""
    shop = Flask(__name__)
    models.create(settings.engine())
    HealthKit(shop, build())  # the one line that mounts /health
    shop.add_url_rule("/", view_func=home)
    shop.add_url_rule("/orders", view_func=order, methods=["POST"])
    return shop


def home() -> str:
    """The page that answers 200 all along: it only reads."""
    with Session(settings.engine()) as session:
        return render_template(
            "home.html", products=models.products(session), orders=models.recent_orders(session)
        )


def order() -> ResponseReturnValue:
    """Charge, write the order down, and leave the e-mail to the worker."""
    customer = request.form["customer"]
    with Session(settings.engine()) as session, session.begin():
        product = session.get_one(models.Product, int(request.form["product"]))
        try:
            paid_with = charge(str(product.price), customer)
        except PaymentError:
            paid_with = "on account"
        bought = models.Order(
            product_id=product.id, customer=customer, paid_with=paid_with, ordered_at=models.now()
        )
        session.add(bought)
        session.flush()
        number = bought.id
    Queue(QUEUE, connection=settings.redis()).enqueue(jobs.send_confirmation, number, result_ttl=60)
    return redirect(url_for("home"), code=303)
