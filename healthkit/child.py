"""Runs a command as if nobody stood in between: its streams, signals and exit code pass through; its output's
tail stays.

The command stays in our process group, session and cgroup, so that whatever ends those (Ctrl+C,
`kill -9 -PGID`, systemd, a container's end) ends it too. A signal that was sent to us alone goes on to it;
one that was sent to everybody has reached it already, and is not sent twice (`healthkit.witness`).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from healthkit.tee import Tee
from healthkit.witness import Witness

NOT_FOUND = 127
NOT_EXECUTABLE = 126
TIMED_OUT = 124  # as timeout(1) says it
KILL_AFTER = 10.0  # seconds between SIGTERM and SIGKILL
_FROM_KERNEL = 0x80  # siginfo's SI_KERNEL: the terminal's own signals
_NAMES = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "WINCH", "IO", "PWR")
_ENDING = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}


class Ended(NamedTuple):
    """How a command ended. `code` is what a shell would show: 128 + n after signal n. `problem` says why it
    could not be started, or that its time was over. `output` is the tail of what it wrote.
    """

    code: int
    output: bytes = b""
    problem: str = ""


def run(
    command: Sequence[str],
    *,
    tail: int,
    timeout: float | None = None,
    kill_after: float = KILL_AFTER,
    started: Callable[[], None],
) -> Ended:
    """Run a command to its end, keeping the last `tail` bytes of its output (0: do not touch its streams).

    After `timeout` seconds it and all it has started get SIGTERM, and `kill_after` seconds later SIGKILL.
    `started` is called once it runs.
    """
    forwarded = _forwarded()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, forwarded | {signal.SIGCHLD})
    tee = Tee(tail)
    witness = Witness(forwarded)
    try:
        child = _spawn(command, tee, mask)
    except OSError as error:
        tee.close()
        witness.dismiss()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        return Ended(code, problem=f"{command[0]}: {error.strerror}")
    tee.start()
    started()
    status, over = _wait(child, forwarded, timeout, kill_after, witness)
    witness.dismiss()
    _finish(tee, forwarded)
    code = os.waitstatus_to_exitcode(status)
    problem = f"ended after its {timeout:g} s were over" if over else ""
    return Ended(TIMED_OUT if over else code if code >= 0 else 128 - code, tee.tail(), problem)


def _forwarded() -> set[int]:
    """Return the signals to pass on: those that somebody may send, save what our caller has us ignore
    (nohup).
    """
    named: set[int] = {getattr(signal, f"SIG{name}") for name in _NAMES if hasattr(signal, f"SIG{name}")}
    if hasattr(signal, "SIGRTMIN"):
        named |= set(range(signal.SIGRTMIN, signal.SIGRTMAX + 1))
    return {number for number in named if signal.getsignal(number) != signal.SIG_IGN}


def _spawn(command: Sequence[str], tee: Tee, mask: set[signal.Signals] | set[int]) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, source, stream) for source, stream in tee.pipes()]
    child = os.posix_spawnp(
        command[0],
        list(command),
        os.environ,
        file_actions=actions,
        setsigmask=mask,
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores these two; the command need not
    )
    tee.spawned()
    return child


def _wait(
    child: int, forwarded: set[int], timeout: float | None, kill_after: float, witness: Witness
) -> tuple[int, bool]:
    """Pass signals on until the command has ended; return its wait status, and whether its time was over."""
    end = time.monotonic() + timeout if timeout is not None else None
    over = False
    while True:
        info = _next_signal(forwarded, end)
        if info is None:
            for pid in (child, *_descendants(child)):
                _pass_on(pid, signal.SIGKILL if over else signal.SIGTERM)
            end = None if over else time.monotonic() + kill_after
            over = True
        elif info.si_signo == signal.SIGCHLD:
            status = _reap(child)
            if status is not None:
                return status, over
        elif info.si_code != _FROM_KERNEL and not witness.saw(info.si_signo, info.si_pid):
            _pass_on(child, info.si_signo)


def _pass_on(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it has ended, or is another user's by now


def _descendants(pid: int) -> list[int]:
    """Return what a command has started: a shell that is ended would leave its pipeline running."""
    from pathlib import Path  # only when time is over

    try:
        listed = " ".join(each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # it has ended
        return []
    children = [int(child) for child in listed.split()]
    return [each for child in children for each in (child, *_descendants(child))]


def _next_signal(forwarded: set[int], end: float | None) -> signal.struct_siginfo | None:
    awaited = forwarded | {signal.SIGCHLD}
    if end is None:
        return signal.sigwaitinfo(awaited)
    return signal.sigtimedwait(awaited, max(0.0, end - time.monotonic()))


def _reap(child: int) -> int | None:
    """Return the command's wait status if it has ended. Orphans are reaped as well: in a container we may be
    pid 1.
    """
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == child:
            return status
        if pid == 0:
            return None


def _finish(tee: Tee, forwarded: set[int]) -> None:
    """Let the last output through; if its reader hangs, a signal that means "end" still ends us."""
    tee.finish()
    while not tee.finished(0.05):
        info = signal.sigtimedwait(forwarded, 0)
        if info is not None and info.si_signo in _ENDING:
            return
    tee.hand_over()
