"""What must hold of an answer, a line each: `status == 200`, `latency < 300ms`, `body.queue.depth < 1000`."""

from checker.conditions.language import Condition, parse
from checker.conditions.seen import Seen

__all__ = ["Condition", "Seen", "parse"]
