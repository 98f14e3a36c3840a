"""Has imported what audited apps import, and looks at each app in a copy (fork) of itself; see `ready.py`.

Reads a line of JSON a request, and answers with a line once the copy has ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys

from healthkit.audit import inside
from healthkit.audit.watching import CALLS, OTHERS

LIBRARIES = ("flask", "fastapi", "sqlalchemy.event", "rq", *(module for module, *_ in (*OTHERS, *CALLS)))


def serve() -> None:
    """Answer until the input ends."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin.buffer:
        copy = os.fork()
        if not copy:
            answer(**json.loads(line))
        os.waitpid(copy, 0)
        os.write(1, b"done\n")


def answer(words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Look at an app from its folder, and end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os._exit(inside.main(*words))


if __name__ == "__main__":
    serve()
