"""Sends pings in the background: one thread for each server, which nobody waits for longer than it is worth.

The senders belong to this process alone: a child made by fork begins without any, and starts its own when it
pings.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from healthkit.exchange import prepare
from healthkit.journal import Journal, state_folder
from healthkit.pings import Ping, Target
from healthkit.sender import Sender

_senders: dict[str, Sender] = {}
_folder: list[Path | None] = []


def sender(target: Target) -> Sender:
    """Return this process's sender for a target's server."""
    found = _senders.get(target.origin)
    if found is None:
        prepare(target.origin)
        found = _senders.setdefault(target.origin, Sender(target.origin, journal(target)))
        _leave_in_time()
    return found


def submit(ping: Ping) -> None:
    """Hand a ping to the sender of its server; returns at once and never raises."""
    sender(ping.target).submit(ping)


def journal(target: Target, environ: Mapping[str, str] = os.environ) -> Journal:
    """Return the journal of a target's server."""
    if not _folder:
        _folder.append(state_folder(environ))
    return Journal(_folder[0], target.origin)


def flush(timeout: float) -> bool:
    """Wait `timeout` seconds at most until every ping is delivered; return whether they are."""
    end = time.monotonic() + timeout
    done = True
    for each in list(_senders.values()):
        done = each.flush(max(0.0, end - time.monotonic())) and done
    return done


def leave() -> None:
    """Settle everything as the process ends, within `patience`."""
    for each in list(_senders.values()):
        each.leave()


def leaves_abruptly() -> bool:
    """Whether this process ends by `os._exit`, past every exit handler, as RQ's work-horses do."""
    return "RQ_JOB_ID" in os.environ


_registered: set[int] = set()


def _leave_in_time() -> None:
    if os.getpid() in _registered:
        return
    _registered.add(os.getpid())
    atexit.register(leave)
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None:
        # such children skip atexit, and run these instead
        sys.modules["multiprocessing.util"].Finalize(None, leave, exitpriority=100)


def _after_fork() -> None:
    """The child begins afresh: its parent's thread is not there, and its parent's pings are not its own."""
    _senders.clear()
    _registered.clear()
    atexit.unregister(leave)


os.register_at_fork(after_in_child=_after_fork)
