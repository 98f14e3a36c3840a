"""The HTTP libraries that `OutboundCalls` can watch: one file each, and one line here."""

from __future__ import annotations

from healthkit.checks.outbound_clients import aiohttp, httpx, requests, urllib, urllib3
from healthkit.checks.outbound_clients.model import Client

CLIENTS: tuple[Client, ...] = (
    *requests.CLIENTS,
    *urllib3.CLIENTS,
    *httpx.CLIENTS,
    *aiohttp.CLIENTS,
    *urllib.CLIENTS,
)
