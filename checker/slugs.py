"""The one rule that turns a monitor's name into its slug."""

from __future__ import annotations

import re

_OTHER = re.compile(r"[^a-z0-9_]")


def slug(name: str) -> str:
    """Return the name in lower case with everything but letters, digits and `_` turned into `-`."""
    return _OTHER.sub("-", name.lower())
