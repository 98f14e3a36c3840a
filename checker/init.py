"""The first `checker.toml`: what is needed to begin, with keys of its own, and the rest as comments."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from checker.store.errors import StoreError

TEMPLATE = Path(__file__).parent / "first.toml"


class ExistsError(StoreError):
    """There is a configuration already."""


def write(path: Path) -> None:
    """Write the first configuration, readable by its owner alone. Raises `ExistsError`."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for mark in ("ADMIN_TOKEN", "PING_KEY"):
        text = text.replace(f"@{mark}@", secrets.token_urlsafe(24))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ExistsError(f"{path} is there already, and is left as it is") from None
    except OSError as error:
        raise ExistsError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
