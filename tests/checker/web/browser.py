"""A real Chromium, driven by its DevTools protocol: as much of it as the tests need."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.waiting import wait_for

PATIENCE = 60.0  # seconds that anything may take on a loaded machine
FLAGS = (
    "--headless=new", "--remote-debugging-port=0", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-extensions", "--mute-audio", "--no-proxy-server",
)  # fmt: skip


@contextmanager
def chromium(folder: Path) -> Iterator[str]:
    """Start a browser with a profile of its own; gives the address of its DevTools."""
    names = (os.environ.get("HEALTHKIT_CHROMIUM") or "chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    assert program, "no Chromium on PATH: install one, or leave these tests out with -m 'not browser'"
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"], stdout=log, stderr=log
        )
    said = folder / "DevToolsActivePort"
    try:
        wait_for(
            lambda: said.exists() and len(said.read_text().split()) == 2, PATIENCE, "the browser's start"
        )
        port, path = said.read_text().split()
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


class Tab:
    """A page in a window of its own, without others' cookies; `errors` collects what its console says."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._session: str | None = None
        self._loads = 0

    async def open(self) -> None:
        """Make the window."""
        context = await self.send("Target.createBrowserContext")
        made = await self.send("Target.createTarget", url="about:blank", **context)
        found = await self.send("Target.attachToTarget", flatten=True, **made)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")

    async def listen(self) -> None:
        """Take in what the browser says."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._hear(said["method"], said.get("params", {}))

    def _hear(self, what: str, told: dict[str, Any]) -> None:
        if what == "Page.loadEventFired":
            self._loads += 1
        elif what == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"]))
        elif what == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(told["entry"]["text"])
        elif what == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.errors.append(str(told["args"]))

    async def send(self, method: str, **given: Any) -> Any:
        """Return the result of a command."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        session = {} if self._session is None else {"sessionId": self._session}
        await self._socket.send_json({"id": number, "method": method, "params": given, **session})
        said = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in said, (method, said["error"])
        return said["result"]

    async def goto(self, url: str) -> None:
        """Open a page, and wait until it is there."""
        before = self._loads
        await self.send("Page.navigate", url=url)
        await self._until(lambda: self._loads > before, f"loading {url}")

    async def click(self, selector: str) -> None:
        """Press a button that leads to another page, and wait until it is there."""
        before = self._loads
        await self.ask(f"document.querySelector({json.dumps(selector)}).click()")
        await self._until(lambda: self._loads > before, f"what {selector} leads to")

    async def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        said = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not await self.ask(expression):
            assert time.monotonic() < end, (expression, await self.ask("document.body.innerText"))
            await asyncio.sleep(0.1)

    async def _until(self, condition: Any, what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, what
            await asyncio.sleep(0.02)


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Tab]:
    """Open a window in a running browser."""
    async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
        found = Tab(socket)
        listening = asyncio.create_task(found.listen())
        try:
            await found.open()
            yield found
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
