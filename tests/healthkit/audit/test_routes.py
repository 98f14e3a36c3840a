"""Health routes: which of them prove nothing, and which of them only look as if they did."""

from __future__ import annotations

import socket

import pytest

from tests.healthkit.audit.samples import Sample

HEAD = """
import os, threading, time
from flask import Flask, jsonify
from sqlalchemy import create_engine, text
engine = create_engine(os.environ["AUDIT_DATABASE_URL"])  # healthkit: ignore[HK002] not the subject here
app = Flask(__name__)
"""


def with_head(code: str) -> dict[str, str]:
    """Return an app whose engine is there, and whose route is the subject."""
    return {"app.py": HEAD + "\n".join(line.removeprefix("        ") for line in code.splitlines())}


@pytest.mark.parametrize("path", ["/health", "/healthz", "/ready", "/api/healthcheck", "/status/health/"])
def test_a_route_that_answers_200_without_the_database_is_found(sample: Sample, path: str) -> None:
    sample.agrees(
        with_head(f"""
        @app.get("{path}")
        def any_name():  # gap: HK001
            return jsonify(status="ok", version=os.environ.get("VERSION"))
        """)
    )


def test_a_route_that_asks_the_database_is_left_alone(sample: Sample) -> None:
    sample.agrees(
        with_head("""
        @app.get("/health")
        def health():
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            return "ok"

        @app.get("/healthz")
        def shallow():  # beside a deep one, this is the liveness of Kubernetes
            return "ok"
        """)
    )


def test_a_route_that_tells_what_other_code_found_out_is_left_alone(sample: Sample) -> None:
    sample.agrees(
        with_head("""
        state = {"database": "up"}

        def look():
            state["database"] = "down"

        @app.get("/health")
        def health():
            return state
        """)
    )


def test_a_background_thread_that_asks_the_database_makes_the_audit_silent(sample: Sample) -> None:
    sample.agrees(
        with_head("""
        class Looker(threading.Thread):
            fine = True
            def run(self):
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))

        looker = Looker()
        looker.start()
        looker.join()

        @app.get("/health")
        def health():
            return "ok" if looker.fine else ("down", 503)
        """)
    )


@pytest.mark.parametrize("answer", ['("", 401)', '("", 302, {"Location": "/login"})', '("down", 503)'])
def test_a_route_that_does_not_answer_200_proves_nothing_either_way(sample: Sample, answer: str) -> None:
    sample.agrees(
        with_head(f"""
        @app.get("/health")
        def health():
            return {answer} if app.debug in (False, None) else "ok"
        """)
    )


def test_a_hard_coded_route_is_named_without_any_database(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            from fastapi import Depends, FastAPI
            def needed() -> None: ...
            app = FastAPI()
            @app.get("/health")
            async def health() -> dict[str, str]:  # gap: HK008
                return {"status": "ok"}
            @app.get("/ready")
            async def ready(found: None = Depends(needed)) -> dict[str, str]:
                return {"status": "ok"}
            @app.get("/ping")
            async def ping() -> str:
                return "pong"
            """
        }
    )


def test_routes_of_included_routers_and_mounted_apps_are_asked(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            import os
            from fastapi import APIRouter, FastAPI
            from sqlalchemy import create_engine
            engine = create_engine(os.environ["AUDIT_DATABASE_URL"])  # gap: HK002
            inner, below, app = APIRouter(prefix="/api"), FastAPI(), FastAPI()
            @inner.get("/health")
            def health() -> str:  # gap: HK001
                return "ok"
            @below.get("/readyz")
            def ready() -> str:  # gap: HK001
                return "ok"
            app.include_router(inner, prefix="/v1")
            app.mount("/below", below)
            """
        }
    )


def test_an_app_without_a_health_route_is_found(sample: Sample) -> None:
    sample.agrees({"app.py": "from flask import Flask\napp = Flask(__name__)  # gap: HK013\n"})


@pytest.mark.parametrize("bypass", ["", ", bypass=True"])
def test_an_app_that_mounts_healthkit_has_one(sample: Sample, bypass: str) -> None:
    sample.agrees(
        {
            "app.py": f"""
            from flask import Flask
            from healthkit import Health
            from healthkit_flask import HealthKit
            app = Flask(__name__)
            HealthKit(app, Health("x"){bypass})
            """
        }
    )


def test_middleware_counts_as_a_health_route(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            from fastapi import FastAPI
            from healthkit import Health
            from healthkit.asgi import HealthMiddleware
            app = FastAPI()
            app.add_middleware(HealthMiddleware, health=Health("x"))
            """
        }
    )


def test_a_wsgi_app_with_a_page_for_every_path_proves_no_route(sample: Sample) -> None:
    sample.agrees(
        {
            "app.py": """
            import os
            from sqlalchemy import create_engine
            engine = create_engine(os.environ["AUDIT_DATABASE_URL"])  # gap: HK002
            def app(environ, start_response):
                start_response("200 OK", [])
                return [b"<!doctype html>"]
            """
        }
    )


def test_no_request_leaves_the_process_while_a_route_is_asked(sample: Sample) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        sample.agrees(
            {
                "app.py": f"""
                import http.client, urllib.request, httpx, requests
                from flask import Flask
                app = Flask(__name__)
                @app.get("/health")
                def health():
                    for ask in (requests.get, httpx.get, urllib.request.urlopen):
                        try:
                            ask("http://127.0.0.1:{port}/")
                        except OSError as error:
                            print(error)
                        except httpx.HTTPError as error:
                            print(error)
                    return "ok", 503
                """
            }
        )
        with pytest.raises(TimeoutError):
            server.accept()


LIVE = """
@app.get("{path}")
def alive():{gap}
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return "ok"
"""


@pytest.mark.parametrize(
    ("path", "is_gap"), [("/live", True), ("/health/live", True), ("/livez", True), ("/ping", False)]
)
def test_liveness_that_asks_the_database_is_found(sample: Sample, path: str, is_gap: bool) -> None:
    code = HEAD + LIVE.format(path=path, gap="  # gap: HK009" if is_gap else "")
    sample.agrees({"app.py": code})


def test_a_liveness_probe_on_the_whole_report_is_found_only_where_it_has_a_dependency(sample: Sample) -> None:
    app = """
    import os
    from flask import Flask
    from healthkit import Health
    from healthkit.checks.sqlalchemy import DatabaseWrite
    from healthkit_flask import HealthKit
    app, health = Flask(__name__), Health("x")
    health.add(DatabaseWrite(os.environ["AUDIT_DATABASE_URL"]))
    HealthKit(app, health)
    """
    probe = "kind: Deployment\nlivenessProbe:\n  httpGet: {{ path: {} }}{}\n"
    sample.agrees(
        {
            "app.py": app,
            "wrong.yaml": probe.format("/health", "  # gap: HK009"),
            "ready.yaml": probe.format("/health/ready", "  # gap: HK009"),
            "right.yaml": probe.format("/health/live", ""),
            "own.yaml": probe.format("/somewhere", ""),
        }
    )
