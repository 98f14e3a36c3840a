"""Reads command lines: which of them start a worker, and of which queues."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_RQ = re.compile(r"(?:^|[\s/\"';&])rq(?:\s+|-)worker(?:-pool)?\b(.*)")
_CELERY = re.compile(r"(?:^|[\s/\"';&])celery\b(.*\bworker\b.*)")
_OTHERS = re.compile(
    r"(?<!install )(?<!add )(?:^|(?<=[\s/\"';&]))(dramatiq|huey_consumer|arq)(?:\.py)?\s+(?:--?\S+\s+)*"
    r"(\w+(?:[.:]\w+)+|(?<=dramatiq )\w+)"
)
_PYTHON = re.compile(r"(?:^|[\s/\"';&])python[\d.]*\s+(?:-[uOBEsI]+\s+)*(?:-m\s+([\w.]+)|([\w./-]+\.py))")
_STOPS = re.compile(r"\s(?:&&|\|\||;|\||>|2>|<|#)")
_ALONE = frozenset(
    {"-b", "--burst", "-v", "--verbose", "-q", "--quiet", "--with-scheduler", "-s", "--sentry-debug",
     "--disable-job-desc-logging", "--disable-default-exception-handler"}
)  # fmt: skip


def rq_queues(command: str) -> list[str] | None:
    """Return the queues of an `rq worker` command; None when it is none."""
    found = _RQ.search(command)
    if found is None:
        return None
    names, words = [], iter(_STOPS.split(f"{found[1]} ")[0].split())
    for word in words:
        if word.startswith("-"):
            if "=" not in word and word not in _ALONE:
                next(words, None)  # the option's value
        elif re.fullmatch(r"[\w.:-]+", word):
            names.append(word)
        else:
            return []  # a variable: no telling
    return names or ["default"]


def celery_queues(command: str) -> list[str] | None:
    """Return the queues of a `celery worker` command; None when it is none."""
    found = _CELERY.search(command)
    if found is None:
        return None
    named = re.search(r"(?:-Q|--queues)[=\s]+([\w.,:-]+)", found[1])
    return named[1].split(",") if named else ["celery"]


def celery_app(command: str) -> str:
    """Return how a `celery` command's app is named in its module; "app" where that is left to Celery."""
    found = re.search(r"(?:-A|--app)[=\s]+[\w.]+:(\w+)", command)
    return found[1] if found else "app"


def other_worker(command: str) -> tuple[str, str] | None:
    """Return the library whose worker a command starts, Dramatiq, Huey or arq, and what it is started with,
    as its module names it; None for any other command.
    """
    found = _OTHERS.search(command)
    if found is None:
        return None
    library = found[1].partition("_")[0]
    return library, re.split(r"[.:]", found[2])[-1]


def python_module(command: str) -> str | None:
    """Return what `python -m shop.worker` or `python shop/worker.py` runs, as a dotted name."""
    found = _PYTHON.search(command)
    if found is None:
        return None
    if found[1]:
        return found[1]
    return ".".join(PurePosixPath(found[2]).with_suffix("").parts).lstrip("./")
