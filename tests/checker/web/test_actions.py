"""Buttons on the pages: only for who signed in with the admin_token, and only from pages of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from checker.model import Cause, Incident, Member, State
from checker.store import incidents
from checker.web.session import LASTS
from tests.checker.web.asgi import Reply
from tests.checker.web.site import ADMIN, NOW, READER, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.close()


def post(site: Site, path: str, cookie: str = "", **fields: object) -> Reply:
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    if cookie:
        headers.append(("Cookie", cookie))
    return site.ask(path, key="", method="POST", headers=headers, body=urlencode(fields).encode())


def login(site: Site, token: str = ADMIN) -> str:
    reply = post(site, "/login", token=token, next="/monitors/shop")
    assert (reply.status, reply.headers["location"]) == (303, "/monitors/shop")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" in cookie  # its public_url is https
    return cookie.split(";")[0]


def form_of(site: Site, cookie: str, path: str = "/monitors/shop") -> str:
    page = site.ask(path, key="", headers=[("Cookie", cookie)]).text
    return page.split('name="form" value="')[1].split('"')[0]


def opened(site: Site) -> int:
    member = Member(site.id("shop"), "shop", State.DOWN, "503", Cause.HTTP, NOW - 720)
    found = Incident(0, "shop", "k", "shop is down", "503", NOW - 720, members=(member,))
    return site.store.write_now(lambda conn: incidents.save(conn, found, NOW))


def test_there_is_no_button_before_signing_in(site: Site) -> None:
    number = opened(site)
    for path in ("/", "/monitors/shop", f"/incidents/{number}"):
        page = site.ask(path).text
        assert ("/act" in page, "Sign in to act" in page) == (False, True)


def test_a_monitor_is_paused_and_resumed(site: Site) -> None:
    cookie = login(site)
    form = form_of(site, cookie)
    done = post(site, "/act", cookie, form=form, monitor="shop", what="pause", next="/monitors/shop")
    assert (done.status, done.headers["location"]) == (303, "/monitors/shop")
    assert site.json("/api/monitors/shop")["state"] == "paused"
    assert ">Resume<" in site.ask("/monitors/shop", headers=[("Cookie", cookie)]).text
    post(site, "/act", cookie, form=form, monitor="shop", what="resume")
    assert site.json("/api/monitors/shop")["state"] == "new"


def test_an_incident_is_acknowledged_and_snoozed(site: Site) -> None:
    number, cookie = opened(site), login(site)
    form = form_of(site, cookie, f"/incidents/{number}")
    assert post(site, "/act", cookie, form=form, incident=number, what="acknowledge").status == 303
    assert post(site, "/act", cookie, form=form, incident=number, what="snooze", length="4h").status == 303
    found = site.json(f"/api/incidents/{number}")
    assert (found["acknowledged_at"], found["snoozed_until"]) == (NOW, NOW + 4 * 3600)
    page = site.ask(f"/incidents/{number}", headers=[("Cookie", cookie)]).text
    assert (">Acknowledge<" in page, "Snoozed until" in page) == (False, True)


def test_a_monitor_is_snoozed_and_told_of_again(site: Site) -> None:
    cookie = login(site)
    form = form_of(site, cookie)
    post(site, "/act", cookie, form=form, monitor="shop", what="snooze", length="1d")
    assert site.json("/api/monitors/shop")["snoozed_until"] == NOW + 86_400
    assert ">Tell again<" in site.ask("/monitors/shop", headers=[("Cookie", cookie)]).text
    post(site, "/act", cookie, form=form, monitor="shop", what="unsnooze")
    assert site.json("/api/monitors/shop")["snoozed_until"] is None


@pytest.mark.parametrize("token", ["", "wrong", READER])
def test_another_token_signs_nobody_in(site: Site, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.web.actions.WRONG", 0.0)
    reply = post(site, "/login", token=token)
    assert (reply.status, "set-cookie" in reply.headers) == (403, False)
    assert "That is not the admin_token" in reply.text


def test_a_form_of_another_site_or_session_is_refused(site: Site) -> None:
    cookie = login(site)
    form = form_of(site, cookie)
    act = {"monitor": "shop", "what": "pause"}
    assert post(site, "/act", cookie, **act).status == 403
    assert post(site, "/act", cookie, form="0" * 64, **act).status == 403
    assert post(site, "/act", form=form, **act).status == 403
    forged = cookie.replace("=1", "=2", 1)
    assert post(site, "/act", forged, form=form, **act).status == 403
    site.now += LASTS
    assert post(site, "/act", cookie, form=form, **act).status == 403
    assert site.json("/api/monitors/shop")["state"] == "new"


def test_signing_out_forgets_the_browser(site: Site) -> None:
    cookie = login(site)
    reply = post(site, "/logout", cookie, form=form_of(site, cookie))
    assert reply.status == 303
    assert 'healthkit=""' in reply.headers["set-cookie"]


def test_what_cannot_be_meant_is_refused(site: Site) -> None:
    cookie = login(site)
    form = form_of(site, cookie)
    for status, fields in (
        (422, {"monitor": "shop", "what": "explode"}),
        (422, {"monitor": "shop", "what": "snooze", "length": "9y"}),
        (422, {"incident": "x", "what": "acknowledge"}),
        (422, {"incident": "9" * 19, "what": "delete"}),
        (404, {"monitor": "none", "what": "pause"}),
        (422, {f"f{n}": 1 for n in range(60)}),
        (413, {"x": "y" * 20_000}),
    ):
        assert post(site, "/act", cookie, form=form, **fields).status == status, fields


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y"])
def test_nobody_is_sent_elsewhere(site: Site, place: str) -> None:
    assert post(site, "/login", token=ADMIN, next=place).headers["location"] == "/"


def test_without_an_admin_token_nobody_can_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.web.actions.WRONG", 0.0)
    site = Site(tmp_path, admin="", reader="")
    assert "Nobody can act here yet" in site.ask("/login", key="").text
    assert post(site, "/login", token="").status == 403
    assert "Sign in to act" not in site.ask("/", key="").text
    site.close()
