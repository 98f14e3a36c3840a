"""Endpoints entered by the API: the keys and the words of the file, and each knows whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checker.model import Poll, State, Verdict
from checker.probe_spec import ComponentRule
from checker.store import monitors
from tests.checker.web.site import NOW, READER, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.close()


def put(site: Site, name: str, status: int, **keys: Any) -> Any:
    return site.json(f"/api/endpoints/{name}", status, method="PUT", json=keys)


def test_an_endpoint_is_entered_replaced_and_deleted(site: Site) -> None:
    keys: dict[str, Any] = {
        "url": "https://cart.example/health",
        "every": "1m",
        "conditions": ["status == 200", "latency < 300ms"],
        "headers": {"X-Key": "k"},
        "channels": ["ops"],
        "components": {"queue-*": {"fail_after": 5, "severity": "warning"}},
    }
    assert put(site, "cart", 201, **keys) == {"name": "cart", "source": "api"}
    assert put(site, "cart", 200, **{**keys, "every": 120}) == {"name": "cart", "source": "api"}
    spec = site.registry.by_id(site.id("cart"))
    assert spec is not None
    assert (spec.every, spec.source, spec.fail_after) == (120.0, "api", 2)
    assert spec.probe.conditions == ("status == 200", "latency < 300ms")
    assert spec.probe.components == (ComponentRule("queue-*", fail_after=5, severity="warning"),)
    assert site.json("/api/monitors/cart")["source"] == "api"
    site.ask("/api/monitors/cart", method="DELETE")
    assert site.registry.full_name("cart") is None
    site.json("/api/monitors/cart", 404, method="DELETE")
    put(site, "cart", 201, url="tcp://cart.example:6379", send="PING\r\n", conditions=["body contains PONG"])


def test_it_stays_when_the_file_is_read_again_and_its_rules_reach_its_components_at_once(site: Site) -> None:
    put(site, "cart", 201, url="https://cart.example/health")
    part = Poll(Verdict.PASS, NOW)
    site.record((site.id("cart"), Poll(Verdict.PASS, NOW, components=(("queue-a:depth", part),))))
    site.store.write_now(lambda conn: monitors.sync(conn, site.config.monitors, NOW))
    put(site, "cart", 200, url="https://cart.example/health", components={"queue-*": {"fail_after": 7}})
    spec = site.registry.by_id(site.id("cart/queue-a:depth"))
    assert spec is not None
    assert spec.fail_after == 7


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "https://x.example", "conditions": ["statsu == 1"]}, 'did you mean "status"?'),
        ({"url": "ftp://x.example"}, "is not an http or https URL"),
        ({"url": "https://x.example", "channels": ["opps"]}, 'unknown channel "opps"; did you mean "ops"?'),
        ({"url": "https://x.example/${CHECKER_SECRET}"}, "wants the environment variable CHECKER_SECRET"),
        (
            {"url": "https://x.example", "components": {"a": {"channels": ["nobody"]}}},
            'unknown channel "nobody"',
        ),
        ({"url": "dns://x.example", "method": "POST"}, '"method" means nothing for a dns endpoint'),
        ({"url": "https://x.example", "evry": "1m"}, "evry"),
        ({}, "url"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_file(
    site: Site, keys: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECKER_SECRET", "s3cret")
    reply = site.ask("/api/endpoints/x", method="PUT", json=keys)
    assert reply.status == 422
    assert words in reply.text.replace('\\"', '"')
    assert "s3cret" not in reply.text


def test_what_is_not_the_apis_is_left_alone_with_the_reason(site: Site) -> None:
    said = put(site, "shop", 409, url="https://other.example")
    assert "the configuration file" in said["error"]
    assert "configuration file" in site.json("/api/monitors/shop", 409, method="DELETE")["error"]
    assert "/api/v3" in site.json("/api/monitors/Nightly invoices", 409, method="DELETE")["error"]
    put(site, "Nightly invoices", 409, url="https://other.example")


def test_a_component_is_forgotten_on_the_operators_word_and_comes_back_with_its_document(site: Site) -> None:
    def see(at: float) -> None:
        poll = Poll(Verdict.PASS, at, components=(("db:write", Poll(Verdict.PASS, at)),))
        site.record((site.id("shop"), poll))

    see(NOW)
    first = site.id("shop/db:write")
    assert site.ask("/api/monitors/shop/db:write", method="DELETE").status == 204
    assert site.registry.full_name("shop/db:write") is None
    assert site.json("/api/monitors/shop")["components"] == []
    see(NOW + 30)
    assert site.id("shop/db:write") == first
    assert site.json("/api/monitors/shop")["components"][0]["state"] == State.UP


def test_only_the_admin_may(site: Site) -> None:
    for key in ("", READER):
        assert site.ask("/api/endpoints/x", method="PUT", key=key, json={"url": "https://x"}).status in (
            401,
            403,
        )
        assert site.ask("/api/monitors/shop/db:write", method="DELETE", key=key).status in (401, 403)
