"""`healthkit exec`: the command notices nothing, and the checker learns everything."""

from __future__ import annotations

import ast
import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recording import RecordingServer, black_hole, refused_url
from tests.waiting import wait_for

PYTHON = sys.executable
ROOT = Path(__file__).parents[2]
EXEC = [PYTHON, "-m", "healthkit", "exec"]


@pytest.fixture
def checker() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def environ(tmp_path: Path, checker: RecordingServer) -> dict[str, str]:
    return os.environ | {
        "HEALTHKIT_STATE_DIR": str(tmp_path / "state"),
        "HEALTHKIT_PING_URL": f"{checker.url}/ping/key/job",
    }


def execute(
    environ: dict[str, str], *command: str, stdin: bytes = b"", options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*EXEC, *options, "--", *command],
        input=stdin,
        capture_output=True,
        env=environ,
        timeout=60,
        check=False,
    )


def ends(checker: RecordingServer) -> list[str]:
    return [path.removeprefix("/ping/key/job") for path in checker.paths()]


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_streams_and_exit_code_pass_through(
    code: int, environ: dict[str, str], checker: RecordingServer
) -> None:
    script = f"read line; echo got $line; echo problem >&2; exit {code}"
    done = execute(environ, "sh", "-c", script, stdin=b"input\n")
    assert (done.returncode, done.stdout, done.stderr) == (code, b"got input\n", b"problem\n")
    assert ends(checker) == ["/start", f"/{code}" if code else ""]
    start, end = checker.requests
    assert start.query == end.query
    assert sorted(end.body.splitlines()) == [b"got input", b"problem"]


def test_binary_output_is_unchanged(environ: dict[str, str]) -> None:
    script = "import os; os.write(1, bytes(range(256)) * 1000); os.write(2, b'\\x00\\xff')"
    done = execute(environ, PYTHON, "-c", script)
    assert done.stdout == bytes(range(256)) * 1000
    assert done.stderr == b"\x00\xff"


def test_huge_output_passes_whole_and_its_tail_is_sent(
    environ: dict[str, str], checker: RecordingServer
) -> None:
    script = "import sys\nfor n in range(2_000_000): sys.stdout.write(f'line {n:08}\\n')"
    done = execute(environ, PYTHON, "-c", script)
    assert len(done.stdout) == 2_000_000 * 14
    assert done.stdout.endswith(b"line 01999999\n")
    body = checker.requests[-1].body
    assert len(body) <= 10_000
    assert body.endswith(b"line 01999998\nline 01999999\n")


def test_output_comes_at_once(environ: dict[str, str]) -> None:
    script = "echo first; read line; echo second"
    with subprocess.Popen(
        [*EXEC, "--", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"  # while the command still waits for its input
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.stdout.read() == b"second\n"


def test_stdout_and_stderr_in_one_file_keep_their_order(environ: dict[str, str], tmp_path: Path) -> None:
    script = "for n in 1 2 3 4 5 6 7 8 9; do echo out $n; echo err $n >&2; done"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([*EXEC, "--", "sh", "-c", script], stdout=log, stderr=log, env=environ, check=True)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"{word} {n}" for n in range(1, 10) for word in ("out", "err")]


def test_a_terminal_stays_a_terminal(environ: dict[str, str], checker: RecordingServer) -> None:
    ours, theirs = pty.openpty()
    script = "import os; print(os.isatty(0), os.isatty(1), os.isatty(2), os.getpgrp() == os.tcgetpgrp(0))"
    with subprocess.Popen(
        [*EXEC, "--", PYTHON, "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # makes it the controlling terminal
    ) as process:
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):
            while data := os.read(ours, 1000):
                text += data
    os.close(ours)
    assert text.split() == [b"True"] * 4
    assert process.returncode == 0
    assert checker.requests[-1].body == b""


CATCHER = """
import os, signal, sys, time
def caught(number, frame):  # print() is not for handlers: one may come in the middle of another
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    if number in (signal.SIGTERM,):
        sys.exit(9)
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), caught)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


def test_signals_reach_the_command_once_each(environ: dict[str, str], checker: RecordingServer) -> None:
    names = ["SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGALRM", "SIGWINCH", "SIGTERM"]
    with subprocess.Popen(
        [*EXEC, "--", PYTHON, "-c", CATCHER, *names], stdout=subprocess.PIPE, env=environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        for name in names:
            process.send_signal(getattr(signal, name))
            assert process.stdout.readline().decode().strip() == name
        assert process.stdout.read() == b""
    assert process.returncode == 9
    assert ends(checker) == ["/start", "/9"]


COUNTER = """
import os, signal, sys
counts = dict.fromkeys(sys.argv[1:], 0)
def caught(number, frame):
    counts[signal.Signals(number).name] += 1
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
for name in counts:
    signal.signal(getattr(signal, name), caught)
print("ready", flush=True)
sys.stdin.read()
print(counts, flush=True)
"""


@contextlib.contextmanager
def counting(environ: dict[str, str], *names: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that counts its signals and tells them at the end of its input; it leads a group."""
    with subprocess.Popen(
        [*EXEC, "--", PYTHON, "-c", COUNTER, *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def heard(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def told_counts(process: subprocess.Popen[bytes]) -> dict[str, int]:
    """End the command's input, and return what it has counted."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    found: dict[str, int] = ast.literal_eval(process.stdout.read().splitlines()[-1].decode())
    return found


def descendants(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, listed) for each in (child, *descendants(child))]


def test_a_signal_to_the_whole_group_reaches_the_command_once(environ: dict[str, str]) -> None:
    names = ["SIGTERM", "SIGHUP", "SIGUSR1"]
    with counting(environ, *names) as process:
        for name in names:
            os.killpg(process.pid, getattr(signal, name))
            assert heard(process).decode() == name
        time.sleep(0.3)  # for a second one, which must not come
        process.send_signal(signal.SIGTERM)  # to us alone: it goes on
        assert heard(process) == b"SIGTERM"
        assert told_counts(process) == {"SIGTERM": 2, "SIGHUP": 1, "SIGUSR1": 1}


def test_a_signal_to_each_process_of_the_cgroup_as_systemd_sends_it_reaches_the_command_once(
    environ: dict[str, str],
) -> None:
    with counting(environ, "SIGTERM") as process:
        for pid in (process.pid, *descendants(process.pid)):
            os.kill(pid, signal.SIGTERM)
        assert heard(process) == b"SIGTERM"
        time.sleep(0.3)
        assert told_counts(process) == {"SIGTERM": 1}


def test_a_kill_9_of_the_whole_group_ends_the_command_too(environ: dict[str, str]) -> None:
    with counting(environ) as process:
        pids = descendants(process.pid)
        assert pids
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        wait_for(lambda: not any(alive(pid) for pid in pids), what="its processes to go")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_nothing_of_it_outlives_a_command_or_itself(environ: dict[str, str]) -> None:
    with counting(environ) as process:
        pids = descendants(process.pid)
        told_counts(process)
        assert process.wait(10) == 0
        wait_for(lambda: not any(alive(pid) for pid in pids), what="its processes to go")
    with counting(environ) as process:
        beside = [pid for pid in descendants(process.pid) if b"COUNTER" not in cmdline(pid)]
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
        wait_for(lambda: not any(alive(pid) for pid in beside), what="its processes to go")


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_it_works_as_cron_and_systemd_start_it(checker: RecordingServer, tmp_path: Path) -> None:
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*EXEC, "--url", f"{checker.url}/ping/key/job", "--", "sh", "-c", "echo out; exit 4"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=bare,
        cwd="/",
        start_new_session=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, b"out\n", b"")
    assert ends(checker) == ["/start", "/4"]


def test_ctrl_c_of_a_terminal_reaches_the_command_once(environ: dict[str, str]) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(PYTHON, [*EXEC, "--", PYTHON, "-c", CATCHER, "SIGINT", "SIGTERM"], environ)
    text = b""

    def read_until(word: bytes) -> bytes:
        nonlocal text
        while word not in text:
            try:
                text += os.read(terminal, 1000)
            except OSError:  # everybody has gone
                pytest.fail(f"no {word!r} in {text!r}")
        return text

    read_until(b"ready")
    os.write(terminal, b"\x03")
    read_until(b"SIGINT")
    os.kill(pid, signal.SIGTERM)
    read_until(b"SIGTERM")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert text.count(b"SIGINT") == 1
    assert os.waitstatus_to_exitcode(status) == 9


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_command_that_a_signal_ends_is_128_and_more(
    number: signal.Signals, environ: dict[str, str], checker: RecordingServer
) -> None:
    done = execute(environ, PYTHON, "-c", f"import os; os.kill(os.getpid(), {int(number)})")
    assert done.returncode == 128 + number
    assert ends(checker) == ["/start", f"/{128 + number}"]


def test_an_ignored_signal_stays_ignored_as_under_nohup(environ: dict[str, str]) -> None:
    script = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    done = subprocess.run(
        ["nohup", *EXEC, "--", PYTHON, "-c", script], capture_output=True, env=environ, check=True
    )
    assert done.stdout == b"True\n"


def test_the_command_gets_the_signal_mask_and_dispositions_it_would_have_had(environ: dict[str, str]) -> None:
    script = "grep -E 'SigBlk|SigIgn' /proc/self/status"
    plain = subprocess.run(["sh", "-c", script], capture_output=True, env=environ, check=True)
    assert masks(execute(environ, "sh", "-c", script).stdout) == masks(plain.stdout)


def masks(status: bytes) -> list[int]:
    glibc = 0b11 << 31  # 32 and 33, its own signals, which its posix_spawn leaves ignored
    return [int(line.split()[1], 16) & ~glibc for line in status.splitlines()]


@pytest.mark.parametrize(("mode", "code"), [(None, 127), (0o644, 126), (0o755, 126)])
def test_a_command_that_cannot_start_is_said_and_told(
    mode: int | None, code: int, environ: dict[str, str], checker: RecordingServer, tmp_path: Path
) -> None:
    command = tmp_path / "command"
    if mode is not None:
        command.write_text("neither a script nor a program\n")
        command.chmod(mode)
    done = execute(environ, str(command))
    assert done.returncode == code
    assert done.stdout == b""
    assert str(command) in done.stderr.decode()
    assert ends(checker) == [f"/{code}"]
    assert str(command) in checker.requests[0].body.decode()


def test_a_timeout_ends_the_command_as_timeout_does(
    environ: dict[str, str], checker: RecordingServer
) -> None:
    begun = time.monotonic()
    done = execute(environ, PYTHON, "-c", "import time; time.sleep(60)", options=("--timeout", "0.5s"))
    assert time.monotonic() - begun < 40
    assert done.returncode == 124
    assert b"0.5 s were over" in done.stderr
    assert ends(checker) == ["/start", "/124"]
    assert b"0.5 s were over" in checker.requests[-1].body


def test_a_command_that_will_not_go_is_killed_when_the_grace_is_over(
    environ: dict[str, str], checker: RecordingServer
) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    begun = time.monotonic()
    done = execute(environ, PYTHON, "-c", script, options=("--timeout", "1s", "--kill-after", "0.3s"))
    assert 1.2 < time.monotonic() - begun < 40
    assert done.returncode == 124
    assert ends(checker) == ["/start", "/124"]


def test_a_timeout_ends_what_the_command_has_started_too(environ: dict[str, str]) -> None:
    script = "sleep 61 | cat & echo $!; wait"
    with subprocess.Popen(
        [*EXEC, "--timeout", "1.5s", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pids = descendants(process.pid)
        assert sum(b"sleep" in cmdline(pid) for pid in pids) >= 1
        assert process.wait(20) == 124
        wait_for(lambda: not any(alive(pid) for pid in pids), what="all of it to go")


def test_exit_codes_may_be_declared_a_success(environ: dict[str, str], checker: RecordingServer) -> None:
    assert execute(environ, "sh", "-c", "exit 24", options=("--ok", "1, 24")).returncode == 24
    assert execute(environ, "sh", "-c", "exit 2", options=("--ok", "1, 24")).returncode == 2
    assert ends(checker) == ["/start", "", "/start", "/2"]
    assert execute(environ, "true", options=("--ok", "many")).returncode == 2


def test_no_output_sends_none_and_tail_bounds_it(environ: dict[str, str], checker: RecordingServer) -> None:
    assert execute(environ, "echo", "secret", options=("--no-output",)).stdout == b"secret\n"
    assert checker.requests[-1].body == b""
    execute(environ, "echo", "0123456789abcdefghijklmnopqrstuvwxyz", options=("--tail", "20"))
    assert len(checker.requests[-1].body) <= 20
    assert checker.requests[-1].body.endswith(b"xyz\n")


def test_a_reader_that_goes_away_ends_the_command_as_it_would_have(environ: dict[str, str]) -> None:
    with subprocess.Popen(
        [*EXEC, "--", "yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(20) == 128 + signal.SIGPIPE


def test_a_process_left_behind_neither_delays_the_end_nor_loses_its_output(
    environ: dict[str, str], checker: RecordingServer, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    script = f"(while [ ! -e {gate} ]; do sleep 0.05; done; echo late) & echo early"
    with subprocess.Popen([*EXEC, "--", "sh", "-c", script], stdout=subprocess.PIPE, env=environ) as process:
        try:
            assert process.wait(30) == 0
        finally:
            gate.touch()
        assert process.stdout is not None
        assert process.stdout.read() == b"early\nlate\n"
    assert checker.requests[-1].body == b"early\n"


@pytest.mark.parametrize("trouble", ["down", "black hole", "tls"])
def test_a_checker_in_trouble_changes_nothing(trouble: str, environ: dict[str, str], tmp_path: Path) -> None:
    with RecordingServer(tls=True) as server, black_hole() as hole:
        url = {"down": refused_url(), "black hole": hole}.get(trouble, server.url)
        environ["HEALTHKIT_PING_URL"] = f"{url}/ping/key/job"
        begun = time.monotonic()
        done = execute(environ, "sh", "-c", "echo fine; sleep 1.2; exit 5", options=("--quiet",))
        took = time.monotonic() - begun
    assert (done.returncode, done.stdout, done.stderr) == (5, b"fine\n", b"")
    assert took < 2.5
    journal = next((tmp_path / "state").glob("*.journal")).read_text()
    assert re.findall(r'"suffix": "([^"]*)"', journal) == ["/start", "/5"]


@pytest.mark.parametrize("url", ["", "checker.example/ping/sesame/x"])
def test_without_a_good_url_the_command_runs_all_the_same(url: str, environ: dict[str, str]) -> None:
    environ["HEALTHKIT_PING_URL"] = url
    done = execute(environ, "echo", "fine")
    assert (done.returncode, done.stdout) == (0, b"fine\n")
    assert done.stderr.startswith(b"healthkit exec: ")
    assert done.stderr.count(b"\n") == 1
    assert b"sesame" not in done.stderr


def test_the_url_option_wins_and_options_of_the_command_are_its_own(
    environ: dict[str, str], checker: RecordingServer
) -> None:
    done = execute(environ, "echo", "--url", "-q", "--", options=("--url", f"{checker.url}/ping/key/other"))
    assert done.stdout == b"--url -q --\n"
    assert checker.paths() == ["/ping/key/other/start", "/ping/key/other"]


def test_without_a_command_it_is_bad_usage(environ: dict[str, str]) -> None:
    done = execute(environ)
    assert done.returncode == 2
    assert b"no command given" in done.stderr


def test_closed_streams_are_no_trouble(environ: dict[str, str], checker: RecordingServer) -> None:
    script = f"exec >&- 2>&- <&-; exec {PYTHON} -m healthkit exec -- sh -c 'exit 3'"
    assert subprocess.run(["sh", "-c", script], env=environ, check=False).returncode == 3
    assert ends(checker) == ["/start", "/3"]


def test_orphans_are_reaped_where_we_are_their_parent(environ: dict[str, str]) -> None:
    script = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])"
    orphan = "(sleep 0.1; exit 4) & exec sleep 0.6"
    done = subprocess.run(
        [PYTHON, "-c", script, *EXEC, "--", "sh", "-c", orphan], env=environ, check=False, timeout=20
    )
    assert done.returncode == 0


def test_little_is_imported_before_the_command_starts_and_nothing_heavy_at_all() -> None:
    script = "import sys, healthkit.cli, {}; print(*sys.modules)"

    def imported(module: str) -> set[str]:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        return set(
            subprocess.check_output([PYTHON, "-c", script.format(module)], text=True, env=bare).split()
        )

    heavy = {"asyncio", "dataclasses", "http.client", "ssl", "subprocess", "urllib.request", "uuid"}
    assert not imported("healthkit.commands.ping") & heavy
    later = {"logging", "json", "pathlib", "socket", "healthkit.transport", "healthkit.heartbeat"}
    assert not imported("healthkit.commands.exec") & (heavy | later)


def test_it_starts_the_command_at_once(environ: dict[str, str], checker: RecordingServer) -> None:
    stamp = "import time; print(time.time())"
    begun = time.time()
    done = execute(environ, PYTHON, "-S", "-c", stamp)
    assert float(done.stdout) - begun < 1.0
    wait_for(lambda: len(checker.requests) == 2, what="both pings")
