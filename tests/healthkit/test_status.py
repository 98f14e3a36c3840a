"""The order of states."""

from __future__ import annotations

import pytest

from healthkit.status import Status, worst


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([], Status.PASS),
        ([Status.UNKNOWN], Status.UNKNOWN),
        ([Status.UNKNOWN, Status.PASS], Status.PASS),
        ([Status.PASS, Status.FAIL, Status.WARN], Status.FAIL),
        ([Status.WARN, Status.PASS], Status.WARN),
    ],
)
def test_the_worst_state_counts_and_unknown_only_alone(states: list[Status], whole: Status) -> None:
    assert worst(states) is whole


def test_a_status_reads_as_on_the_wire() -> None:
    assert [str(status) for status in Status] == ["unknown", "pass", "warn", "fail"]
