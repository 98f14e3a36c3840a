"""The management API says and does what that of Healthchecks does; what stands in the file is safe."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from checker.model import Deadline, State
from checker.store import Store, door, monitors
from checker.web.v3_json import channel_id
from tests.checker.web.asgi import call
from tests.checker.web.site import ADMIN, NOW, PING_KEY, READER, Site, names

KEYS_OF_A_CHECK = {
    "name", "slug", "tags", "desc", "grace", "n_pings", "status", "started", "last_ping", "next_ping",
    "manual_resume", "methods", "subject", "subject_fail", "start_kw", "success_kw", "failure_kw",
    "filter_subject", "filter_body", "filter_http_body", "filter_default_fail", "badge_url",
}  # fmt: skip
SECRET_KEYS = {"uuid", "ping_url", "update_url", "pause_url", "resume_url", "channels"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.close()


def ping(site: Site, check: dict[str, Any], suffix: str = "", **options: Any) -> None:
    path = check["ping_url"].removeprefix("https://checker.example")
    assert site.ask(path + suffix, key="", **options).status == 200


# Making


def test_a_new_check_has_the_fields_and_defaults_of_healthchecks(site: Site) -> None:
    made = site.make()
    assert set(made) == KEYS_OF_A_CHECK | SECRET_KEYS | {"timeout"}
    assert (made["name"], made["slug"], made["tags"], made["desc"]) == ("", "", "", "")
    assert (made["timeout"], made["grace"], made["status"], made["n_pings"]) == (86400, 3600, "new", 0)
    assert (made["last_ping"], made["next_ping"], made["started"], made["channels"]) == (
        None,
        None,
        False,
        "",
    )
    assert made["ping_url"] == f"https://checker.example/ping/{made['uuid']}"
    assert made["update_url"] == f"https://checker.example/api/v3/checks/{made['uuid']}"
    assert made["pause_url"] == made["update_url"] + "/pause"
    assert made["resume_url"] == made["update_url"] + "/resume"


def test_every_field_comes_back_as_it_went_in(site: Site) -> None:
    fields: dict[str, Any] = {
        "name": "Backup / db", "slug": "backup-db", "tags": "prod db", "desc": "what it is", "grace": 900,
        "schedule": "0 2 * * 1-5", "tz": "Europe/Riga", "manual_resume": True, "methods": "POST",
        "start_kw": "go", "success_kw": "ok", "failure_kw": "bad", "filter_subject": True,
        "filter_body": True, "filter_http_body": True, "filter_default_fail": True,
    }  # fmt: skip
    made = site.make(**fields)
    assert {key: made[key] for key in fields} == fields
    assert (made["subject"], made["subject_fail"]) == ("ok", "bad")
    assert "timeout" not in made
    assert site.json(f"/api/v3/checks/{made['uuid']}") == made


def test_a_made_check_outlives_a_restart_and_a_reload_of_the_file(site: Site) -> None:
    made = site.make(name="backup", timeout=600, tags="a")
    site.store.write_now(lambda conn: monitors.sync(conn, site.config.monitors, NOW))
    site.registry.reload_now()
    assert site.json(f"/api/v3/checks/{made['uuid']}") == made


@pytest.mark.parametrize(
    ("schedule", "kind"),
    [("*/5 * * * *", "cron"), ("Mon..Fri 02:00", "calendar"), ("daily\nSun 03:00", "two")],
)
def test_five_fields_are_cron_and_the_rest_is_oncalendar(site: Site, schedule: str, kind: str) -> None:
    made = site.make(schedule=schedule, timeout=60)
    assert (made["schedule"], made["tz"]) == (schedule, "UTC")
    assert "timeout" not in made


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"timeout": 59}, "timeout is too small"),
        ({"timeout": 31_536_001}, "timeout is too large"),
        ({"timeout": 10**400}, "timeout is too large"),
        ({"timeout": "60"}, "timeout is not a number"),
        ({"timeout": 60.5}, "timeout is not a number"),
        ({"grace": 59}, "grace is too small"),
        ({"grace": 31_536_001}, "grace is too large"),
        ({"name": 5}, "name is not a string"),
        ({"name": None}, "name is not a string"),
        ({"grace": None}, "grace is not a number"),
        ({"unique": None}, "unique is not an array"),
        ({"methods": None}, "methods has unexpected value"),
        ({"manual_resume": None}, "manual_resume is not a boolean"),
        ({"name": "x" * 101}, "name is too long"),
        ({"slug": "x" * 101}, "slug is too long"),
        ({"slug": "Upper"}, "slug does not match pattern"),
        ({"schedule": "x" * 101}, "schedule is too long"),
        ({"schedule": "* * * *"}, "schedule is not a valid cron or OnCalendar expression"),
        ({"schedule": "61 * * * *"}, "schedule is not a valid cron or OnCalendar expression"),
        ({"tz": "not/a-zone"}, "tz is not a valid timezone"),
        ({"tz": "../../etc/passwd"}, "tz is not a valid timezone"),
        ({"methods": "GET"}, "methods has unexpected value"),
        ({"success_kw": "x" * 201}, "success_kw is too long"),
        ({"filter_body": "yes"}, "filter_body is not a boolean"),
        ({"unique": "name"}, "unique is not an array"),
        ({"unique": ["desc"]}, "an item in 'unique' has unexpected value"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_healthchecks(site: Site, fields: Any, text: str) -> None:
    found = site.json("/api/v3/checks/", 400, method="POST", json=fields)
    assert found == {"error": f"json validation error: {text}"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"not json", "could not parse request body"),
        (b"\xff", "could not parse request body"),
        (b"[" * 100_000, "could not parse request body"),
        (b"[]", "json validation error: value is not an object"),
        (b"3", "json validation error: value is not an object"),
    ],
)
def test_a_body_that_is_no_object_is_refused(site: Site, body: bytes, text: str) -> None:
    assert site.json("/api/v3/checks/", 400, method="POST", body=body) == {"error": text}


def test_a_body_without_end_is_cut_off(site: Site) -> None:
    chunk = {"type": "http.request", "body": b"x" * 600_000, "more_body": True}
    assert site.ask("/api/v3/checks/", method="POST", chunks=[chunk] * 3).status == 413


def test_unknown_fields_are_ignored_and_an_empty_body_is_a_check(site: Site) -> None:
    assert site.make(nonsense=1)["timeout"] == 86400
    assert site.json("/api/v3/checks/", 201, method="POST")["name"] == ""


def test_texts_that_no_database_takes_are_made_harmless(site: Site) -> None:
    made = site.make(name="a\x00b", desc="\ud800 lone", tags="x\x00 y")
    assert "\x00" not in json.dumps(made)
    assert site.json(f"/api/v3/checks/{made['uuid']}") == made


def test_the_deprecated_subjects_are_keywords(site: Site) -> None:
    made = site.make(subject="ok", subject_fail="bad")
    assert (made["success_kw"], made["failure_kw"], made["filter_subject"]) == ("ok", "bad", True)


# Channels


def test_channels_are_named_by_star_id_or_name(site: Site) -> None:
    ops, mail = channel_id("ops"), channel_id("mail")
    assert site.make(channels="*")["channels"] == ",".join(sorted([ops, mail]))
    assert site.make(channels=ops)["channels"] == ops
    assert site.make(channels=f"mail,{ops}")["channels"] == ",".join(sorted([ops, mail]))
    assert site.make(channels="")["channels"] == ""


@pytest.mark.parametrize(
    ("channels", "text"),
    [("nobody", "invalid channel identifier: nobody"), ("ops,", "empty channel identifier")],
)
def test_a_channel_that_is_none_is_refused(site: Site, channels: str, text: str) -> None:
    found = site.json("/api/v3/checks/", 400, method="POST", json={"channels": channels})
    assert found == {"error": text}


def test_the_channels_are_listed(site: Site) -> None:
    found = site.json("/api/v3/channels/")["channels"]
    assert {"id": channel_id("ops"), "name": "ops", "kind": "webhook"} in found
    assert names(found) == ["mail", "ops"]


# Unique


def test_unique_changes_what_it_finds_and_makes_what_it_does_not(site: Site) -> None:
    first = site.make(name="backup", tags="a", unique=["name"])
    again = site.json(
        "/api/v3/checks/", 200, method="POST", json={"name": "backup", "tags": "b", "unique": ["name"]}
    )
    assert (again["uuid"], again["tags"]) == (first["uuid"], "b")
    other = site.make(name="backup", tags="c", unique=["name", "tags"])
    assert other["uuid"] != first["uuid"]


@pytest.mark.parametrize(
    "unique",
    [["name"], ["slug"], ["tags"], ["timeout"], ["grace"], ["name", "slug", "tags", "timeout", "grace"]],
)
def test_unique_looks_at_each_field_and_at_all(site: Site, unique: list[str]) -> None:
    fields = {"name": "job", "slug": "job", "tags": "x y", "timeout": 700, "grace": 800}
    first = site.make(**fields)
    again = site.json("/api/v3/checks/", 200, method="POST", json={**fields, "unique": unique})
    assert again["uuid"] == first["uuid"]


def test_unique_by_a_field_that_is_not_given_finds_nothing(site: Site) -> None:
    first = site.make(name="backup")
    assert site.make(name="backup", unique=["slug"])["uuid"] != first["uuid"]


def test_many_at_once_with_unique_make_one(site: Site) -> None:
    body = json.dumps({"name": "backup", "unique": ["name"]}).encode()

    async def together() -> list[int]:
        calls = [
            call(site.app, "/api/v3/checks/", method="POST", headers=[("X-Api-Key", ADMIN)], body=body)
            for _ in range(20)
        ]
        return [reply.status for reply in await asyncio.gather(*calls) if reply]

    assert sorted(asyncio.run(together())) == [200] * 19 + [201]
    assert names(site.json("/api/v3/checks/")["checks"]) == ["Nightly invoices", "backup"]


def test_several_may_have_one_name(site: Site) -> None:
    first, second = site.make(name="backup"), site.make(name="backup")
    assert first["uuid"] != second["uuid"]
    assert (first["name"], second["name"]) == ("backup", "backup")
    assert site.registry.full_name("backup (2)") is not None


def test_a_slug_that_several_have_is_ambiguous(site: Site) -> None:
    first, second = site.make(name="a", slug="job"), site.make(name="b", slug="job")
    reply = site.ask(f"/ping/{PING_KEY}/job", key="", query="create=1")
    assert (reply.status, reply.text) == (409, "ambiguous slug")
    ping(site, first)
    site.json(f"/api/v3/checks/{second['uuid']}", method="DELETE")
    assert site.ask(f"/ping/{PING_KEY}/job", key="").text == "OK"


def test_a_slug_of_the_file_cannot_be_made_ambiguous(site: Site) -> None:
    found = site.json("/api/v3/checks/", 409, method="POST", json={"name": "x", "slug": "nightly-invoices"})
    assert '"Nightly invoices", made by the configuration' in found["error"]
    assert site.ask(f"/ping/{PING_KEY}/nightly-invoices", key="").text == "OK"


# Reading


def test_checks_are_listed_and_narrowed_by_tag_and_slug(site: Site) -> None:
    site.make(name="a", slug="a", tags="x y")
    site.make(name="b", slug="b", tags="x yz")

    def listed(query: str) -> list[str]:
        return names(site.json("/api/v3/checks/", query=query)["checks"])

    assert listed("") == ["Nightly invoices", "a", "b"]
    assert listed("tag=x") == ["a", "b"]
    assert listed("tag=x&tag=y") == ["a"]
    assert listed("slug=b") == ["b"]
    assert listed("tag=none") == []


def test_a_read_only_key_sees_no_secret(site: Site) -> None:
    made = site.make(name="backup")
    found = site.json("/api/v3/checks/", key=READER)["checks"][-1]
    assert set(found) == KEYS_OF_A_CHECK | {"unique_key", "timeout"}
    assert found["unique_key"] == hashlib.sha1(made["uuid"].replace("-", "")[:16].encode()).hexdigest()
    assert made["uuid"] not in json.dumps(found)
    assert site.json(f"/api/v3/checks/{found['unique_key']}", key=READER) == found
    assert site.json(f"/api/v3/checks/{found['unique_key']}")["uuid"] == made["uuid"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "checks/"), ("POST", "checks/{uuid}"), ("DELETE", "checks/{uuid}"),
        ("POST", "checks/{uuid}/pause"), ("POST", "checks/{uuid}/resume"), ("GET", "checks/{uuid}/pings/"),
        ("GET", "checks/{uuid}/pings/1/body"), ("GET", "channels/"),
    ],
)  # fmt: skip
def test_a_read_only_key_does_nothing_else(site: Site, method: str, path: str) -> None:
    made = site.make(name="backup")
    path = "/api/v3/" + path.format(uuid=made["uuid"])
    assert site.json(path, 401, key=READER, method=method) == {"error": "wrong api key"}
    assert site.json(path, 401, key="", method=method) == {"error": "missing api key"}


@pytest.mark.parametrize("path", ["checks/", "badges/", "checks/{uuid}", "checks/{uuid}/flips/"])
def test_reading_wants_a_key(site: Site, path: str) -> None:
    path = "/api/v3/" + path.format(uuid=site.make(name="backup")["uuid"])
    assert site.json(path, 401, key="") == {"error": "missing api key"}
    assert site.json(path, 401, key="x" * 32) == {"error": "wrong api key"}
    assert site.ask(path, key=READER).status == 200


def test_the_key_may_stand_in_the_body(site: Site) -> None:
    fields = {"name": "backup", "api_key": ADMIN}
    made = site.json("/api/v3/checks/", 201, key="", method="POST", json=fields)
    path = f"/api/v3/checks/{made['uuid']}"
    assert site.json(path, key="", method="POST", json={"api_key": ADMIN, "grace": 60})["grace"] == 60
    assert site.json(path, 401, key="", method="POST", json={"api_key": "x"}) == {"error": "wrong api key"}
    assert site.json(path, 401, key="", method="POST", json={"api_key": ["x"]}) == {"error": "wrong api key"}


@pytest.mark.parametrize("check", ["00000000-0000-4000-8000-000000000000", "0" * 40, "x", "%00", "1"])
def test_an_unknown_check_is_not_found(site: Site, check: str) -> None:
    assert site.json(f"/api/v3/checks/{check}", 404) == {"error": "not found"}


# Changing


def test_what_is_left_out_of_a_change_stays(site: Site) -> None:
    made = site.make(name="backup", tags="a", timeout=600, grace=120, channels="*")
    changed = site.json(f"/api/v3/checks/{made['uuid']}", method="POST", json={"desc": "new"})
    assert changed == {**made, "desc": "new"}


def test_a_change_of_schedule_zone_and_back(site: Site) -> None:
    path = f"/api/v3/checks/{site.make(timeout=600)['uuid']}"
    assert (
        site.json(path, method="POST", json={"schedule": "0 1 * * *", "tz": "Asia/Tokyo"})["tz"]
        == "Asia/Tokyo"
    )
    assert site.json(path, method="POST", json={"tz": "UTC"})["tz"] == "UTC"
    changed = site.json(path, method="POST", json={"timeout": 700})
    assert changed["timeout"] == 700
    assert "schedule" not in changed


def test_writing_the_same_again_never_hides_a_missed_sign(site: Site) -> None:
    made = site.make(name="job", timeout=600, grace=60)
    ping(site, made)
    due = site.json(f"/api/v3/checks/{made['uuid']}")["next_ping"]
    site.now += 500
    fields = {"name": "job", "timeout": 600, "grace": 60, "unique": ["name"]}
    assert site.json("/api/v3/checks/", method="POST", json=fields)["next_ping"] == due


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_stands_in_the_file_cannot_be_changed(site: Site, method: str) -> None:
    uuid = site.json("/api/v3/checks/", query="slug=nightly-invoices")["checks"][0]["uuid"]
    found = site.json(f"/api/v3/checks/{uuid}", 403, method=method)
    assert found["error"].startswith('"Nightly invoices" stands in the configuration')
    fields = {"name": "Nightly invoices", "unique": ["name"]}
    site.json("/api/v3/checks/", 403, method="POST", json=fields)


def test_what_a_ping_made_can_be_changed_and_is_the_apis_then(site: Site) -> None:
    assert site.ask(f"/ping/{PING_KEY}/auto", key="", query="create=1").status == 201
    made = site.json("/api/v3/checks/", query="slug=auto")["checks"][0]
    assert made["channels"] == ",".join(sorted([channel_id("ops"), channel_id("mail")]))
    site.json(f"/api/v3/checks/{made['uuid']}", method="POST", json={"grace": 60})
    assert site.ask(f"/ping/{PING_KEY}/auto", key="").text == "OK"
    found = site.registry.by_token(made["uuid"])
    assert found is not None
    assert found[1].source == "api"


def test_a_deleted_check_is_gone_with_its_pings_and_its_name_is_free(site: Site) -> None:
    made = site.make(name="backup", slug="backup")
    ping(site, made)
    deleted = site.json(f"/api/v3/checks/{made['uuid']}", method="DELETE")
    assert deleted["uuid"] == made["uuid"]
    assert site.ask(f"/ping/{made['uuid']}", key="").status == 404
    assert site.ask(f"/ping/{PING_KEY}/backup", key="").status == 404
    site.json(f"/api/v3/checks/{made['uuid']}", 404)
    again = site.make(name="backup", slug="backup")
    assert (again["n_pings"], site.registry.full_name("backup") is not None) == (0, True)
    assert again["uuid"] != made["uuid"]
    assert site.store.read_now(lambda conn: conn.exec_driver_sql("SELECT count(*) FROM ping").scalar()) == 0


# Pausing


def test_pause_and_resume(site: Site) -> None:
    made = site.make(name="backup")
    path = f"/api/v3/checks/{made['uuid']}"
    ping(site, made)
    assert site.json(f"{path}/pause", method="POST")["status"] == "paused"
    assert site.json(f"{path}/pause", method="POST", body=b"")["status"] == "paused"
    resumed = site.json(f"{path}/resume", method="POST")
    assert (resumed["status"], resumed["last_ping"], resumed["next_ping"]) == ("new", None, None)
    reply = site.ask(f"{path}/resume", method="POST")
    assert (reply.status, reply.text) == (409, "check is not paused")


def test_what_stands_in_the_file_can_be_paused_and_resumed(site: Site) -> None:
    uuid = site.json("/api/v3/checks/", query="slug=nightly-invoices")["checks"][0]["uuid"]
    assert site.json(f"/api/v3/checks/{uuid}/pause", method="POST")["status"] == "paused"
    assert site.json(f"/api/v3/checks/{uuid}/resume", method="POST")["status"] == "new"


# States, pings and flips


def test_a_check_tells_how_it_stands(site: Site) -> None:
    made = site.make(timeout=600, grace=60)
    path = f"/api/v3/checks/{made['uuid']}"
    ping(site, made, "/start")
    found = site.json(path)
    assert (found["status"], found["started"], found["last_ping"]) == ("new", True, None)
    assert found["next_ping"] == "2027-01-15T08:00:00+00:00"
    assert site.json(path.replace("v3", "v1"))["status"] == "started"
    site.now += 42.5
    ping(site, made)
    found = site.json(path)
    assert (found["status"], found["started"], found["n_pings"]) == ("up", False, 2)
    assert (found["last_ping"], found["last_duration"]) == ("2027-01-15T08:00:42+00:00", 42)
    assert found["next_ping"] == "2027-01-15T08:10:42+00:00"
    ping(site, made, "/fail")
    assert (site.json(path)["status"], site.json(path)["next_ping"]) == ("down", None)


def test_pings_are_listed_with_where_their_bodies_are(site: Site) -> None:
    made = site.make()
    rid = "7d0d3c2a-1111-4222-8333-444455556666"
    agent = [("User-Agent", "curl/8"), ("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-Proto", "https")]
    ping(site, made, "/start", query=f"rid={rid}", headers=agent)
    site.now += 2.345
    ping(site, made, "/3", method="POST", body=b"oh no\xff", query=f"rid={rid}")
    path = f"/api/v3/checks/{made['uuid']}/pings/"
    second, first = site.json(path)["pings"]
    assert first == {
        "type": "start", "date": "2027-01-15T08:00:00+00:00", "n": 1, "scheme": "https",
        "remote_addr": "198.51.100.7", "method": "GET", "ua": "curl/8", "rid": rid, "body_url": None,
    }  # fmt: skip
    assert (second["type"], second["duration"], second["exitstatus"]) == ("fail", 2.35, 3)
    assert second["body_url"] == f"https://checker.example{path}2/body"
    body = site.ask(f"{path}2/body")
    assert (body.status, body.body) == (200, b"oh no\xff")
    assert body.headers["content-type"].startswith("text/plain")
    for n in ("1", "3", "0", "-1", "x", "9" * 30):
        site.json(f"{path}{n}/body", 404)


def test_flips_are_listed_and_narrowed(site: Site) -> None:
    made = site.make(timeout=600)
    path = f"/api/v3/checks/{made['uuid']}/flips/"
    for suffix in ("", "/fail", ""):
        ping(site, made, suffix)
        site.now += 100
    moments = ["2027-01-15T08:03:20+00:00", "2027-01-15T08:01:40+00:00", "2027-01-15T08:00:00+00:00"]
    flips = site.json(path)["flips"]
    assert flips == [{"timestamp": at, "up": up} for at, up in zip(moments, (1, 0, 1), strict=True)]
    assert len(site.json(path, query=f"start={int(NOW) + 50}")["flips"]) == 2
    assert len(site.json(path, query=f"end={int(NOW) + 50}")["flips"]) == 1
    assert len(site.json(path, query="seconds=150")["flips"]) == 1
    assert site.json(path.replace("v3", "v1")) == flips
    for query in ("start=x", "end=99999999999999", "seconds=-1", "seconds=31536001", "start=%00"):
        site.json(path, 400, query=query)


def test_being_late_is_no_flip(site: Site) -> None:
    made = site.make(timeout=600)
    ping(site, made)
    site.now += 700
    found = site.registry.by_token(made["uuid"])
    assert found is not None
    site.record((found[0], Deadline(site.now)))
    assert site.json(f"/api/v3/checks/{made['uuid']}")["status"] == "grace"
    assert len(site.json(f"/api/v3/checks/{made['uuid']}/flips/")["flips"]) == 1


# The rest


def test_badges_are_where_they_are_said_to_be(site: Site) -> None:
    made = site.make(name="backup", tags="prod/x y")
    found = site.json("/api/v3/badges/")["badges"]
    assert set(found) == {"*", "prod/x", "y", "billing", "nightly"}
    assert set(found["*"]) == {"svg", "svg3", "json", "json3", "shields", "shields3"}
    ping(site, made, "/fail")
    for tag in ("*", "y"):
        for form, url in found[tag].items():
            reply = site.ask(url.removeprefix("https://checker.example").replace("%2F", "/"), key="")
            assert reply.status == 200, form
            assert "down" in reply.text
    assert json.loads(site.ask("/badges/2/billing.json", key="").text)["status"] == "up"
    badge = site.make(name="a b/ü")["badge_url"].removeprefix("https://checker.example")
    assert site.ask(unquote(badge), key="").status == 200


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_every_version_answers_other_sites(site: Site, version: str) -> None:
    reply = site.ask(f"/api/{version}/checks/", method="OPTIONS", key="")
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-headers"] == "X-Api-Key"
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert site.ask(f"/api/{version}/checks/").headers["access-control-allow-origin"] == "*"
    assert site.ask(f"/api/{version}/checks/", method="PUT").status == 405
    assert site.ask(f"/api/{version}/status/", key="").text == "OK"


def test_up_to_version_two_the_slug_follows_the_name(site: Site) -> None:
    made = site.json("/api/v1/checks/", 201, method="POST", json={"name": "My Job, daily!"})
    assert (made["slug"], "/api/v1/" in made["update_url"]) == ("my-job-daily", True)
    taken = site.json("/api/v2/checks/", 201, method="POST", json={"name": "nightly invoices"})
    assert taken["slug"] == ""
    renamed = site.json(f"/api/v2/checks/{made['uuid']}", method="POST", json={"name": "Other"})
    assert renamed["slug"] == "other"


def test_without_a_token_this_machine_reads_and_nobody_writes(tmp_path: Path) -> None:
    site = Site(tmp_path, admin="", reader="")
    assert names(site.json("/api/v3/checks/", key="")["checks"]) == ["Nightly invoices"]
    assert site.ask("/api/v3/channels/", key="").status == 200
    found = site.json("/api/v3/checks/", 403, key="", method="POST", json={"name": "x"})
    assert 'set "admin_token"' in found["error"]
    site.json("/api/v3/checks/", 403, key="", headers=[("X-Forwarded-For", "198.51.100.7")])
    site.close()


def test_without_a_token_other_machines_read_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, admin="", reader="", listen="0.0.0.0:8765")
    for path in ("checks/", "channels/", "badges/"):
        assert 'set "admin_token"' in site.json(f"/api/v3/{path}", 403, key="")["error"]
    site.close()


def test_the_watcher_is_woken_by_what_the_api_writes(site: Site) -> None:
    site.recorder.sooner.clear()
    site.make(timeout=60)
    assert site.recorder.sooner.is_set()


def test_it_works_on_every_kind_of_store(tmp_path: Path, store: Store) -> None:
    site = Site(tmp_path, store=store)
    made = site.make(name="job", slug="job", tags="a", timeout=60, unique=["name", "tags"])
    fields = {"name": "job", "tags": "a", "grace": 61, "unique": ["name", "tags"]}
    assert site.json("/api/v3/checks/", method="POST", json=fields)["uuid"] == made["uuid"]
    site.make(name="job", slug="job")
    ping(site, made, "/fail", method="POST", body=b"x\x00y")
    path = f"/api/v3/checks/{made['uuid']}"
    assert len(site.json(f"{path}/pings/")["pings"]) == 1
    assert site.ask(f"{path}/pings/1/body").body == b"x\x00y"
    assert len(site.json(f"{path}/flips/")["flips"]) == 1
    assert site.json(f"{path}/pause", method="POST")["status"] == "paused"
    site.json(path, method="DELETE")
    monitor_id = site.id("job (2)")
    found = store.read_now(lambda conn: door.load_states(conn, [monitor_id]))
    assert found[monitor_id].state is State.NEW
