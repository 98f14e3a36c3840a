"""How many tests failed in the run before this: `python -m tests.failed` prints the number."""

from __future__ import annotations

import json
from pathlib import Path

REMEMBERED = Path(".pytest_cache/v/cache/lastfailed")

if __name__ == "__main__":
    print(len(json.loads(REMEMBERED.read_text("utf-8"))) if REMEMBERED.exists() else 0)
