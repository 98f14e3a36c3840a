"""What the demo prints: alerts as they are sent, plain without a terminal, with a little colour on one."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

COLOURS = {"opened": "31;1", "updated": "33;1", "reminder": "33", "resolved": "32;1"}
WORDS = {"opened": "ALERT", "updated": "UPDATE", "reminder": "STILL", "resolved": "RESOLVED"}


class Console:
    """Prints whole lines, one writer at a time."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()

    def say(self, text: str = "") -> None:
        """Print one line or several."""
        with self._lock:
            print(text, flush=True)

    def paint(self, text: str, code: str) -> str:
        """Return the text in a colour where there is a terminal to show it."""
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def alert(self, message: Mapping[str, Any], homepage: str) -> None:
        """Print what the checker's webhook channel posted, and how the homepage fares meanwhile."""
        event, incident = message["event"], message["incident"]
        word = WORDS.get(event, event.upper())
        stamp = datetime.now().astimezone().strftime("%H:%M:%S")
        lines = [f"{stamp}  {self.paint(f'{word:<9}', COLOURS.get(event, '1'))} {plain(incident['title'])}"]
        if event != "resolved":
            lines.append(f"{'':>20}{plain(incident['cause'])}")
            lines += [
                f"{'':>20}- {plain(monitor['name'])} is {monitor['state']}: {plain(monitor['reason'])}"
                for monitor in incident["monitors"]
            ]
        lines.append(f"{'':>20}meanwhile the homepage answers {homepage}")
        self.say("\n".join(lines))


def plain(text: str) -> str:
    """Return the text without control characters, so that nothing a check says can move the cursor."""
    return "".join(character if character.isprintable() else " " for character in text)
