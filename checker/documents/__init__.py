"""Health documents of other libraries, recognised by their shape and read as our own.

A dialect is a short file with `read(root)`, which returns None for what it does not recognise, and one line
in the table below. It is given JSON that was loaded within the limits of our own documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checker.documents import aspnet, django, microprofile, spatie, spring, terminus
from healthkit.errors import WireError
from healthkit.status import Status
from healthkit.wire import Document, load

DIALECTS: tuple[Callable[[Any], Document | None], ...] = (
    terminus.read,  # before Spring Boot, whose older documents have details, too
    spring.read,
    microprofile.read,
    aspnet.read,
    spatie.read,
    django.read,
)
_WORDS = {b"Healthy": Status.PASS, b"Degraded": Status.WARN, b"Unhealthy": Status.FAIL}


def recognise(body: bytes) -> Document | None:
    """Return the document in a body as one of the known dialects has it; None where none has. Never raises.

    It is for bodies that are no document of our own format.
    """
    try:
        root = load(body)
    except WireError:
        return None
    for read in DIALECTS:
        document = read(root)
        if document is not None:
            return document
    return None


def word(body: bytes) -> Document | None:
    """Return what the one word means that ASP.NET answers with where nobody configured a format."""
    status = _WORDS.get(body.strip()) if len(body) < 20 else None
    return None if status is None else Document(status, output=body.strip().decode(), dialect="ASP.NET")
