"""Blanket `except`s in health functions, signs of life never tested, and checks that take too long."""

from __future__ import annotations

import pytest

from tests.healthkit.audit.samples import Sample
from tests.healthkit.audit.test_routes import with_head

TRY = """
        @app.get("/health")
        def health():
            state = "up"
            try:
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
            except Exception:{gap}
                {then}
            return {end}
        """


@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("pass", '"ok"'),
        ('state = "down"', '{"database": state}'),
        ('state = "down"', '{"status": "ok", "database": state}, 200'),
        ('return {"status": "ok"}', '"ok"'),
        ('print("the database is down: 503")', '"ok"'),
    ],
)
def test_a_route_that_answers_200_while_its_database_fails_is_found(
    sample: Sample, then: str, end: str
) -> None:
    gap = "" if "503" in then else "  # gap: HK007"  # there the handler speaks of a failure: silence
    sample.agrees(with_head(TRY.format(gap=gap, then=then, end=end)))


@pytest.mark.parametrize(
    ("then", "end"),
    [
        ('return "down", 503', '"ok"'),
        ("raise", '"ok"'),
        ('state = "down"', '({"database": state}, 200 if state == "up" else 500)'),
        ('state = "fail"', '{"status": state}'),  # a document that says so, for who reads documents
    ],
)
def test_a_route_that_says_so_is_left_alone(sample: Sample, then: str, end: str) -> None:
    sample.agrees(with_head(TRY.format(gap="", then=then, end=end)))


def test_an_exception_that_is_expected_is_no_blanket(sample: Sample) -> None:
    code = TRY.format(gap="", then="pass", end='"ok"').replace("except Exception", "except ZeroDivisionError")
    sample.agrees(with_head(code))


def test_a_try_around_something_that_cannot_be_down_is_left_alone(sample: Sample) -> None:
    sample.agrees(
        with_head("""
        @app.get("/health")
        def health():
            try:
                version = open("VERSION").read()
            except Exception:
                version = None
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            return {"version": version}
        """)
    )


CHECKS = """
import redis
from flask import Flask
from healthkit import Fail, Health
from healthkit_flask import HealthKit
client = redis.Redis()
app, health = Flask(__name__), Health("x")
HealthKit(app, health)
@health.check("one")
def swallows():
    try:
        client.ping()
    except Exception:  # gap: HK007
        return None
@health.check("two")
def passes_on():
    try:
        return client.info()
    except:  # gap: HK007
        pass
@health.check("three")
def says_so():
    try:
        client.ping()
    except Exception:
        return False
@health.check("four")
def fails():
    try:
        client.ping()
    except Exception as error:
        raise Fail("redis is down") from error
@health.check("five")
def unsure():
    value = None
    try:
        value = client.get("x")
    except Exception:
        value = -1
    return value
@health.check("six")
def constant():  # gap: HK008
    return {"fine": True}
@health.check("seven")
def asks():
    client.ping()
    return True
def added():  # gap: HK008
    return True
health.add(added)
"""


def test_checks_that_cannot_fail_are_found_and_those_that_can_are_not(sample: Sample) -> None:
    sample.agrees({"app.py": CHECKS})


SEEN = """
import time
import redis
from flask import Flask
client, app = redis.Redis(), Flask(__name__)
def age(value):
    if value is None or time.time() - float(value) > 90:
        return "stale"
    return "fresh"
{route}
"""


@pytest.mark.parametrize(
    "route",
    [
        """
@app.get("/health")
def health():
    last_seen = client.get("worker:last_seen")  # gap: HK010
    return {"worker": last_seen}
""",
        """
@app.get("/health")
def health():
    return {"worker": client.hget("worker", "last_heartbeat")}  # gap: HK010
""",
        """
@app.get("/health")
def health():
    seen = client.get("worker:last_seen")
    return {"worker": seen}, 200 if time.time() - float(seen) < 90 else 503
""",
        """
@app.get("/health")
def health():
    seen = client.get("worker:last_seen")
    return {"worker": age(seen)}
""",
        """
@app.get("/health")
def health():
    return {"every": client.get("worker:heartbeat_interval")}
""",
        """
@app.get("/health")
def health():
    client.get("greeting")
    return {"greeting": client.get("greeting")}
""",
    ],
)
def test_a_sign_of_life_that_is_shown_and_never_tested_is_found(sample: Sample, route: str) -> None:
    sample.agrees({"app.py": SEEN.format(route=route)})


def test_a_check_slower_than_a_poller_is_found(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            import shutil
            from flask import Flask
            from healthkit import Health
            from healthkit_flask import HealthKit
            app, health = Flask(__name__), Health("x")
            HealthKit(app, health)
            @health.check("slow", timeout="10s")  # gap: HK012
            def slow():
                return shutil.disk_usage("/").free
            @health.check("quick", timeout="9s")
            def quick():
                return shutil.disk_usage("/").free
            """
        }
    )
