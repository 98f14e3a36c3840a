"""healthkit in Flask: `HealthKit(app, health)`, or `HealthKit(health=health).init_app(app)`."""

from __future__ import annotations

from typing import Any

import flask

from healthkit.endpoint import Endpoint, mount_path
from healthkit.errors import ConfigurationError
from healthkit.health import Health
from healthkit.wsgi import HealthMiddleware, answer

__all__ = ["HealthKit", "health_blueprint"]

_EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


class HealthKit:
    """The Flask extension. Checks run inside the app's context: `db.session` and `current_app` work in them.

    By default the routes are a blueprint: the app's own `before_request` hooks and host rules apply to them.
    `bypass=True` answers in front of the app, so that neither a login wall nor a broken hook can hide them.
    """

    def __init__(
        self,
        app: flask.Flask | None = None,
        health: Health | None = None,
        *,
        path: str = "/health",
        bypass: bool = False,
    ) -> None:
        self._health = health
        self._path = mount_path(path)
        self._bypass = bypass
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Serve the health routes in this app. Raises `ConfigurationError` when no `Health` was given."""
        if self._health is None:
            raise ConfigurationError("HealthKit: no Health was given; write HealthKit(app, health)")
        self._health.run_inside(app.app_context)
        app.extensions["healthkit"] = self._health
        if self._bypass:
            app.wsgi_app = HealthMiddleware(app.wsgi_app, self._health, path=self._path)  # type: ignore[method-assign]
        else:
            app.register_blueprint(health_blueprint(self._health, self._path))


def health_blueprint(health: Health, path: str = "/health") -> flask.Blueprint:
    """Return the health routes as a blueprint, for one's own `url_prefix` or nesting."""
    endpoint, mount = Endpoint(health), mount_path(path)

    def serve(below: str = "") -> flask.Response:
        done = answer(endpoint, flask.request.environ, below.encode().decode("latin-1"))
        return flask.Response([done.body], done.status, done.headers)  # a list: HEAD keeps its length

    blueprint = flask.Blueprint(f"healthkit{mount.replace('/', '-').replace('.', '-')}", __name__)
    blueprint.before_app_request(endpoint.start)  # with the app's first request, whatever its path
    options: dict[str, Any] = {"methods": _EVERY_METHOD, "provide_automatic_options": False}
    blueprint.add_url_rule(mount, "root", serve, **options)
    blueprint.add_url_rule(f"{mount}/", "slash", serve, **options)
    blueprint.add_url_rule(f"{mount}/<path:below>", "below", serve, **options)
    return blueprint
