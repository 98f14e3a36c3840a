"""What a job and an app tell of themselves, and that it never costs them anything."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit import Health
from healthkit.announcing import AGAIN, Announcement, job_url
from healthkit.errors import ConfigurationError
from healthkit.heartbeat import Heartbeat
from healthkit.pings import Ping, request
from tests.recording import RecordingServer
from tests.waiting import wait_for

BASE = "https://checker.example/ping/the-key/nightly"


def asked(url: str) -> dict[str, str]:
    return {key: values[-1] for key, values in parse_qs(urlsplit(url).query).items()}


def test_a_job_tells_its_schedule_with_every_ping() -> None:
    sent: list[Ping] = []
    beat = Heartbeat(
        BASE,
        schedule="0 2 * * *",
        timezone="Europe/Berlin",
        grace="15m",
        max_runtime=1800,
        tags=["a", "b"],
        submit=sent.append,
    )
    with beat.run():
        pass
    for ping in sent:
        assert asked(request(ping, late=False).target) == {
            "create": "1",
            "schedule": "0 2 * * *",
            "timezone": "Europe/Berlin",
            "grace": "900s",
            "max_runtime": "1800s",
            "tags": "a,b",
            "rid": sent[0].rid,
        }
    assert [each.suffix for each in sent] == ["/start", ""]


def test_who_tells_nothing_pings_as_ever() -> None:
    assert job_url(BASE, {"schedule": None, "tags": ()}) == BASE
    sent: list[Ping] = []
    Heartbeat(BASE, submit=sent.append).ping()
    assert sent[0].target.query == ""


def test_what_stands_in_the_url_already_stays() -> None:
    found = asked(job_url(f"{BASE}?create=1&x=y", {"every": "5m"}))
    assert found == {"create": "1", "x": "y", "every": "300s"}


def test_a_uuid_is_a_monitor_that_exists(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="healthkit")
    url = "https://checker.example/ping/7f3c0f04-4a5b-4e0f-9d29-2f3f4f5f6f70"
    assert job_url(url, {"every": "5m"}) == url
    assert "7f3c0f04" not in caplog.text
    assert "its schedule is not told" in caplog.text


@pytest.mark.parametrize(
    "told", [{"every": "5m", "schedule": "* * * * *"}, {"every": "soon"}, {"tags": [1]}, {"schedule": 5}]
)
def test_what_cannot_be_meant_is_told_at_once(told: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Heartbeat(BASE, **told)


@given(st.text(min_size=1), st.text())
def test_any_text_survives_the_way(schedule: str, zone: str) -> None:
    found = asked(job_url(BASE, {"schedule": schedule, "timezone": zone}))
    assert found.get("schedule", "") == schedule.strip()
    assert found.get("timezone", "") == zone.strip()


def test_an_app_tells_where_it_is_and_again_later() -> None:
    sent: list[Ping] = []
    told = Announcement(
        "shop", "https://checker.example/announce/the-key", "https://shop.example/health", submit=sent.append
    )
    assert told.tell() == AGAIN
    made = request(sent[0], late=False)
    assert (made.method, made.target) == ("POST", "/announce/the-key?app=shop")
    assert json.loads(made.body or b"") == {"name": "shop", "url": "https://shop.example/health"}
    assert "the-key" not in repr(told)


def test_a_health_announces_itself_once_a_process_without_being_asked() -> None:
    with RecordingServer() as server:
        health = Health("shop", announce=f"{server.url}/announce/the-key", url="http://shop.example/health")
        health.start()
        wait_for(lambda: server.requests, 30, "the announcement")
        (first,) = server.requests
        assert (first.method, first.path.partition("?")[0]) == ("POST", "/announce/the-key")
        assert json.loads(first.body)["name"] == "shop"


def test_without_a_checker_there_is_nothing_to_announce() -> None:
    for nothing in (None, "", " "):
        assert repr(Health("shop", announce=nothing, url="https://shop.example/health"))


def test_an_announcement_that_cannot_be_meant_is_told_at_once() -> None:
    checker, here = "https://checker.example/announce/the-key", "https://shop.example/health"
    for announce, url in (
        (checker, None),
        (checker, " "),
        (checker, "shop"),
        ("ftp://x/y", here),
        ("https://x", here),
    ):
        with pytest.raises(ConfigurationError) as caught:
            Health("shop", announce=announce, url=url)
        assert "the-key" not in str(caught.value)
