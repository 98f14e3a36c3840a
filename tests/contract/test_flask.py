"""What is Flask's own: factories, prefixes, login walls, contexts."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from healthkit import ConfigurationError, Health
from healthkit_flask import HealthKit, health_blueprint
from tests.contract.apps import over_wsgi


def health_of(name: str = "shop") -> Health:
    health = Health(name)
    health.add(lambda: 1, name="disk")
    return health


def test_a_factory_binds_the_extension_later_and_to_two_apps() -> None:
    extension = HealthKit(health=health_of())
    for app in (flask.Flask("one"), flask.Flask("two")):
        extension.init_app(app)
        assert over_wsgi(app)("/health").status == 200
        assert isinstance(app.extensions["healthkit"], Health)


def test_two_apps_in_one_process_have_their_own_checks() -> None:
    one, two = flask.Flask("one"), flask.Flask("two")
    HealthKit(one, health_of("one"))
    HealthKit(two, health_of("two"), path="/internal/health")
    assert b'"one"' in over_wsgi(one)("/health").body
    assert b'"two"' in over_wsgi(two)("/internal/health/ready").body
    assert over_wsgi(two)("/health").status == 404


@pytest.mark.parametrize("bypass", [False, True])
def test_it_works_below_a_dispatcher(bypass: bool) -> None:
    app = flask.Flask("inner")
    HealthKit(app, health_of(), bypass=bypass)
    ask = over_wsgi(DispatcherMiddleware(flask.Flask("outer"), {"/shop": app}))
    assert ask("/shop/health").status == 200
    assert ask("/shop/health/checks/disk").status == 200
    assert ask("/shop/health", "HEAD").status == 200
    assert ask("/health").status == 404


def test_the_blueprint_takes_a_prefix_of_ones_own() -> None:
    app = flask.Flask("app")
    app.register_blueprint(health_blueprint(health_of()), url_prefix="/internal")
    assert over_wsgi(app)("/internal/health/ready").status == 200


@pytest.mark.parametrize(("bypass", "status"), [(False, 401), (True, 200)])
def test_a_login_wall_stands_before_the_blueprint_and_not_before_the_bypass(
    bypass: bool, status: int
) -> None:
    app = flask.Flask("app")

    @app.before_request
    def wall() -> None:
        flask.abort(401)

    HealthKit(app, health_of(), bypass=bypass)
    assert over_wsgi(app)("/health").status == status


@pytest.mark.parametrize("bypass", [False, True])
def test_checks_run_inside_the_apps_context(bypass: bool) -> None:
    app, health = flask.Flask("shop"), Health("shop")
    torn_down: list[Any] = []
    app.teardown_appcontext(torn_down.append)
    health.add(lambda: flask.current_app.name, name="context")
    HealthKit(app, health, bypass=bypass)
    assert b'"observedValue":"shop"' in over_wsgi(app)("/health").body
    assert len(torn_down) >= 1, "a session bound to the context would be given back"


def test_a_catch_all_route_does_not_hide_it() -> None:
    app = flask.Flask("app")
    app.add_url_rule("/<path:anything>", view_func=lambda anything: "page", endpoint="page")
    HealthKit(app, health_of())
    assert b'"checks"' in over_wsgi(app)("/health").body


@pytest.mark.parametrize("path", ["", "health", "/", "/health/", "//health", "/he alth", "/<x>", None])
def test_a_nonsense_path_is_told_at_start_up(path: Any) -> None:
    with pytest.raises(ConfigurationError, match="path"):
        HealthKit(flask.Flask("app"), health_of(), path=path)


def test_no_health_is_told_at_start_up() -> None:
    with pytest.raises(ConfigurationError, match="no Health"):
        HealthKit(flask.Flask("app"))
    with pytest.raises(ConfigurationError, match=r"not a healthkit\.Health"):
        health_blueprint("shop")  # type: ignore[arg-type]
