"""Tells a signal that was sent to everybody from one that was sent to us alone.

The kernel does not say. So a second process stands beside us, in the same process group, session and cgroup,
and does nothing but keep the signals it is sent: what it got too, from the same sender, was meant for
everybody (`kill -TERM -PGID`, systemd's `KillMode=control-group`, a terminal's Ctrl+C, `pkill -f`), and the
command has it already. Passing that on as well would deliver it twice, and a second SIGTERM is what many
workers take for "at once".
"""

from __future__ import annotations

import os
import select
import signal
import time

NEARBY = 0.05  # seconds within which a sender gets around to everybody
PATIENCE = 0.5  # seconds to wait for the witness's answer
_WORDS = 2  # of an entry on the pipe: signal, sender
_SIZE = 4

Seen = tuple[int, int]  # signal, process id of its sender


class Witness:
    """The process that stands beside us; `signals` must be blocked already. For one thread, before others
    start.
    """

    def __init__(self, signals: set[int]) -> None:
        self._seen: set[Seen] = set()
        self._ask, self._answers = -1, -1
        asked, ask = os.pipe()
        answers, answer = os.pipe()
        try:
            pid = os.fork()
        except OSError:  # no more processes: then every signal is taken for ours alone
            pid = -1
        if pid == 0:
            _stand_by(asked, answer, signals)
        os.close(asked)
        os.close(answer)
        if pid > 0:
            self._ask, self._answers = ask, answers

    def saw(self, number: int, sender: int) -> bool:
        """Return whether a signal that reached us was sent to everybody; takes `NEARBY` seconds."""
        if self._ask < 0:
            return False
        time.sleep(NEARBY)
        self._seen |= self._hear()
        everybody = (number, sender) in self._seen
        self._seen.discard((number, sender))
        return everybody

    def dismiss(self) -> None:
        """Let it go."""
        if self._ask >= 0:
            os.close(self._ask)
            os.close(self._answers)
            self._ask = -1

    def _hear(self) -> set[Seen]:
        try:
            os.write(self._ask, b"?")
        except BrokenPipeError:  # somebody killed it
            return set()
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        if not poll.poll(PATIENCE * 1000):
            return set()
        return _parse(os.read(self._answers, 65_536))


def _stand_by(asked: int, answer: int, signals: set[int]) -> None:
    """Be the witness, until the one who asks is gone."""
    try:
        for low, high in zip([-1, *sorted((asked, answer))], [*sorted((asked, answer)), 4096], strict=True):
            os.closerange(low + 1, high)
        while os.read(asked, 1):
            os.write(answer, _pending(signals) or b"\0" * _SIZE * _WORDS)
    finally:
        os._exit(0)


def _pending(signals: set[int]) -> bytes:
    found = b""
    while (info := signal.sigtimedwait(signals, 0)) is not None:
        found += info.si_signo.to_bytes(_SIZE, "little") + info.si_pid.to_bytes(_SIZE, "little")
    return found[:4096]  # a pipe takes that much at once


def _parse(data: bytes) -> set[Seen]:
    words = [int.from_bytes(data[at : at + _SIZE], "little") for at in range(0, len(data), _SIZE)]
    return set(zip(words[::2], words[1::2], strict=False))
