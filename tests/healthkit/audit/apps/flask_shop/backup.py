"""Another one, which tells of its runs by itself."""

from __future__ import annotations

import os

from healthkit import Heartbeat

heartbeat = Heartbeat(os.environ.get("BACKUP_PING_URL"))


@heartbeat.job
def main() -> None:
    """Make the backup."""


if __name__ == "__main__":
    main()
