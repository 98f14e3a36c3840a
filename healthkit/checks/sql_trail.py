"""How far behind a follower is, told from looks at positions alone: no two hosts' clocks are compared."""

from __future__ import annotations

from bisect import bisect_right

MOST = 256  # looks kept; past that every second one is let go of


class Trail:
    """What the leader had written at each look: `add` a look, then ask how long ago a position was its last.

    Times are seconds of one clock that never goes backwards, positions grow.
    """

    def __init__(self) -> None:
        self._times: list[float] = []
        self._positions: list[int] = []

    def add(self, time: float, position: int) -> None:
        """Remember that the leader had written up to `position`; one that went back starts a new trail."""
        if self._positions and position < self._positions[-1]:
            self._times, self._positions = [], []
        self._times.append(time)
        self._positions.append(position)
        if len(self._times) > MOST:
            self._times = self._times[:-1:2] + self._times[-1:]
            self._positions = self._positions[:-1:2] + self._positions[-1:]

    def bounds(self, reached: int, now: float) -> tuple[float, float]:
        """Return the least and the most seconds by which a follower that reached `reached` is behind.

        It lacks what the first look past `reached` saw, and has what the look before that saw. The most is
        infinite when no look is old enough to tell; both are 0 when it has what the last look saw.
        """
        after = bisect_right(self._positions, reached)
        if after == len(self._positions):
            return 0.0, 0.0
        most = now - self._times[after - 1] if after else float("inf")
        return max(0.0, now - self._times[after]), most

    def forget_before(self, reached: int) -> None:
        """Let go of the looks that no question will need: all but the last at or before `reached`."""
        keep = max(0, bisect_right(self._positions, reached) - 1)
        self._times, self._positions = self._times[keep:], self._positions[keep:]
