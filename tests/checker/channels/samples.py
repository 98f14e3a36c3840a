"""Notifications to tell, and a way to tell them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from checker.channels import ChannelError, build
from checker.http import Http
from checker.model import Cause, ChannelSpec, Event, Incident, Member, Notification, Severity, State

AT = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC

# What people, attackers and terminals put into names and outputs (R4 and S5 of the fault list).
HOSTILE = [
    "<!channel> <!here> @everyone @here <@U123> <#C123>",
    "<script>alert(1)</script> & \"quoted\" 'too'",
    "shop\r\nBcc: everyone@example.com\r\n\r\ninjected",
    "a\x00b \x1b[31mred\x1b[0m \u202egnp.exe \ud800 \ufeff",
    "*bold* _it_ ~no~ `code` [x](javascript:alert(1)) > quote | ||spoiler|| # head",
    "'; DROP TABLE monitor; --",
    "🔥 größer 日本語 مرحبا",
    "x" * 10_000,
    "",
]


def member(name: str = "shop/database:write", reason: str = "read-only", **fields: Any) -> Member:
    return Member(1, name, State.DOWN, reason, Cause.FAILING, AT, **fields)


def incident(*members: Member, **fields: Any) -> Incident:
    given = {
        "id": 7, "group": "shop", "dedup_key": "incident-7-abc", "title": "shop: database:write",
        "cause": "read-only: attempt to write a readonly database", "since": AT,
        "members": members or (member(),),
    }  # fmt: skip
    return Incident(**{**given, **fields})


def notification(event: Event = Event.OPENED, *members: Member, **fields: Any) -> Notification:
    told = incident(*members, **fields)
    if event is Event.RESOLVED:
        told = replace(
            told,
            resolved_at=AT + 725,
            members=tuple(replace(m, state=State.UP, resolved_at=AT + 725) for m in told.members),
        )
    return Notification(event, told, AT + 725, "https://checker.example/incidents/7")


def hostile(text: str, event: Event = Event.OPENED) -> Notification:
    nasty = member(text or "-", text, evidence={"output": text})
    return notification(
        event, nasty, title=text, cause=text, group=text, suppressed=(text,), dedup_key=f"incident {text}"
    )


def warning() -> Notification:
    return notification(severity=Severity.WARNING)


HTTP_KINDS = ["webhook", "slack", "slack-app", "discord", "pagerduty", "teams", "telegram", "ntfy"]


def settings(kind: str, url: str) -> dict[str, Any]:
    """What a channel of a kind that speaks HTTP needs to post to a test's server."""
    more: dict[str, dict[str, Any]] = {
        "slack-app": {"api": url, "token": "xoxb-SECRET", "channel": "C1"},
        "telegram": {"api": url, "token": "1:SECRET", "chat": "-100"},
        "pagerduty": {"url": url, "routing_key": "r-key"},
        "ntfy": {"url": url, "topic": "ops-SECRET", "token": "tk_SECRET"},
    }
    return more.get(kind, {"url": url})


def tell(kind: str, settings: dict[str, Any], told: Notification, *, dedup: str = "d-1") -> None:
    """Build the channel and send once."""

    async def main() -> None:
        async with Http() as http:
            channel = build(ChannelSpec("ops", kind.removesuffix("-app"), settings), http, clock=lambda: AT)
            await channel.send(told, dedup=dedup)

    asyncio.run(main())


def refusal_of(kind: str, settings: dict[str, Any], told: Notification | None = None) -> ChannelError:
    """Return the error that telling ends with."""
    with pytest.raises(ChannelError) as caught:
        tell(kind, settings, told or notification())
    return caught.value
