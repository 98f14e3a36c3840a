"""What a forked child must forget: threads, locks and numbers that belong to its parent."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol, TypeVar


class Resettable(Protocol):
    """Something that holds threads or locks."""

    def reset(self) -> None:
        """Forget all that belongs to threads: called in a forked child, where they are gone."""


R = TypeVar("R", bound=Resettable)
_kept: weakref.WeakSet[Resettable] = weakref.WeakSet()
_locks: dict[int, threading.Lock] = {}
_pid = os.getpid()


def survive(thing: R) -> R:
    """Have a thing reset in every forked child, for as long as it lives."""
    _kept.add(thing)
    return thing


def notice() -> None:
    """Have everything reset if this is a child that was forked without Python's knowledge, as uWSGI's are."""
    if os.getpid() != _pid:
        lock = _locks.setdefault(os.getpid(), threading.Lock())  # the parent's own could be held for ever
        with lock:
            if os.getpid() != _pid:
                _reset_all()


def _reset_all() -> None:
    global _pid
    for thing in list(_kept):
        thing.reset()
    _pid = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
