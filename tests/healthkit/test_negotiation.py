"""Which format an `Accept` header gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.negotiation import by_accept, by_name

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/health+json", "json"),
        ("application/json", "plain json"),
        ("application/*", "json"),
        ("text/plain", "text"),
        ("TEXT/PLAIN; charset=utf-8", "text"),
        ("text/*", "text"),
        (BROWSER, "html"),
        (PROMETHEUS_2, "prometheus"),
        (PROMETHEUS_3, "prometheus"),
        ("text/html;q=0.2, text/plain;q=0.9", "text"),
        ("text/html;q=0, */*;q=0.1", "json"),
        ("*/*, text/html", "html"),
        ("text/plain;q=2, text/html;q=banana", "json"),
        ("image/png", "json"),
        (",;=,,;q", "json"),
    ],
)
def test_an_accept_header_gets_what_it_likes_best(accept: str, name: str) -> None:
    assert by_accept(accept).name == name


@given(st.text())
def test_any_accept_header_gets_an_answer(accept: str) -> None:
    assert by_accept(accept).name


def test_a_format_is_named_in_any_case_and_an_unknown_one_is_none() -> None:
    found = by_name(" HTML ")
    assert found is not None
    assert found.name == "html"
    assert by_name("yaml") is None
