"""`import healthkit`: quick, typed, and of the standard library alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

import healthkit

OUTSIDE = "flask, fastapi, starlette, sqlalchemy, redis, rq, requests, gevent, asyncio"


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def test_health_needs_the_standard_library_only_and_no_asyncio() -> None:
    found = python(f"import sys; from healthkit import Health, Warn, Fail; Health('shop').report(); "
                   f"print([m for m in '{OUTSIDE}'.split(', ') if m in sys.modules])")  # fmt: skip
    assert found == "[]"


def test_importing_healthkit_is_quick() -> None:
    times = [
        float(
            python("import time; t = time.perf_counter(); import healthkit; print(time.perf_counter() - t)")
        )
        for _ in range(3)
    ]
    assert min(times) < 0.03


def test_every_public_name_can_be_had() -> None:
    assert [name for name in healthkit.__all__ if getattr(healthkit, name) is None] == []
    assert set(healthkit.__all__) <= set(dir(healthkit))


def test_the_middleware_is_reached_through_the_package() -> None:
    assert python(
        "import healthkit; print(healthkit.asgi.HealthMiddleware.__name__, healthkit.wsgi.__name__)"
    ) == ("HealthMiddleware healthkit.wsgi")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        healthkit.nonsense  # noqa: B018
