"""Where and how loud the checker logs: stderr; other libraries' chatter only where it is a warning."""

from __future__ import annotations

import logging
import sys

OURS = ("checker", "healthkit")
_verbose = False


def begin(level: str, *, verbose: bool = False) -> None:
    """Log from now on; `verbose` is louder than any level, and stays so."""
    global _verbose
    _verbose = verbose
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    log_at(level)


def log_at(level: str) -> None:
    """Change how loud; without effect where it was asked to be verbose."""
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if _verbose else level.upper())
