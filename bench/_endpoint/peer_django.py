"""django-health-check with the same checks, served by WSGI as most Django apps are."""

from __future__ import annotations

import dataclasses
from typing import Any

import django  # type: ignore[import-not-found,import-untyped,unused-ignore]
from django.conf import settings  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bench._endpoint import work

settings.configure(
    DEBUG=False, SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    INSTALLED_APPS=["health_check"], TEMPLATES=[], LOGGING_CONFIG=None,
)  # fmt: skip
django.setup()

from django.core.wsgi import get_wsgi_application  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: E402
from django.http import HttpResponse  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: E402
from django.urls import path  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: E402
from health_check.base import HealthCheck  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: E402
from health_check.views import HealthCheckView  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: E402


def _wrapped(check: Any) -> type:
    def run(_self: Any) -> None:
        check()

    return dataclasses.dataclass(type(check.__name__.title(), (HealthCheck,), {"run": run}))


CLASSES = [_wrapped(check) for check in work.CHECKS]
urlpatterns = [
    path("health", HealthCheckView.as_view(checks=CLASSES)),
    path("", lambda _request: HttpResponse("home")),
]
application = get_wsgi_application()
