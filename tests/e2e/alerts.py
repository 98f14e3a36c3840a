"""What the checker told: a webhook that keeps every message, with questions to ask of it."""

from __future__ import annotations

from typing import Any

from tests.recording import RecordingServer
from tests.waiting import wait_for

Message = dict[str, Any]


class Alerts(RecordingServer):
    """Records the webhook channel's messages."""

    def messages(self) -> list[Message]:
        """Every message so far, in order of arrival."""
        return [request.json() for request in list(self.requests)]

    def of(self, event: str, name: str) -> list[Message]:
        """The messages of one event that name a monitor."""
        return [
            message
            for message in self.messages()
            if message["event"] == event and name in [m["name"] for m in message["incident"]["monitors"]]
        ]

    def expect(self, event: str, name: str, timeout: float = 60.0) -> Message:
        """Wait for a message of that event which names that monitor, and return it."""
        return wait_for(lambda: self.of(event, name), timeout, f"{event} of {name}; told: {self.summary()}")[
            0
        ]

    def summary(self) -> list[str]:
        """The messages in a line each."""
        return [f"{message['event']}: {message['incident']['title']}" for message in self.messages()]

    def forget(self) -> None:
        """Begin anew."""
        self.requests.clear()


def reason(message: Message, name: str) -> str:
    """Return what a message says of one monitor."""
    return str(next(m["reason"] for m in message["incident"]["monitors"] if m["name"] == name))
