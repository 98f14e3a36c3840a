"""A TCP relay that can turn into a black hole: what was open stalls, what is new never comes."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

Pair = tuple[socket.socket, socket.socket]


class Relay:
    """Forwards `127.0.0.1:port` to a port behind it, in one thread of its own, until closed."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._pairs: set[Pair] = set()
        self._is_stalled = self._is_closed = False
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def black_hole(self) -> Iterator[None]:
        """Forward nothing and take no connection; afterwards what had stalled is reset."""
        with self._turn:
            self._is_stalled = True
            self._selector.unregister(self._listener)
            self._listener.close()
        full = _listen(self.port, backlog=0)
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:  # the first few are taken into the backlog, the rest hang in SYN
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
        try:
            yield
        finally:
            for each in (*fillers, full):
                each.close()
            with self._turn:
                for pair in list(self._pairs):
                    self._end(pair)
                self._listener = _listen(self.port)
                self._selector.register(self._listener, selectors.EVENT_READ)
                self._is_stalled = False

    def close(self) -> None:
        """Close every connection and end the thread."""
        self._is_closed = True
        self._thread.join()
        for pair in list(self._pairs):
            self._end(pair)
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._is_closed:
            with self._turn:
                for key, _ in self._selector.select(0.005):
                    self._accept() if key.fileobj is self._listener else self._forward(key.data)
            threading.Event().wait(0.001)  # let others take the turn

    def _accept(self) -> None:
        here, _ = self._listener.accept()
        try:
            there = socket.create_connection(("127.0.0.1", self.behind), timeout=1)
        except OSError:
            here.close()
            return
        pair = (here, there)
        self._pairs.add(pair)
        for source, target in (pair, pair[::-1]):
            self._selector.register(source, selectors.EVENT_READ, (pair, source, target))

    def _forward(self, route: tuple[Pair, socket.socket, socket.socket]) -> None:
        pair, source, target = route
        if self._is_stalled or pair not in self._pairs:
            return
        try:
            data = source.recv(65536)
            target.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._end(pair)

    def _end(self, pair: Pair) -> None:
        self._pairs.discard(pair)
        for each in pair:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(each)
            each.close()


def _listen(port: int, backlog: int = 64) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(backlog)
    return listener
