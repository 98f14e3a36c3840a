"""Passes a command's output on, byte for byte and at once, and remembers the end of it."""

from __future__ import annotations

import os
import select
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

CHUNK = 65_536


class Tee:
    """Stands between a command's stdout and stderr and ours, keeping the last `limit` bytes.

    A stream that is a terminal, or closed, is left alone, and so is everything when `limit` is 0. Where both
    are one and the same file, one pipe keeps their order.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tail: deque[bytes] = deque()
        self._size = 0
        self._readers: dict[int, int] = {}  # our end of a pipe -> where it goes
        self._writers: list[tuple[int, int]] = []  # the command's end -> its stream
        self._thread: threading.Thread | None = None
        self._wake: tuple[int, int] | None = None
        if limit > 0:
            self._open()

    def _open(self) -> None:
        streams = [stream for stream in (1, 2) if _worth_a_pipe(stream)]
        if len(streams) == 2 and os.path.sameopenfile(1, 2):
            reader, writer = os.pipe()
            self._readers[reader] = 1
            self._writers = [(writer, 1), (writer, 2)]
            return
        for stream in streams:
            reader, writer = os.pipe()
            self._readers[reader] = stream
            self._writers.append((writer, stream))

    def pipes(self) -> list[tuple[int, int]]:
        """Return the pairs (our descriptor, the command's stream it shall become)."""
        return list(self._writers)

    def spawned(self) -> None:
        """The command has its own copies: close ours, so that its end can be seen."""
        for writer in {writer for writer, _ in self._writers}:
            os.close(writer)
        self._writers = []

    def start(self) -> None:
        """Begin to pass output on."""
        if self._readers:
            import threading  # not before the command runs

            self._wake = os.pipe()
            self._thread = threading.Thread(target=self._pump, name="healthkit-tee", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """The command has ended: pass on what is there, and wait for no more."""
        if self._wake is not None:
            os.write(self._wake[1], b".")

    def finished(self, timeout: float) -> bool:
        """Wait `timeout` seconds at most; return whether all that was there is passed on."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def hand_over(self) -> None:
        """If something the command left behind still holds the pipe, leave a process that passes its output
        on.
        """
        if not self._readers:
            return
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # fork beside a thread: the child only copies bytes
            if os.fork() == 0:
                self._copy_for_ever()
        self.close()

    def close(self) -> None:
        """Close every descriptor that is still open."""
        self.spawned()
        for reader in self._readers:
            os.close(reader)
        self._readers = {}

    def tail(self) -> bytes:
        """Return the last bytes that were passed on."""
        return b"".join(self._tail)[-self._limit :] if self._limit else b""

    def _pump(self) -> None:
        assert self._wake is not None
        ending = False
        while self._readers:
            ready = _readable([*self._readers, self._wake[0]], block=not ending)
            ending = ending or self._wake[0] in ready
            ready.discard(self._wake[0])
            if ending and not ready and not (ready := _readable(list(self._readers), block=False)):
                return
            for reader in ready:
                self._pass_on(reader)

    def _pass_on(self, reader: int) -> None:
        data = os.read(reader, CHUNK)
        if data and _write(self._readers[reader], data):
            self._remember(data)
            return
        os.close(
            reader
        )  # its end, or nobody reads any more: then the command's next write fails as it would have
        del self._readers[reader]

    def _remember(self, data: bytes) -> None:
        self._tail.append(data[-self._limit :])
        self._size += len(self._tail[-1])
        while self._size - len(self._tail[0]) >= self._limit:
            self._size -= len(self._tail.popleft())

    def _copy_for_ever(self) -> None:
        keep = sorted({*self._readers, *self._readers.values()})
        for low, high in zip([-1, *keep], [*keep, 4096], strict=True):
            os.closerange(low + 1, high)
        try:
            while self._readers:
                for reader in _readable(list(self._readers), block=True):
                    self._pass_on(reader)
        finally:
            os._exit(0)


def _worth_a_pipe(stream: int) -> bool:
    try:
        return not os.isatty(stream) and bool(os.fstat(stream))
    except OSError:
        return False


def _readable(descriptors: list[int], *, block: bool) -> set[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if block else 0)}


def _write(stream: int, data: bytes) -> bool:
    """Write all of it; return whether anybody took it."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(stream, view) :]
        except BlockingIOError:  # somebody made the shared descriptor non-blocking
            poll = select.poll()
            poll.register(stream, select.POLLOUT)
            poll.poll()
        except OSError:
            return False
    return True
