"""What jobs and apps say of themselves means what it would mean in the configuration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.announced import AnnouncementError, app, job, said
from checker.model import Kind
from checker.schedule import Cron, Every
from checker.store.monitors import auto_spec

BASE = auto_spec("nightly")
SHOP = {"name": "shop", "url": "https://shop.example/health"}


def told(**fields: str) -> str:
    return said(fields)


def test_a_job_is_as_it_says() -> None:
    text = told(
        schedule="0 2 * * *",
        timezone="Europe/Berlin",
        grace="15m",
        max_runtime="30m",
        tags="a, b",
        channels="ops",
    )
    spec = job(BASE, text, {"ops"})
    assert spec.schedule == Cron("0 2 * * *", "Europe/Berlin")
    assert (spec.grace, spec.max_runtime, spec.tags, spec.channels) == (900.0, 1800.0, ("a", "b"), ("ops",))
    assert (spec.name, spec.slug, spec.source, spec.whose) == ("nightly", "nightly", "auto", "announced")


def test_what_a_job_leaves_out_is_learned_or_as_in_the_configuration() -> None:
    assert job(BASE, told(grace="5m"), ()).schedule == Every(86_400.0)
    spec = job(BASE, told(every="10m"), ())
    assert (spec.grace, spec.max_runtime, spec.learn_runtime) == (600.0, None, True)


def test_the_same_words_are_the_same_text_in_any_order_and_others_are_none() -> None:
    assert told(grace="5m", every="1h") == told(every=" 1h ", grace="5m", rid="x", create="1", start="")
    assert told(rid="x", create="1") == ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schedule": "every day"}, "has 2 fields"),
        ({"schedule": "* * * * *", "every": "1h"}, "exclude each other"),
        ({"every": "1h", "grace": "-1"}, "grace"),
        ({"every": "0.1s"}, "at least 1 s"),
        ({"every": "1h", "timezone": "Mars/Base"}, ""),
        ({"every": "1h", "channels": "nobody"}, 'unknown channel "nobody"'),
    ],
)
def test_what_cannot_be_meant_says_why(fields: dict[str, str], why: str) -> None:
    if why:
        with pytest.raises(AnnouncementError, match=why):
            job(BASE, said(fields), {"ops"})
    else:
        with pytest.raises(AnnouncementError):
            job(BASE, said({**fields, "schedule": "0 1 * * *", "every": ""}), {"ops"})


def test_nothing_of_the_environment_is_ever_expanded() -> None:
    assert job(BASE, told(every="1h", tags="${HOME},$$"), ()).tags == ("${HOME}", "$$")
    assert app({**SHOP, "description": "${HOME}"}, (), allow_private=False).description == "${HOME}"


def test_an_app_is_looked_at_with_the_guard_of_addresses_on() -> None:
    spec = app({**SHOP, "every": "10s", "tags": ["a"]}, (), allow_private=False)
    assert (spec.kind, spec.name, spec.every, spec.tags) == (Kind.ENDPOINT, "shop", 10.0, ("a",))
    assert (spec.probe.allow_private, spec.whose) == (False, "announced")
    assert app(SHOP, (), allow_private=True).probe.allow_private


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "shop"},
        {"name": 1, "url": "https://x"},
        {"name": "", "url": "https://x"},
        {"name": "a/b", "url": "https://x"},
        {"name": "x", "url": "ftp://x"},
        {"name": "x", "url": "dns://x"},
        {"name": "x", "url": ["https://x"]},
        {**SHOP, "every": "0s"},
        {**SHOP, "every": {}},
        {**SHOP, "tags": "a"},
        {**SHOP, "tags": [1]},
        {**SHOP, "channels": ["nobody"]},
        {**SHOP, "fail_after": True},
    ],
)
def test_an_app_that_cannot_be_meant_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(AnnouncementError):
        app(document, {"ops"}, allow_private=False)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["name", "url", "every", "tags", "channels", "fail_after"]), _json))
def test_rubbish_is_refused_and_never_an_accident(document: dict[str, Any]) -> None:
    try:
        spec = app(document, {"ops"}, allow_private=False)
    except AnnouncementError:
        return
    assert spec.url.startswith("http")
    assert not spec.probe.allow_private


@given(
    st.dictionaries(st.sampled_from(["every", "schedule", "grace", "tags", "timezone"]), st.text(max_size=20))
)
def test_a_job_that_speaks_rubbish_is_refused_and_never_an_accident(fields: dict[str, str]) -> None:
    try:
        spec = job(BASE, said(fields), ())
    except AnnouncementError:
        return
    assert spec.schedule is not None
