"""A Flask and a FastAPI app with one check that hangs, in C, while a file is locked by someone else."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import flask
from fastapi import FastAPI

from healthkit import Health
from healthkit_fastapi import mount_health
from healthkit_flask import HealthKit

LOCK = Path(os.environ["HUNG_APPS_LOCK"])
RUNS = Path(os.environ["HUNG_APPS_RUNS"])
TIMEOUT = 0.5

health = Health("hung")
beats: list[int] = []


def lock() -> None:
    """Return once nobody holds the file exclusively; until then hang where no loop can reach."""
    with LOCK.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)


@health.check("hung", timeout=TIMEOUT, fresh_for=0)
def hung() -> None:
    """Hang while the file is locked."""
    if os.environ["HUNG_APPS_KIND"] == "sync":
        lock()


@health.check("hung-async", timeout=TIMEOUT, fresh_for=0)
async def hung_async() -> None:
    """Block the loop it runs on while the file is locked, as no async check should."""
    if os.environ["HUNG_APPS_KIND"] == "async":
        lock()


@health.check("counted", fresh_for=60)
def counted() -> None:
    """Leave a line for each run."""
    with RUNS.open("a") as file:
        file.write(f"{os.getpid()}\n")


@health.check("beat", every=0.2, tags={"background"})
def beat() -> list[int]:
    """Count its own runs, in the process that serves."""
    beats.append(threading.get_ident())
    return [os.getpid(), len(beats)]


flask_app = flask.Flask(__name__)
flask_app.add_url_rule("/", view_func=lambda: "home")
HealthKit(flask_app, health)

fastapi_app = FastAPI()
mount_health(fastapi_app, health)


@fastapi_app.get("/")
async def home() -> str:
    """Answer like a page."""
    return "home"


if os.environ.get("HUNG_APPS_CHECK_EARLY"):
    health.report()  # before the fork: leaves a reading, a loop and locks that workers must not use
