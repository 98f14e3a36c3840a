"""The journal of undelivered pings: bounded, shared by processes, and whole after a kill -9."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from healthkit.journal import Journal, state_folder
from tests.waiting import wait_for

ORIGIN = "http://checker.example:8000"
NOW = 1_800_000_000.0


def entry(number: int, at: float = NOW, **more: Any) -> dict[str, Any]:
    return {"url": "u", "at": at, "number": number, **more}


def drained(journal: Journal, now: float = NOW) -> list[int]:
    seen: list[int] = []

    def deliver(record: dict[str, Any]) -> bool:
        seen.append(record["number"])
        return True

    while journal.drain(deliver, now=now):
        pass
    return seen


def test_what_is_appended_is_drained_once_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN)
    assert not journal.pending()
    for number in range(120):
        assert journal.append(entry(number))
    assert journal.pending()
    assert drained(journal) == list(range(120))
    assert not journal.pending()
    assert drained(journal) == []


def test_a_failed_delivery_keeps_the_rest_for_next_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN)
    for number in range(3):
        journal.append(entry(number))
    tried: list[int] = []

    def deliver(record: dict[str, Any]) -> bool:
        tried.append(record["number"])
        return bool(record["number"] < 1)

    assert not journal.drain(deliver, now=NOW)
    assert tried == [0, 1]
    assert drained(Journal(tmp_path, ORIGIN)) == [1, 2]


def test_servers_have_journals_of_their_own(tmp_path: Path) -> None:
    Journal(tmp_path, ORIGIN).append(entry(1))
    assert not Journal(tmp_path, "https://elsewhere.example").pending()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    folder = state_folder({"HEALTHKIT_STATE_DIR": str(tmp_path / "state")})
    assert folder is not None
    journal = Journal(folder, ORIGIN)
    journal.append(entry(1))
    assert journal.path is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN)
    journal.append(entry(1))
    assert journal.path is not None
    with journal.path.open("ab") as file:
        file.write(b'\n{"url": "u", "at": 17')
    journal.append(entry(2))
    assert drained(journal) == [1, 2]
    assert not journal.pending()


@pytest.mark.parametrize(
    "junk", [b"[]\n", b"\xff\xfe\n", b"null\n", b'{"at": "x"}\n', b"[" * 100_000 + b"\n"]
)
def test_junk_in_it_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    journal = Journal(tmp_path, ORIGIN)
    assert journal.path is not None
    journal.path.write_bytes(junk)
    journal.append(entry(1))
    assert drained(journal) == [1]


def test_what_is_too_old_is_not_delivered(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN, max_age=100)
    journal.append(entry(1, at=NOW - 200))
    journal.append(entry(2, at=NOW - 50))
    assert drained(journal) == [2]


def test_a_full_journal_drops_the_oldest_half(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path, ORIGIN, max_bytes=10_000)
    for number in range(500):
        assert journal.append(entry(number))
    assert journal.path is not None
    assert journal.path.stat().st_size <= 10_000
    kept = drained(journal)
    assert kept == list(range(kept[0], 500))
    assert "oldest were dropped" in caplog.text


def test_a_folder_that_cannot_be_written_is_said_once_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("not a folder")
    journal = Journal(tmp_path / "file", ORIGIN)
    with caplog.at_level(logging.WARNING):
        assert not journal.append(entry(1))
        assert not journal.append(entry(2))
    assert len(caplog.records) == 1
    assert "HEALTHKIT_STATE_DIR" in caplog.text
    assert not journal.drain(lambda _: True, now=NOW)


def test_no_folder_at_all_keeps_nothing_and_raises_nothing() -> None:
    journal = Journal(None, ORIGIN)
    assert not journal.append(entry(1))
    journal.wait_was_vain()
    assert journal.last_vain_wait() is None


def test_the_state_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "healthkit"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert state_folder({}) == tmp_path / "home" / ".local" / "state" / "healthkit"
    (tmp_path / "file").touch()
    assert state_folder({"HEALTHKIT_STATE_DIR": str(tmp_path / "file" / "x")}) is None
    fallback = state_folder({"XDG_STATE_HOME": str(tmp_path / "file")})
    assert fallback is not None
    assert fallback.name == f"healthkit-state-{os.getuid()}"


def test_a_second_drainer_leaves_the_first_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN)
    journal.append(entry(1))
    inner: list[int] = []

    def deliver(record: dict[str, Any]) -> bool:
        inner.extend(drained(Journal(tmp_path, ORIGIN)))
        return True

    assert not journal.drain(deliver, now=NOW)
    assert inner == []


def test_what_is_appended_during_a_drain_is_not_lost(tmp_path: Path) -> None:
    journal, other = Journal(tmp_path, ORIGIN), Journal(tmp_path, ORIGIN)
    journal.append(entry(1))
    seen: list[int] = []

    def deliver(record: dict[str, Any]) -> bool:
        seen.append(record["number"])
        if record["number"] < 5:
            other.append(entry(record["number"] + 1))
        return True

    while journal.drain(deliver, now=NOW):
        pass
    assert seen == [1, 2, 3, 4, 5]
    assert not journal.pending()


def test_a_stopped_holder_of_the_lock_does_not_hold_up_an_append(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN)
    journal.append(entry(1))
    assert journal.path is not None
    with journal.path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not journal.append(entry(2))
    assert journal.append(entry(3))
    assert drained(journal) == [1, 3]


WRITER = """
    import itertools, sys
    from pathlib import Path
    from healthkit.journal import Journal
    journal = Journal(Path(sys.argv[1]), "http://checker.example:8000")
    for number in itertools.count():
        assert journal.append({"url": "u", "at": 1.0, "number": number, "body": "x" * 3000})
        print(number, flush=True)
"""


@pytest.mark.parametrize("moment", range(3))
def test_kill_9_in_the_middle_of_writing_loses_nothing_that_was_kept(tmp_path: Path, moment: int) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)], stdout=file)
    try:
        wait_for(lambda: out.read_bytes().count(b"\n") > 20 + 7 * moment, what="some lines")
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    confirmed = int(out.read_text().split("\n")[-2])
    journal = Journal(tmp_path, ORIGIN, max_age=float("inf"))
    seen = drained(journal)
    assert seen == list(range(seen[0], seen[0] + len(seen))), "only the oldest gave way, to the bound"
    assert seen[-1] in (confirmed, confirmed + 1)


def test_kill_9_of_a_drainer_repeats_one_entry_at_most(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ORIGIN)
    for number in range(5):
        journal.append(entry(number))
    drainer = """
        import os, signal, sys
        from pathlib import Path
        from healthkit.journal import Journal
        def deliver(record):
            print(record["number"], flush=True)
            if record["number"] == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return True
        Journal(Path(sys.argv[1]), "http://checker.example:8000").drain(deliver, now=1_800_000_000.0)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(drainer), str(tmp_path)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert [int(word) for word in done.stdout.split()] == [0, 1, 2]
    assert drained(journal) == [2, 3, 4]


def test_many_processes_may_append_and_drain_at_once(tmp_path: Path) -> None:
    worker = """
        import sys, json
        from pathlib import Path
        from healthkit.journal import Journal
        journal = Journal(Path(sys.argv[1]), "http://checker.example:8000")
        seen = []
        def deliver(record):
            seen.append(record["number"])
            return True
        for number in range(200):
            while not journal.append({"url": "u", "at": 1.0, "number": int(sys.argv[2]) * 1000 + number}):
                pass
            if number % 10 == 0:
                journal.drain(deliver, now=1.0)
        print(json.dumps(seen))
    """
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(worker), str(tmp_path), str(name)], stdout=subprocess.PIPE
        )
        for name in range(4)
    ]
    seen = [number for each in workers for number in json.loads(each.communicate(timeout=60)[0])]
    seen += drained(Journal(tmp_path, ORIGIN), now=1.0)
    assert sorted(seen) == [name * 1000 + number for name in range(4) for number in range(200)]
