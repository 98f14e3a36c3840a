"""Who sees what: by token, from this machine, from others, through a proxy, and in a browser."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checker.web.site import ADMIN, READER, Site

PAGES = ["/", "/incidents/1", "/metrics"]
OPEN = [
    "/status",
    "/badge/shop.svg",
    "/badges/2.svg",
    "/health",
    "/docs",
    "/openapi.json",
    "/static/checker.css",
]
FORWARDED = [("X-Forwarded-For", "198.51.100.7")]

Make = Callable[..., Site]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made = []

    def build(**options: Any) -> Site:
        made.append(Site(tmp_path, **options))
        return made[-1]

    yield build
    for site in made:
        site.close()


def basic(password: str, user: str = "anyone") -> list[tuple[str, str]]:
    value = base64.b64encode(f"{user}:{password}".encode()).decode()
    return [("Authorization", f"Basic {value}")]


def seen(site: Site, path: str, headers: list[tuple[str, str]]) -> bool:
    status = site.ask(path, key="", headers=headers).status
    assert status in (200, 404, 401, 403)  # there is no incident 1: whoever may look is told so
    return status in (200, 404)


@pytest.mark.parametrize("path", PAGES)
def test_on_this_machine_pages_are_open_with_or_without_a_token(make: Make, path: str) -> None:
    assert seen(make(), path, [])
    assert seen(make(admin="", reader=""), path, [])


@pytest.mark.parametrize("listen", ["0.0.0.0:8765", "192.0.2.1:80", "[::]:8765"])
@pytest.mark.parametrize("path", PAGES)
def test_from_elsewhere_pages_want_a_token(make: Make, listen: str, path: str) -> None:
    site = make(listen=listen)
    reply = site.ask(path, key="")
    assert (reply.status, reply.headers["www-authenticate"].partition(" ")[0]) == (401, "Basic")
    for token in (ADMIN, READER):
        assert seen(site, path, basic(token))
        assert seen(site, path, [("Authorization", f"Bearer {token}")])
    for headers in (basic("wrong"), basic(""), basic("x", ADMIN), [("Authorization", "Basic %%%")],
                    [("Authorization", "Basic /w==")], [("Authorization", "Bearer ")]):  # fmt: skip
        assert not seen(site, path, headers)


@pytest.mark.parametrize("path", PAGES)
def test_a_proxy_in_front_makes_this_machine_elsewhere(make: Make, path: str) -> None:
    site = make()
    assert not seen(site, path, FORWARDED)
    assert seen(site, path, [*FORWARDED, *basic(ADMIN)])


@pytest.mark.parametrize("path", PAGES)
def test_without_a_token_others_see_no_page_and_are_told_why(make: Make, path: str) -> None:
    reply = make(admin="", reader="", listen="0.0.0.0:8765").ask(path, key="")
    assert reply.status == 403
    assert 'set "admin_token"' in reply.text


@pytest.mark.parametrize("path", OPEN)
def test_what_is_public_stays_public(make: Make, path: str) -> None:
    assert make(listen="0.0.0.0:8765").ask(path, key="", headers=FORWARDED).status == 200
    assert make(admin="", reader="", listen="0.0.0.0:8765").ask(path, key="").status == 200


def test_a_password_that_browsers_send_by_themselves_changes_nothing(make: Make) -> None:
    site = make(listen="0.0.0.0:8765")
    for path in ("/api/monitors/shop/pause", "/api/maintenance"):
        assert site.ask(path, key="", method="POST", headers=basic(ADMIN), json={}).status == 401
    assert site.ask("/api/status", key="", headers=basic(ADMIN)).status == 401


def test_the_api_is_read_with_either_token_and_changed_with_one(make: Make) -> None:
    site = make()
    site.json("/api/status", 401, key="")
    site.json("/api/status", 401, key="wrong")
    for token in (ADMIN, READER):
        assert site.json("/api/status", key=token)["verdict"]
    found = site.json("/api/monitors/shop/pause", 403, key=READER, method="POST")
    assert "may read only" in found["error"]
    site.json("/api/monitors/shop/pause", 401, key="", method="POST")
    assert site.json("/api/monitors/shop/pause", method="POST")["state"] == "paused"


def test_without_a_token_the_api_is_read_here_and_changed_nowhere(make: Make) -> None:
    site = make(admin="", reader="")
    assert site.ask("/api/status", key="").status == 200
    site.json("/api/status", 403, key="", headers=FORWARDED)
    found = site.json("/api/monitors/shop/pause", 403, key="", method="POST")
    assert 'set "admin_token" under [server]' in found["error"]
    other = make(admin="", reader="", listen="0.0.0.0:8765")
    assert 'set "admin_token"' in other.json("/api/status", 403, key="")["error"]


def test_with_a_reading_token_alone_nobody_changes_anything(make: Make) -> None:
    site = make(admin="")
    assert site.ask("/api/status", key=READER).status == 200
    site.json("/api/status", 401, key="")
    site.json("/api/monitors/shop/pause", 403, key=READER, method="POST")
    site.json("/api/v3/checks/", 403, key=READER, method="POST")


def test_no_page_and_no_answer_holds_a_token(make: Make) -> None:
    site = make()
    secrets = [ADMIN, READER, "ping-key-0123456789", "hunter2", "s3cret", "T0KEN"]
    paths = ["/", "/metrics", "/docs", "/openapi.json", "/status"]
    for path in [
        *paths,
        "/api/monitors",
        "/api/status",
        "/api/deliveries",
        "/api/uptime",
        "/api/maintenance",
    ]:
        text = site.ask(path).text
        assert not [secret for secret in secrets if secret in text], path
