"""How many test files had failures in the run before this: `python -m tests.failed` prints the number.

Files and not tests, because the tests of one file may share a server: what is wrong with it fails them all.
"""

from __future__ import annotations

import json
from pathlib import Path

REMEMBERED = Path(".pytest_cache/v/cache/lastfailed")

if __name__ == "__main__":
    failed = json.loads(REMEMBERED.read_text("utf-8")) if REMEMBERED.exists() else {}
    print(len({test.partition("::")[0] for test in failed}))
