"""The whole web application of a checker over a real store, without the loops."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checker.announcements import Announcements
from checker.config import Config, load
from checker.model import Command, Observation
from checker.record import Recorded, Recorder
from checker.registry import Registry
from checker.store import Store, monitors
from checker.store.windows import Windows
from checker.web.app import receiving
from checker.web.context import Context
from healthkit.health import Health
from tests.checker.stores import prepare
from tests.checker.web.asgi import Reply, call
from tests.checker.web.shared import pages_of

NOW = 1_800_000_000.0
ADMIN = "admin-token-0123456789abcdefghij"
READER = "reader-token-0123456789abcdefghi"
PING_KEY = "ping-key-0123456789"

CONFIG = """
[server]
listen = "{listen}"
public_url = "https://checker.example"
database = "sqlite:///{folder}/checker.db"
ping_key = "{ping_key}"
open_slugs = true
{tokens}

[[endpoint]]
name = "shop"
url = "https://user:hunter2@shop.example/health?token=s3cret"

[[heartbeat]]
name = "Nightly invoices"
schedule = "0 2 * * *"
timezone = "Europe/Berlin"
tags = ["billing", "nightly"]

[[channel]]
name = "ops"
kind = "webhook"
url = "https://hooks.example/T0KEN"

[[channel]]
name = "mail"
kind = "webhook"
url = "https://hooks.example/T0KEN2"

[[maintenance]]
name = "sunday window"
schedule = "0 3 * * SUN"
duration = "1h"
monitors = ["shop"]
"""


class Site:
    """A checker's web application; `clock` may be moved."""

    def __init__(
        self,
        folder: Path,
        *,
        admin: str = ADMIN,
        reader: str = READER,
        listen: str = "127.0.0.1:8765",
        store: Store | None = None,
        more: str = "",
    ) -> None:
        path = folder / "checker.toml"
        tokens = f'admin_token = "{admin}"\n' if admin else ""
        tokens += f'read_only_token = "{reader}"\n' if reader else ""
        text = CONFIG.format(folder=folder, listen=listen, tokens=tokens, ping_key=PING_KEY)
        path.write_text(text + more)
        self.config: Config = load(path, {})
        self.now = NOW
        self.live = False  # whether time goes by
        if store is None:
            prepare(folder / "checker.db")
        self.store = store or Store(self.config.server.database)
        self.store.write_now(lambda conn: monitors.sync(conn, self.config.monitors, NOW - 7200))
        self.registry = Registry(self.store)
        self.registry.reload_now()
        self.recorder = Recorder(self.store, self.registry, self.clock)
        self.windows = Windows(self.store, self.clock)
        context = Context(
            store=self.store,
            clock=self.clock,
            config=lambda: self.config,
            health=Health("healthkit-checker"),
            monitors=self.registry,
            recorder=self.recorder,
            windows=self.windows,
            announcements=Announcements(self.store, self.registry, lambda: self.config, self.clock),
            url="http://127.0.0.1:8765",
        )
        self.app = receiving(context, pages_of(context))

    def clock(self) -> float:
        """What the time is here."""
        return time.time() if self.live else self.now

    def ask(self, path: str, *, key: str = ADMIN, **options: Any) -> Reply:
        """Return the answer to a request; `key` goes as both kinds of header."""
        headers = list(options.pop("headers", ()))
        if key:
            headers += [("X-Api-Key", key), ("Authorization", f"Bearer {key}")]
        if "json" in options:
            options["body"] = json.dumps(options.pop("json")).encode()
            headers.append(("Content-Type", "application/json"))
        reply = asyncio.run(call(self.app, path, headers=headers, **options))
        assert reply is not None
        return reply

    def json(self, path: str, status: int = 200, **options: Any) -> Any:
        """Return the JSON of an answer, whose status is as expected."""
        reply = self.ask(path, **options)
        assert reply.status == status, (reply.status, reply.text)
        return json.loads(reply.text) if reply.body else None

    def make(self, **fields: Any) -> dict[str, Any]:
        """Make a check by the management API, and return it."""
        made = self.json("/api/v3/checks/", 201, method="POST", json=fields)
        assert isinstance(made, dict)
        return made

    def record(self, *observations: tuple[int, Observation]) -> list[Recorded]:
        """Let something have happened."""
        return asyncio.run(self.recorder.record(observations))

    def command(self, name: str, verb: str) -> None:
        """Say what an operator says."""
        self.record((self.id(name), Command(verb, self.now)))

    def id(self, name: str) -> int:
        """The id of a monitor."""
        found = self.registry.full_name(name)
        assert found is not None, name
        return found

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()


def names(found: Sequence[dict[str, Any]]) -> list[str]:
    """The names of what was listed."""
    return sorted(each["name"] for each in found)
