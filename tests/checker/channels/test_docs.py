"""The page about channels says what is so: its examples are built, its JSON is sent, its check checks."""

from __future__ import annotations

import asyncio
import json
import re
import time
import tomllib
from pathlib import Path
from typing import Any

from checker.channels import KINDS, build
from checker.channels.base import signature_headers
from checker.channels.webhook import Webhook, names
from checker.http import Http
from checker.model import ChannelSpec
from tests.checker.channels.samples import notification

PAGE = Path(__file__).parents[3].joinpath("docs", "channels.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_examples_can_be_built_and_the_table_names_every_setting() -> None:
    async def main() -> None:
        async with Http() as http:
            for entry in tomllib.loads(block("toml"))["channel"]:
                name, kind = entry.pop("name"), entry.pop("kind")
                assert entry.keys() <= KINDS[kind].required | KINDS[kind].optional
                build(ChannelSpec(name, kind, entry), http)

    asyncio.run(main())
    for kind, channel in KINDS.items():
        [row] = re.findall(rf"^\| `{kind}` \|(.*)\|(.*)\|$", PAGE, flags=re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row[0])) - {"apprise"} == channel.required, kind
        assert set(re.findall(r"`(\w+)`", row[1])) == channel.optional, kind


def test_the_json_is_what_is_sent() -> None:
    async def main() -> dict[str, Any]:
        async with Http() as http:
            channel = build(ChannelSpec("x", "webhook", {"url": "http://h"}), http)
            assert isinstance(channel, Webhook)
            return dict(channel.payload(notification(suppressed=("nightly-invoices",))))

    assert asyncio.run(main()) == json.loads(block("json"))


def test_the_template_works_and_every_name_of_the_page_is_there() -> None:
    async def main() -> dict[str, Any]:
        async with Http() as http:
            given = {"url": "http://h", "template": block("jinja")}
            found: dict[str, Any] = json.loads(build_webhook(given, http).body(notification()))
            return found

    found = asyncio.run(main())
    assert found.keys() == {"text", "link", "monitors"}
    named = re.findall(r"`(\w+)`", PAGE.rpartition("There are")[2])
    assert set(named) - {"bad", "warning", "good", "calm"} == names(notification()).keys()


def build_webhook(given: dict[str, Any], http: Http) -> Webhook:
    channel = build(ChannelSpec("x", "webhook", given), http)
    assert isinstance(channel, Webhook)
    return channel


def test_the_check_takes_a_genuine_message_and_no_other() -> None:
    found: dict[str, Any] = {}
    exec(block("python"), found)
    is_genuine = found["is_genuine"]
    now = time.time()
    assert is_genuine(signature_headers("s", b"body", now), b"body", "s")
    assert not is_genuine(signature_headers("s", b"body", now), b"other", "s")
    assert not is_genuine(signature_headers("other", b"body", now), b"body", "s")
    assert not is_genuine(signature_headers("s", b"body", now - 3600), b"body", "s")
