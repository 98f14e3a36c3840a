"""What a forked child must forget: threads, locks and numbers that belong to its parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol, TypeVar


class Resettable(Protocol):
    """Something that holds threads or locks."""

    def reset(self) -> None:
        """Forget all that belongs to threads: called in a forked child, where they are gone."""


R = TypeVar("R", bound=Resettable)
_kept: weakref.WeakSet[Resettable] = weakref.WeakSet()


def survive(thing: R) -> R:
    """Have a thing reset in every forked child, for as long as it lives."""
    _kept.add(thing)
    return thing


def _reset_all() -> None:
    for thing in list(_kept):
        thing.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
