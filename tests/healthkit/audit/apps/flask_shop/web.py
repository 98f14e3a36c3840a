"""A Flask shop as many are: it works, and nobody would know if it did not."""

from __future__ import annotations

import os

from flask import Flask
from flask.typing import ResponseReturnValue
from redis import Redis
from rq import Queue
from sqlalchemy import create_engine, text

from tests.healthkit.audit.apps.flask_shop import jobs

MAILS = "mails"

engine = create_engine(os.environ["AUDIT_DATABASE_URL"])  # gap: HK002
app = Flask(__name__)
mails = Queue(MAILS, connection=Redis())  # gap: HK003
# healthkit: ignore[HK003] nothing is lost when these pictures are never made
pictures = Queue("pictures", connection=Redis())


@app.get("/")
def home() -> str:
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT 1")).scalar_one())


@app.post("/orders")
def order() -> ResponseReturnValue:
    mails.enqueue(jobs.send_confirmation, "customer@example.com")
    jobs.charge("10.00")
    return "thank you", 201


@app.route("/health")
def health() -> ResponseReturnValue:  # gap: HK001
    return {"status": "ok"}


@app.get("/ping")
def ping() -> str:
    """Says only that the process runs, and is named for no more."""
    return "pong"
