"""Whose code a frame runs: the app's own, healthkit's, or a library's."""

from __future__ import annotations

import os
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

_OURS = tuple(
    str(Path(__file__).parents[2] / name) + os.sep
    for name in ("healthkit", "healthkit_flask", "healthkit_fastapi")
)
_LIBRARIES = tuple(
    path + os.sep for name in ("stdlib", "platstdlib") if (path := sysconfig.get_paths().get(name))
)


@lru_cache(maxsize=4096)
def is_library(file: str) -> bool:
    """Whether a file belongs to the standard library, an installed package, or no file at all."""
    return (
        file.startswith("<")
        or f"{os.sep}site-packages{os.sep}" in file
        or f"{os.sep}dist-packages{os.sep}" in file
        or file.startswith(_LIBRARIES)
    )


def is_healthkit(file: str) -> bool:
    """Whether a file is healthkit's own."""
    return file.startswith(_OURS)


def caller() -> tuple[str, int, bool]:
    """Return file and line of the nearest of the app's own frames, and whether healthkit lies before it."""
    frame, through = sys._getframe(1), False
    here = __file__
    while frame is not None:
        file = frame.f_code.co_filename
        if is_healthkit(file):
            through = through or (file != here and f"{os.sep}audit{os.sep}" not in file)
        elif not is_library(file):
            return file, frame.f_lineno, through
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "", 0, through
