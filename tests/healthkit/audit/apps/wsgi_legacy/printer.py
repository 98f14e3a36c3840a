"""Prints labels for ever, and tells nobody."""

from __future__ import annotations

import time


def main() -> None:
    """Work for ever."""
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main()
