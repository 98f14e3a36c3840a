"""What the checker asks of its own process: open files enough, and garbage looked for seldom."""

from __future__ import annotations

import gc
import resource
from contextlib import suppress

FILES = 16_384  # open files to ask for: a connection each


def raise_file_limit() -> None:
    """Ask for enough open files for the connections that are allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle_garbage() -> None:
    """Leave alone what was made for good, and look for garbage less often: a hundred pings wait at a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
