"""The page of all keys is complete, and its defaults are those of the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checker import config, config_alerting
from checker.config import parse
from checker.config_components import rules
from checker.config_endpoint import endpoint
from checker.config_heartbeat import heartbeat
from checker.config_section import Section
from checker.config_source import Part, Source
from checker.toml_lines import Lines

PAGE = (Path(__file__).parents[2] / "docs/checker/configuration.md").read_text(encoding="utf-8")
_ROW = re.compile(r"\| `(\w+)` \| (.*?) \| .*\|")

# What a table needs to be one; what is documented as its default must not change what it means.
LEAST: dict[str, str] = {
    "[server]": "[server]\n",
    "[[endpoint]]": '[[endpoint]]\nname = "x"\nurl = "https://x.example"\n',
    "[[heartbeat]]": '[[heartbeat]]\nname = "x"\nschedule = "0 2 * * *"\n',
    "[[channel]]": '[[channel]]\nname = "x"\nkind = "slack"\nurl = "https://hooks.slack.com/x"\n',
    "[[maintenance]]": '[[maintenance]]\nname = "x"\nschedule = "0 2 * * *"\nduration = "1h"\n',
    "[[route]]": (
        '[[channel]]\nname = "x"\nkind = "slack"\nurl = "https://x.example"\n[[route]]\nchannels = ["x"]\n'
    ),
    '[endpoint.components."queue-*"]': (
        '[[endpoint]]\nname = "x"\nurl = "https://x.example"\n[endpoint.components."q*"]\n'
    ),
}
OTHER = {"send": "tcp://x.example:1", "record": "dns://x.example", "server": "dns://x.example"}


def documented(title: str) -> dict[str, str]:
    """Return the rows of the page's table below a heading: key -> default, "" for none."""
    parts = re.split(r"^#+ ", PAGE, flags=re.MULTILINE)
    (text,) = (each for each in parts if each.startswith(f"`{title}`"))
    return {key: "" if default == "—" else default.strip("`") for key, default in _ROW.findall(text)}


def asked(read: Callable[[Section], object], data: Mapping[str, Any] | None = None) -> set[str]:
    """Return every key that a reader knows."""
    section = Section(Source([Part("", Lines(""), {})], {}), ("x", 0), "x", data or {})
    read(section)
    return set(section._asked)


def known(title: str) -> set[str]:
    if title == "[server]":
        source = Source([Part("", Lines(""), {"server": {"nonsense": 1}})], {})
        config._server(source, Path("checker.toml"))
        listed = source.problems[0][1].partition("known are ")[2]
        return set(listed.split(", "))
    if title == "[[endpoint]]":
        urls = ("https://x.example", *OTHER.values(), "tls://x.example:1")
        return set().union(*(asked(endpoint, {"url": url}) for url in urls))
    if title.startswith("[endpoint"):
        source = Source([Part("", Lines(""), {})], {})
        rules(Section(source, ("endpoint", 0), "x", {"components": {"a": {"nonsense": 1}}}))
        return set(source.problems[0][1].partition("known are ")[2].split(", "))
    if title == "[[channel]]":
        return {"name", "kind", "remind_every"} & asked(
            lambda section: config_alerting.channel(section, config._kinds()), {"kind": "slack"}
        )
    if title == "[[route]]":
        return asked(config_alerting.route) | asked(config_alerting.escalation)
    return asked(heartbeat if title == "[[heartbeat]]" else config_alerting.maintenance)


@pytest.mark.parametrize("title", LEAST)
def test_every_key_is_on_the_page_and_no_other(title: str) -> None:
    assert set(documented(title)) == known(title)


@pytest.mark.parametrize("title", LEAST)
def test_a_documented_default_is_what_it_is_without_it(title: str) -> None:
    for key, default in documented(title).items():
        if not default:
            continue
        text = LEAST[title]
        if key in OTHER:
            text = text.replace("https://x.example", OTHER[key])
        tomllib.loads(f"{key} = {default}")
        written = f"{text}{key} = {default}\n"
        assert meant(written) == meant(text), key


def meant(text: str) -> config.Config:
    return replace(parse(text, Path("checker.toml"), {}), warnings=())


def test_the_pages_examples_are_taken() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    environ = {
        "CHECKER_ADMIN_TOKEN": "adm1n-s3cret-0123456789",
        "CHECKER_PING_KEY": "p1ng-s3cret-0123456789",
        "SLACK_WEBHOOK": "https://hooks.slack.com/services/x",
    }
    assert parse(example, Path("checker.toml"), environ).warnings == ()
