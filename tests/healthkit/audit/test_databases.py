"""Databases with and without a proof that they take writes."""

from __future__ import annotations

import pytest

from tests.healthkit.audit.samples import Sample

MOUNTED = """
import os
from flask import Flask
from sqlalchemy import create_engine, text
from healthkit import Health
from healthkit.checks.sqlalchemy import DatabaseWrite, RowFreshness
from healthkit_flask import HealthKit
URL = os.environ["AUDIT_DATABASE_URL"]
app, health = Flask(__name__), Health("x")
HealthKit(app, health)
"""


@pytest.mark.parametrize(
    "code",
    [
        "engine = create_engine(URL)  # gap: HK002",
        "engine = create_engine(URL)\nhealth.add(DatabaseWrite(engine))",
        "engine = create_engine(URL)\nhealth.add(DatabaseWrite(URL))",
        "engine = create_engine(URL)\nhealth.add(RowFreshness('SELECT 1', engine, max_age='1d'))".replace(
            "(URL)", "(URL)  # gap: HK002", 1
        ),
        "one = create_engine(URL)\ntwo = create_engine(URL)\nhealth.add(DatabaseWrite(one))",
        "one = create_engine(URL)  # gap: HK002\ntwo = create_engine(URL)",
        "a = create_engine(URL)\nb = create_engine(URL + '2')  # gap: HK002\nhealth.add(DatabaseWrite(a))",
        "replica = create_engine(URL)",
        "engine = create_engine('postgresql+psycopg://u:secret@db-replica-1/shop')",
        "engine = create_engine('postgresql+psycopg://u:secret@db/shop',\n"
        "    execution_options={'postgresql_readonly': True})",
    ],
)
def test_each_database_wants_one_write_probe(sample: Sample, code: str) -> None:
    sample.agrees({"app.py": f"{MOUNTED}{code}\n"})


def test_a_check_of_ones_own_that_commits_is_a_write_probe(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": MOUNTED
            + """
engine = create_engine(URL)
@health.check("database", measurement="write")
def write():
    with engine.begin() as connection:
        connection.execute(text("UPDATE heartbeat SET at = 1"))
"""
        }
    )


def test_a_route_of_ones_own_that_commits_is_one_too(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            import os
            from flask import Flask
            from sqlalchemy import create_engine, text
            engine, app = create_engine(os.environ["AUDIT_DATABASE_URL"]), Flask(__name__)
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE IF NOT EXISTS heartbeat (at INTEGER)"))
            @app.get("/health")
            def health():
                with engine.begin() as connection:
                    connection.execute(text("INSERT INTO heartbeat VALUES (1)"))
                return "ok"
            """
        }
    )


def test_a_factory_and_an_engine_in_another_file_are_seen(sample: Sample) -> None:
    findings = sample.audit(
        {
            "shop/__init__.py": "",
            "shop/db.py": "import os\nfrom sqlalchemy import create_engine\n"
            "def connect():\n    return create_engine(os.environ['AUDIT_DATABASE_URL'])\n",
            "shop/web/__init__.py": "",
            "shop/web/app.py": "from flask import Flask\nfrom shop.db import connect\n"
            "def create_app():\n    app = Flask('x')\n    app.engine = connect()\n"
            "    app.add_url_rule('/health', view_func=lambda: ('', 204))\n    return app\n",
        },
        "shop.web.app:create_app",
    )
    assert [(one.path, one.line, one.code) for one in findings] == [("shop/db.py", 4, "HK002")]
    assert findings[0].fix == 'health.add(DatabaseWrite(connect()), tags={"ready"}, timeout=2)'


def test_an_engine_made_at_startup_is_seen_in_the_text(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            import contextlib
            from fastapi import FastAPI
            from sqlalchemy.ext.asyncio import create_async_engine
            @contextlib.asynccontextmanager
            async def lifespan(app):
                app.state.engine = create_async_engine("postgresql+asyncpg://db/shop")  # gap: HK002
                yield
            app = FastAPI(lifespan=lifespan)
            @app.get("/health")
            async def health():
                async with app.state.engine.connect():
                    return "ok"
            """
        }
    )


def test_nothing_secret_of_an_engine_is_told(sample: Sample) -> None:
    url = "postgresql+psycopg://user:topsecret@127.0.0.1:1/shop"
    findings = sample.audit({"app.py": f"{MOUNTED}engine = create_engine('{url}')\n"})
    assert [one.code for one in findings] == ["HK002"]
    assert "topsecret" not in repr(findings)
    assert "postgresql shop" in findings[0].why
