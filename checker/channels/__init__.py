"""Where incidents are told. A new kind is one short file here and one line in `KINDS`."""

from __future__ import annotations

import time

from checker.channels.apprise import Apprise
from checker.channels.base import Channel, ChannelError, Clock, Pace
from checker.channels.discord import Discord
from checker.channels.email import Email
from checker.channels.ntfy import Ntfy
from checker.channels.pagerduty import PagerDuty
from checker.channels.posts import Posts
from checker.channels.slack import Slack
from checker.channels.teams import Teams
from checker.channels.telegram import Telegram
from checker.channels.webhook import Webhook
from checker.http import Http
from checker.model import ChannelSpec
from healthkit.errors import ConfigurationError

__all__ = ["KINDS", "Channel", "ChannelError", "Pace", "build"]

KINDS: dict[str, type[Channel]] = {
    "webhook": Webhook,
    "slack": Slack,
    "discord": Discord,
    "email": Email,
    "pagerduty": PagerDuty,
    "teams": Teams,
    "telegram": Telegram,
    "ntfy": Ntfy,
    "apprise": Apprise,
}


def build(spec: ChannelSpec, http: Http, *, clock: Clock = time.time, posts: Posts | None = None) -> Channel:
    """Return the channel a specification means; raise `ConfigurationError` when it cannot be meant.

    `posts` remembers where each incident was first told; by default the channel does while it lives.
    """
    kind = KINDS.get(spec.kind)
    if kind is None:
        known = ", ".join(KINDS)
        raise ConfigurationError(f'channel "{spec.name}": unknown kind "{spec.kind}"; known are {known}')
    channel = kind(spec, http, clock=clock)
    if posts is not None:
        channel.posts = posts
    return channel
