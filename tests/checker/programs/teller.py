"""A small checker to be killed: it judges and tells what its database holds, on the real clock.

`teller.py URL FILE [SECONDS]`: each notification is appended to FILE as a line, after SECONDS of sending; the
word "sending" goes to standard output when a send begins. With FILE "-" nothing is told: it only records.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from checker.assembler import Assembler
from checker.channels import Pace
from checker.dispatcher import Dispatcher
from checker.model import Notification, Ping, PingKind
from checker.record import Recorder
from checker.registry import Registry
from checker.store import Store


class FileChannel:
    """Tells a file, slowly if wished."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self.pace = Pace()

    async def send(self, notification: Notification, *, dedup: str) -> None:
        """Append one line."""
        print("sending", flush=True)
        await asyncio.sleep(self._seconds)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{notification.event} {notification.incident.group} {dedup}\n")


async def tell(store: Store, path: Path, seconds: float) -> None:
    """Judge and send, until killed."""
    registry = Registry(store)
    await registry.reload()
    recorder = Recorder(store, registry, time.time)
    channel = FileChannel(path, seconds)
    put = asyncio.Event()
    assembler = Assembler(
        store,
        registry,
        node="node",
        channels=lambda: ["file"],
        maintenance=list,
        changed=recorder.changed,
        put=put,
        clock=time.time,
    )
    dispatcher = Dispatcher(store, node="node", channels=lambda: {"file": channel}, put=put, clock=time.time)
    await asyncio.gather(assembler.run(), dispatcher.run())


async def record(store: Store) -> None:
    """Fail and recover in turns, and say which ping was answered; until killed."""
    registry = Registry(store)
    await registry.reload()
    recorder = Recorder(store, registry, time.time)

    async def client(monitor_id: int) -> None:
        kinds = (PingKind.FAIL, PingKind.SUCCESS)
        count = 0
        while True:
            count += 1
            (done,) = await recorder.record([(monitor_id, Ping(kinds[count % 2], at=time.time()))])
            print(monitor_id, done.n, flush=True)

    await asyncio.gather(*(client(monitor_id) for monitor_id, _ in registry.heartbeats()))


def main() -> None:
    """Run until killed."""
    store = Store(sys.argv[1])
    if sys.argv[2] == "-":
        asyncio.run(record(store))
    else:
        asyncio.run(tell(store, Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0))


if __name__ == "__main__":
    main()
