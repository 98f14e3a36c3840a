"""What nodes on one database should have in common: the configuration, and the time.

Whichever node read its file last decides what is watched, at all nodes. So while files are rolled out node by
node, each start or reload brings the new one nearer, and the last one settles it; and a node whose file is
another than the one that holds says so, instead of quarrelling with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import Connection

from checker.config import Config
from checker.store import Store, StoreError, codec, monitors, news, nodes
from checker.store.monitors import Synced
from healthkit.durations import humanize
from healthkit.errors import Warn

CONFIGURATION = "configuration"  # under which nodes share whose file holds
APART = 5.0  # seconds that a machine's clock may differ from the database's, which all nodes go by


class Agreement:
    """Writes down whose configuration holds, and tells the own health where this node differs.

    `clock` is the machine's own, not set by the database's.
    """

    def __init__(
        self, store: Store, node: str, clock: Callable[[], float], config: Callable[[], Config]
    ) -> None:
        self._store = store
        self._node = node
        self._clock = clock
        self._config = config
        self._fingerprinted: tuple[Config, str] | None = None

    def sync(self, conn: Connection, config: Config, now: float) -> Synced:
        """Make the monitors what a configuration says, and tell the other nodes which one that is."""
        synced = monitors.sync(conn, config.monitors, now)
        news.say(conn, CONFIGURATION, self._fingerprint(config), self._node)
        return synced

    def check(self) -> float:
        """Return by how many seconds our clock differs from the database's; warn where nodes differ."""
        try:
            said, there = self._store.read_now(
                lambda conn: (news.said(conn, CONFIGURATION), nodes.clock(conn))
            )
        except StoreError as error:
            raise Warn("the database cannot be read") from error
        apart = self._clock() - there
        if abs(apart) > APART:
            raise Warn(
                f"this machine's clock is {humanize(abs(apart))} {'ahead of' if apart > 0 else 'behind'} the "
                "database's, which all nodes go by; set both by NTP",
                value=round(apart, 3),
            )
        if said is not None and said.value != self._fingerprint(self._config()):
            raise Warn(
                f"this node's configuration is another than the one that holds, which node {said.by!r} read "
                f"{humanize(max(0.0, there - said.at))} ago; give all nodes the same file",
                value=round(apart, 3),
            )
        return round(apart, 3)

    def _fingerprint(self, config: Config) -> str:
        """Return a configuration's fingerprint, taken once: with many monitors that takes a while."""
        if self._fingerprinted is None or self._fingerprinted[0] is not config:
            self._fingerprinted = config, fingerprint(config)
        return self._fingerprinted[1]


def fingerprint(config: Config) -> str:
    """Return a short text that is the same for configurations that watch and tell alike."""
    watched = sorted(
        f"{spec.kind} {spec.full_name} {spec.slug} {spec.token} {codec.dumps(codec.spec_to(spec))}"
        for spec in config.monitors
    )
    told = sorted(f"{channel.name} {channel.kind}" for channel in config.channels)
    rest = (*config.maintenance, *config.routes, *config.escalations)
    return sha256("\n".join([*watched, *told, *map(repr, rest)]).encode("utf-8", "replace")).hexdigest()[:32]
