"""One GET by each HTTP library that `OutboundCalls` watches, as an app would make it."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

Get = Callable[..., int]
PATIENCE = 10.0  # seconds; tests of timeouts give less


def by_requests(url: str, timeout: float = PATIENCE) -> int:
    return requests.get(url, timeout=timeout).status_code


def by_urllib3(url: str, timeout: float = PATIENCE) -> int:
    with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
        return pool.request("GET", url).status


def by_httpx(url: str, timeout: float = PATIENCE) -> int:
    return httpx.get(url, timeout=timeout, verify=False).status_code


def by_httpx2(url: str, timeout: float = PATIENCE) -> int:
    return httpx2.get(url, timeout=timeout, verify=False).status_code


def by_httpx_async(url: str, timeout: float = PATIENCE) -> int:
    async def get() -> int:
        async with httpx.AsyncClient(timeout=timeout, verify=False) as client:
            return (await client.get(url)).status_code

    return asyncio.run(get())


def by_httpx2_async(url: str, timeout: float = PATIENCE) -> int:
    async def get() -> int:
        async with httpx2.AsyncClient(timeout=timeout, verify=False) as client:
            return (await client.get(url)).status_code

    return asyncio.run(get())


def by_aiohttp(url: str, timeout: float = PATIENCE) -> int:
    async def get() -> int:
        total = aiohttp.ClientTimeout(total=timeout)
        async with aiohttp.ClientSession(timeout=total) as session, session.get(url) as response:
            return response.status

    return asyncio.run(get())


def by_urllib(url: str, timeout: float = PATIENCE) -> int:
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return int(response.status)


LIBRARIES = [
    by_requests, by_urllib3, by_httpx, by_httpx2, by_httpx_async, by_httpx2_async, by_aiohttp, by_urllib,
]  # fmt: skip
every_library = pytest.mark.parametrize("get", LIBRARIES, ids=lambda get: get.__name__[3:])
