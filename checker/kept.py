"""What an endpoint answered last, so that it need not send it again: conditional requests (RFC 9110, 13).

An answer is kept where it has an ETag. Not that of a document which names its instance: whether it was this
one or another that said "not modified" would be lost, and with it what is known of the instances one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from checker.http import Response
from checker.model import Poll

IN_FULL_EVERY = 60.0  # seconds after which the whole answer is asked for again, whatever its tag
MOST = 65_536  # bytes of an answer that is kept
_NOT_MODIFIED = 304


@dataclass(slots=True)
class Kept:
    """The last answer of one endpoint, if there is one to ask by. `at` are seconds of any one clock."""

    answer: Response | None = None
    since: float = 0.0

    def condition(self, headers: Mapping[str, str], at: float) -> Mapping[str, str]:
        """Return the headers to send, with the condition where there is one; one of the user's own stays."""
        if self.answer is None or not 0 <= at - self.since < IN_FULL_EVERY:
            self.answer = None
            return headers
        if any(name.lower() == "if-none-match" for name in headers):
            return headers
        return {**headers, "If-None-Match": self.answer.headers["etag"]}

    def recall(self, response: Response) -> Response:
        """Return what an answer stands for: itself, or the one kept where that was not modified."""
        if response.status != _NOT_MODIFIED or self.answer is None:
            return response
        return replace(
            self.answer,
            phases=response.phases,
            address=response.address,
            certificate_expires=response.certificate_expires,
        )

    def keep(self, response: Response, poll: Poll, at: float) -> None:
        """Keep a whole answer with a tag; what came before it is forgotten."""
        if self.answer is not None and response.body is self.answer.body:
            return  # recalled: the time counts from when it was sent in full
        has_tag = response.status == 200 and "etag" in response.headers
        is_whole = not response.truncated and not response.unread and len(response.body) <= MOST
        is_one_of_many = poll.origin is not None and bool(poll.origin.instance)
        self.answer = response if has_tag and is_whole and not is_one_of_many else None
        self.since = at
