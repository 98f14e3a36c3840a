"""A broker that cannot be asked: the class of reason within the timeout, and no secret anywhere."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
import redis as redis_library

from examples.servers import RedisServer, free_port
from tests.healthkit.checks.queues.rigs import RQ, Celery, Dramatiq, Huey, HueyPriority, List, Rig, Stream
from tests.healthkit.checks.support import (
    SECRET,
    SECRET_IN_URL,
    Watched,
    assert_no_secret,
    mute_listener,
)

ON_REDIS: list[type[Rig]] = [RQ, Celery, Dramatiq, Huey, HueyPriority, List, Stream]


class Unready:
    """Where no rig is made, because its server is not there: only its check is."""

    def __init__(self, kind: type[Rig], url: str, folder: Path) -> None:
        self._kind, self._url, self._folder = kind, url, folder

    def probes(self) -> list[Any]:
        """Return its checks."""
        rig = self._kind.__new__(self._kind)
        with contextlib.suppress(redis_library.RedisError):  # a stream's group, which cannot be made there
            rig.__init__(self._url, self._folder)  # type: ignore[misc]
        found = [rig.depth()]
        if rig.has_workers:
            found.append(rig.heartbeat(max_silence=2, stalled_after=3))
        return found


@pytest.mark.parametrize("kind", ON_REDIS)
def test_a_refused_port_is_unreachable(
    kind: type[Rig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://:{SECRET_IN_URL}@127.0.0.1:{free_port()}/0"
    for probe in Unready(kind, url, tmp_path).probes():
        started = time.monotonic()
        reading = Watched(probe)()
        assert reading.output == "unreachable: connection refused"
        assert time.monotonic() - started < probe.timeout
        assert_no_secret(reading, caplog)


@pytest.mark.parametrize("kind", [kind for kind in ON_REDIS if kind is not Stream])
def test_a_broker_that_never_answers_is_timed_out_in_time(kind: type[Rig], tmp_path: Path) -> None:
    with mute_listener() as port:
        for probe in Unready(kind, f"redis://127.0.0.1:{port}/0", tmp_path).probes():
            started = time.monotonic()
            assert Watched(probe).reason() == "timed out: no answer within the limit"
            assert time.monotonic() - started < probe.timeout


def test_a_wrong_password_is_told_and_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(password=SECRET) as server:
        url = f"redis://:{SECRET_IN_URL}-old@127.0.0.1:{server.port}/0"
        for kind in ON_REDIS:
            for probe in Unready(kind, url, tmp_path).probes():
                reading = Watched(probe)()
                assert reading.output == "authentication failed: Redis refuses this user or password", kind
                assert_no_secret(reading, caplog)
                probe.close()
