"""py-healthcheck in Flask with the same checks, as its own documentation sets it up."""

from __future__ import annotations

from typing import Any

import flask
from healthcheck import HealthCheck  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bench._endpoint import work

health = HealthCheck()


def _wrapped(check: Any) -> Any:
    def run() -> tuple[bool, str]:
        check()
        return True, "ok"

    run.__name__ = check.__name__
    return run


for each in work.CHECKS:
    health.add_check(_wrapped(each))

application = flask.Flask("bench")
application.add_url_rule("/health", "health", view_func=lambda: health.run())
application.add_url_rule("/", view_func=lambda: "home")
