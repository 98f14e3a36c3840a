"""The composition root: everything that a running checker is made of, its start, its reloads and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from checker import server
from checker.agreement import Agreement
from checker.announcements import Announcements
from checker.assembler import Assembler, Manner
from checker.channels import Channel, build
from checker.clock import SharedClock
from checker.config import Config
from checker.dead_man import DeadMan
from checker.dispatcher import Dispatcher
from checker.http import Http
from checker.log import log_at
from checker.news import News
from checker.own_health import OwnHealth
from checker.poller import Poller
from checker.process import raise_file_limit, settle_garbage
from checker.record import Recorder
from checker.registry import Registry
from checker.reload import Reloader
from checker.retention import Retention
from checker.roller import Roller
from checker.rules.reminders import Reminders
from checker.share import Alone, Share
from checker.store import Store, StoreError, nodes
from checker.store.channel_threads import StoredPosts
from checker.store.monitors import Synced
from checker.store.windows import Windows
from checker.supervisor import Supervisor
from checker.watcher import Watcher
from checker.web.app import app, distribution_version
from checker.web.context import Context
from checker.web.present import Notice

logger = logging.getLogger(__name__)

STOP_WITHIN = 4.5  # seconds from the signal to the end, whatever hangs


class Checker:
    """One node. `run` returns its exit code once it was told to stop.

    `out` prints the one line that says it is ready. Raises `ListenError` and `StoreError` from `run`.
    """

    def __init__(
        self,
        config: Config,
        *,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        out: Callable[[str], None] | None = None,
    ) -> None:
        self.clock = self._own_clock = clock
        self._first = config
        self._environ = environ
        self._out = out or _print
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask for an orderly end, as SIGTERM does."""
        self._stop.set()

    async def run(self) -> int:
        """Start, serve until told to stop, and end in order."""
        raise_file_limit()
        sock = server.listen(self._first.server.host, self._first.server.port)
        self.address = server.address(sock)
        self.node = f"{socket.gethostname()[:50]}:{self.address.port}"
        self.store = Store(self._first.server.database)
        try:
            await self._prepare()
            await self._serve(sock)
        finally:
            sock.close()
            await asyncio.to_thread(self.store.close)
        return 0

    @property
    def config(self) -> Config:
        """The configuration that holds now."""
        return self.reloader.config

    async def _prepare(self) -> None:
        """Make everything that the loops and the pages need; nothing runs yet."""
        self.store.migrate()
        if self.store.dialect != "sqlite":
            self.clock = shared = SharedClock(self._own_clock)
            answered = shared.ask()
            answered(await self.store.read(nodes.clock))
        now = self.clock()
        self.agreement = Agreement(self.store, self.node, self._own_clock, lambda: self.config)
        synced = await self.store.settle(lambda conn: self.agreement.sync(conn, self._first, now))
        for line in synced.lines():
            logger.info("configuration: %s", line)
        self.registry = Registry(self.store)
        self.news = News(self.store, self.registry, changed=lambda: self.poller.reload())
        await self.news.start()
        self.share = self._join(self.clock) if isinstance(self.clock, SharedClock) else Alone()
        may_poll = self.share.fence if isinstance(self.share, Share) else None
        self.recorder = Recorder(self.store, self.registry, self.clock, may_poll=may_poll)
        self.windows = Windows(self.store, self.clock)
        await self.windows.reload()
        self.http = Http()
        self.channels = self._build(self._first)
        self.reloader = Reloader(self._first, self._environ, self._apply)
        self.supervisor = Supervisor(self.clock)
        self._make_loops()
        self.health = OwnHealth(
            store=self.store,
            node=self.node,
            clock=self.clock,
            config=lambda: self.config,
            supervisor=self.supervisor,
            reload_error=lambda: self.reloader.error,
            version=distribution_version(),
        ).health
        self.dead_man = DeadMan(self.http, self.health, lambda: self.config.server, self.clock)
        self.health.add(
            self.dead_man.check, name="dead_man", measurement="sign", timeout=2, fresh_for=1, critical=False
        )

        if isinstance(self.share, Share):
            self.health.add(
                self.agreement.check, name="nodes", measurement="agreement", timeout=12, fresh_for=5,
                critical=False,
            )  # fmt: skip

    def _join(self, clock: SharedClock) -> Share:
        return Share(
            self.store,
            self.node,
            clock=clock,
            changed=lambda: self.poller.reload(),
            sees=lambda: self.poller.sight.since is None,
        )

    def _make_loops(self) -> None:
        put = asyncio.Event()
        self.poller = Poller(
            self.registry,
            self.recorder,
            self.http,
            self.clock,
            references=self._first.server.reachability,
            share=self.share,
        )
        sight = self.poller.sight
        self.watcher = Watcher(
            self.store,
            self.registry,
            self.recorder,
            node=self.node,
            clock=self.clock,
            blind_since=lambda: sight.since,
            share=self.share,
        )
        self.assembler = Assembler(
            self.store,
            self.registry,
            node=self.node,
            channels=lambda: tuple(self.channels),
            maintenance=lambda: (*self.config.maintenance, *self.windows.open()),
            manner=self._manner,
            changed=self.recorder.changed,
            put=put,
            clock=self.clock,
            blind_since=lambda: sight.since,
            routes=lambda: self.config.routes,
            escalations=lambda: self.config.escalations,
        )
        self.dispatcher = Dispatcher(
            self.store, node=self.node, channels=lambda: self.channels, put=put, clock=self.clock
        )

    def _manner(self) -> Manner:
        server = self.config.server
        own = {each.name: each.remind_every for each in self.config.channels}
        rhythms = {name: every for name, every in own.items() if every is not None}
        reminders = Reminders(server.remind_every, rhythms)
        return Manner(server.public_url or self.address.url, server.storm, reminders)

    async def _serve(self, sock: socket.socket) -> None:
        """Run the server and the loops until a stop is asked for."""
        context = Context(
            store=self.store,
            clock=self.clock,
            config=lambda: self.config,
            health=self.health,
            monitors=self.registry,
            recorder=self.recorder,
            windows=self.windows,
            notices=self.notices,
            ask=self.news.ask if isinstance(self.share, Share) else None,
            announcements=Announcements(
                self.store, self.registry, lambda: self.config, self.clock, self.poller.reload
            ),
            node=f"{self.node}, healthkit {distribution_version()}",
            url=self.address.url,
        )
        web = server.server(app(context))
        self._listen_to_signals()
        await self.watcher.start(self.clock())  # before any ping comes in
        serving = asyncio.create_task(server.serve(web, sock), name="server")
        try:
            await server.started(web, serving)
            self._start_loops()
            settle_garbage()
            self._out(f"healthkit-checker: listening on {self.address.url}")
            await self._until_stopped(serving)
        finally:
            await self._end(web, serving)

    def _start_loops(self) -> None:
        loops = {
            "registry": self.registry.run,
            "poller": self.poller.run,
            "watcher": self.watcher.run,
            "assembler": self.assembler.run,
            "dispatcher": self.dispatcher.run,
            "reloader": self.reloader.run,
            "windows": self.windows.run,
            "retention": Retention(self.store, self.registry, self.clock, node=self.node).run,
            "roller": self._roller().run,
            "dead man's switch": self.dead_man.run,
            "sight": lambda: self.poller.sight.run(self.clock),
        }
        if isinstance(self.share, Share):
            loops |= {"share": self.share.run, "news": self.news.run}
        signs = {
            "poller": lambda: self.poller.turned_at,
            "watcher": lambda: self.watcher.turned_at,
            "assembler": lambda: self.assembler.turned_at,
            "dispatcher": lambda: self.dispatcher.turned_at,
        }
        for name, run in loops.items():
            self.supervisor.start(name, run, sign=signs.get(name))

    def _roller(self) -> Roller:
        return Roller(
            self.store, node=self.node, clock=self.clock, maintenance=lambda: self.config.maintenance
        )

    async def _until_stopped(self, serving: asyncio.Task[None]) -> None:
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    async def _end(self, web: server.Server, serving: asyncio.Task[None]) -> None:
        """Stop taking requests, answer those in flight, flush, let go of leases; bounded, whatever hangs."""
        began = time.monotonic()
        web.should_exit = True
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await self.supervisor.stop(1.0)
                await asyncio.gather(serving, self.dispatcher.stop(2.0), return_exceptions=True)
                await self.recorder.drain()
                await self._say_goodbye()
        except TimeoutError:
            logger.warning(
                "stopped without waiting any longer: something hangs; nothing that was answered is lost"
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await self.http.aclose()
        logger.info("stopped after %.1f s", time.monotonic() - began)

    async def _say_goodbye(self) -> None:
        try:
            if isinstance(self.share, Share):
                await self.share.stop()
            await self.assembler.stop()
            await self.watcher.stop(self.clock())
        except StoreError as error:
            logger.warning("could not write down that the checker stops in order: %s", error)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reloader.ask)

    async def _apply(self, config: Config) -> None:
        """Make a changed configuration hold; what asks for `self.config` each time follows by itself."""
        channels = self._build(config)
        now = self.clock()
        synced = await self.store.settle(lambda conn: self.agreement.sync(conn, config, now))
        if synced != Synced():  # else nothing to read: there may be a million
            await self.registry.reload()
        self.channels = channels
        self.poller.refer_to(config.server.reachability)
        self.poller.reload()
        self.recorder.changed.set()
        if config.server.log_level != self.config.server.log_level:
            log_at(config.server.log_level)

    def _build(self, config: Config) -> dict[str, Channel]:
        posts = StoredPosts(self.store, self.clock)
        return {spec.name: build(spec, self.http, posts=posts) for spec in config.channels}

    def notices(self) -> list[Notice]:
        """Return what a person who looks at the dashboard should know of the checker itself."""
        found = []
        if self.reloader.error:
            title = "The configuration was changed and cannot be used; the old one keeps running."
            found.append(Notice("bad", title, self.reloader.error))
        broken = [state.name for state in self.supervisor.recent(within=60.0)]
        if broken:
            found.append(
                Notice("bad", "The checker itself has trouble:", f"{', '.join(broken)} failed lately.")
            )
        if not self.config.channels:
            found.append(
                Notice("warn", "Nobody is told.", "No channel is configured: alerts end on this page.")
            )
        found += [Notice("warn", "", text, quiet=True) for text in self.config.warnings]
        return found


def _print(line: str) -> None:
    print(line, flush=True)
    sys.stdout.flush()
