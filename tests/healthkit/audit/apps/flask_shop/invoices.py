"""The nightly job that the crontab starts."""

from __future__ import annotations


def main() -> None:
    """Make the invoices."""
    print("made")


if __name__ == "__main__":
    main()
