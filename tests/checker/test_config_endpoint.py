"""What an `[[endpoint]]` may say besides its URL, and how its mistakes are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checker.config import ConfigError, parse
from checker.model import MonitorSpec
from checker.probe_spec import USUAL, ComponentRule, ProbeSpec
from checker.store.codec import spec_of, spec_to

PATH = Path("checker.toml")
CHANNEL = '[[channel]]\nname = "ops"\nkind = "webhook"\nurl = "https://hooks.example/"\n'


def endpoint(lines: str, url: str = "https://shop.example/health") -> MonitorSpec:
    config = parse(
        f'[[endpoint]]\nname = "shop"\nurl = "{url}"\n{lines}\n{CHANNEL}', PATH, {"TOKEN": "s3cret"}
    )
    (found,) = config.monitors
    return found


def problem(lines: str, url: str = "https://shop.example/health") -> str:
    with pytest.raises(ConfigError) as caught:
        endpoint(lines, url)
    (found,) = caught.value.problems
    return found


def test_an_endpoint_that_says_nothing_else_is_looked_at_as_usual() -> None:
    assert endpoint("").probe == USUAL


def test_all_that_an_http_endpoint_may_say_and_it_is_stored_and_read_again() -> None:
    found = endpoint(
        """
        method = "post"
        body = '{"token": "${TOKEN}"}'
        follow_redirects = false
        allow_private = false
        prove = true
        stale_after = "2m"
        forget_after = "1h"
        conditions = ["status in 200-299", "latency < 300ms"]
        warn_conditions = ["certificate > 14d"]

        [endpoint.components."queue-*"]
        fail_after = 5
        severity = "warning"
        channels = ["ops"]

        [endpoint.components."queue-slow:depth"]
        fail_when = "3 of 5"
        recover_after = 2
        tags = ["slow"]
        description = "ask Kim"

        [endpoint.components."disk*"]
        ignore = true
        """
    )
    assert found.probe == ProbeSpec(
        method="POST",
        body='{"token": "s3cret"}',
        follow_redirects=False,
        allow_private=False,
        prove=True,
        stale_after=120.0,
        forget_after=3600.0,
        conditions=("status in 200-299", "latency < 300ms"),
        warn_conditions=("certificate > 14d",),
        components=(
            ComponentRule("queue-*", fail_after=5, severity="warning", channels=("ops",)),
            ComponentRule(
                "queue-slow:depth", fail_when=(3, 5), recover_after=2, tags=("slow",), description="ask Kim"
            ),
            ComponentRule("disk*", ignore=True),
        ),
    )
    assert "s3cret" not in repr(found)
    row = spec_to(found)
    again = spec_of(
        row | {"of a newer version": 1},
        kind="endpoint",
        name="shop",
        slug="",
        token=None,
        parent="",
        source="file",
    )
    assert again == found


def test_the_scheme_tells_the_kind_of_look() -> None:
    port = endpoint('send = "PING\\r\\n"\nconditions = ["body contains PONG"]', "tcp://cache.example:6379")
    assert (port.url, port.probe.body) == ("tcp://cache.example:6379", "PING\r\n")
    name = endpoint('record = "mx"\nserver = "9.9.9.9"', "dns://shop.example")
    assert (name.probe.record, name.probe.server) == ("MX", "9.9.9.9")
    assert endpoint("", "tls://shop.example:443").probe.warn_conditions == ("certificate > 14d",)
    given = endpoint('conditions = ["certificate > 3d"]', "tls://shop.example:443")
    assert given.probe.warn_conditions == ()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('method = "FETCH"', '"method" must be one of GET'),
        (
            'conditions = ["statsu == 200"]',
            'in "statsu == 200": unknown word "statsu"; did you mean "status"?',
        ),
        ('conditions = ["latency < 300"]', "lacks a unit"),
        ('conditions = "status == 200"', '"conditions" must be a list'),
        ('conditions = ["answers == 1"]', 'an endpoint of this kind has no "answers"'),
        ('document = false\nconditions = ["components.a.value == 1"]', 'has no "components"'),
        ("document = false\nprove = true", '"prove" is for health documents'),
        ('method = "HEAD"\nconditions = ["body contains x"]', "no body comes back"),
        ('send = "x"', '"send" means nothing for a https endpoint; leave it out'),
        ('record = "A"', '"record" means nothing'),
        ('conditons = ["status == 200"]', 'unknown key "conditons"; did you mean "conditions"?'),
        ("allow_private = 1", "must be true or false"),
        ('stale_after = "soon"', "is not a duration"),
        ("[endpoint.components]\nx = 1", 'must hold tables: write [endpoint.components."x"]'),
        ('[endpoint.components."a"]\nfail_afer = 1', 'unknown key "fail_afer"; did you mean "fail_after"?'),
        ('[endpoint.components."a"]\nseverity = "loud"', '"severity" must be'),
        ('[endpoint.components."a"]\nchannels = ["opps"]', 'unknown channel "opps"; did you mean "ops"?'),
    ],
)
def test_a_mistake_names_the_file_the_line_and_what_was_meant(lines: str, words: str) -> None:
    found = problem(lines)
    assert words in found
    assert found.startswith("checker.toml:")
    assert 'endpoint "shop"' in found


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tcp://cache.example", "tcp://mail.example:25"),
        ("tcp://cache.example:1/path", "tcp://mail.example:25"),
        ("tcp://:1", "tcp://mail.example:25"),
        ("tls://shop.example:x", "tls://shop.example:443"),
        ("dns://shop.example:53", "dns://shop.example"),
        ("dns://a b", "dns://shop.example"),
        ("ftp://x", "is not an http or https URL"),
    ],
)
def test_a_wrong_address_is_answered_with_a_right_one(url: str, words: str) -> None:
    assert words in problem("", url)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("tcp://a.example:1", 'headers = { a = "b" }'),
        ("dns://a.example", 'conditions = ["status == 200"]'),
        ("tls://a.example:1", 'body = "x"'),
        ("dns://a.example", 'record = "Z"'),
        ("dns://a.example", 'server = "http://9.9.9.9"'),
        ("tcp://a.example:1", '[endpoint.components."x"]\nfail_after = 2'),
    ],
)
def test_what_a_kind_has_not_is_told(url: str, line: str) -> None:
    assert problem(line, url)


def test_an_address_on_this_machine_that_the_guard_would_refuse_is_doubted() -> None:
    text = '[[endpoint]]\nname = "x"\nurl = "http://127.0.0.1/"\nallow_private = false\n'
    assert any("refuses this very address" in each for each in parse(text, PATH, {}).warnings)


def test_the_examples_of_the_page_can_be_used() -> None:
    page = (Path(__file__).parents[2] / "docs/checker/endpoints.md").read_text("utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    config = parse(example + CHANNEL, PATH, {"SHOP_HEALTH_TOKEN": "s3cret"})
    assert len(config.monitors) == 6
    assert not [each for each in config.warnings if "endpoint" in each]
    table = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", page, re.MULTILINE)
    assert {"status", "latency", "certificate", "answers", "rcode"} <= {word for row in table for word in row}
