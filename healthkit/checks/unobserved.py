"""The mark that keeps the library's own calls out of what `OutboundCalls` counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

UNOBSERVED: ContextVar[bool] = ContextVar("healthkit_unobserved", default=False)


@contextmanager
def unobserved() -> Iterator[None]:
    """Count no call made inside: for probes, and what says nothing of the app. Not passed on to threads."""
    token = UNOBSERVED.set(True)
    try:
        yield
    finally:
        UNOBSERVED.reset(token)
