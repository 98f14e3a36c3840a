"""What misbehaves costs only itself: the poller beside every hostile endpoint at once."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from checker.http import Http
from checker.model import Cause, Kind, MonitorSpec
from checker.poller import Poller
from checker.record import Recorder
from checker.registry import Registry
from checker.store import monitors
from tests.checker import hostile
from tests.checker.hostile import Behaviour, HostileServer
from tests.checker.stores import prepared
from tests.recording import RecordingServer

NOW = 1_700_000_000.0
LOOKS = 8  # at the good one, while the others do their worst
_LOOP = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
_GZIP = _HEAD.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection")
_SILENT = {"drip", "hang", "names"}  # those that only a timeout ends
WORST: dict[str, tuple[Behaviour, Cause]] = {
    "drip": (hostile.drip, Cause.UNREACHABLE),
    "hang": (hostile.hang, Cause.UNREACHABLE),
    "flood": (hostile.flood, Cause.NONE),
    "headers": (hostile.endless_headers, Cause.DOCUMENT),
    "bomb": (hostile.says(_GZIP + gzip.compress(b"\0" * 20_000_000)), Cause.DOCUMENT),
    "loop": (hostile.says(_LOOP), Cause.HTTP),
    "values": (hostile.says(_HEAD + b'{"checks":[' + b"{}," * 600_000 + b"{}]}"), Cause.DOCUMENT),
}


def test_what_misbehaves_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, released = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> Any:
        if host == "black-hole.test":
            released.wait(60)  # stands for name servers that do not answer
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with ExitStack() as running:
        running.callback(released.set)
        store = prepared(tmp_path / "checker.db")
        running.callback(store.close)
        good = running.enter_context(RecordingServer())
        urls = {name: running.enter_context(HostileServer(each)).url for name, (each, _) in WORST.items()}
        urls |= {"good": good.url, "names": "http://black-hole.test/"}
        specs = [
            MonitorSpec(
                Kind.ENDPOINT,
                name,
                url=url,
                every=0.25 if name == "good" else 1.0,
                timeout=1.0 if name in _SILENT else 20.0,
            )
            for name, url in urls.items()
        ]
        store.write_now(lambda conn: monitors.sync(conn, specs, NOW))
        causes = asyncio.run(_causes(Registry(store), good, len(specs)))
    assert causes.pop("good") is Cause.NONE
    assert causes.pop("names") is Cause.UNREACHABLE
    assert causes == {name: cause for name, (_, cause) in WORST.items()}


async def _causes(registry: Registry, good: RecordingServer, count: int) -> dict[str, Cause]:
    """Poll until each was looked at, and the good one often; return what was seen of each."""
    await registry.reload()
    recorder = Recorder(registry._store, registry, lambda: NOW)
    async with Http() as http, asyncio.timeout(40):
        poller = Poller(registry, recorder, http, lambda: NOW)
        polling = asyncio.create_task(poller.run())
        while len(poller.latest) < count or len(good.requests) < LOOKS:
            await asyncio.sleep(0.02)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        await recorder.drain()
    names = {each: spec.name for each, spec in registry.endpoints()}
    return {names[each]: poll.cause for each, poll in poller.latest.items()}
