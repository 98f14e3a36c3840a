"""The machine: disk, inodes, memory, load, open files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from healthkit.checks.system import DiskSpace, FileDescriptors, Inodes, Load, Memory
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.health import Health
from healthkit.status import Status

GB = 10**9


def volume(monkeypatch: pytest.MonkeyPatch, **given: int) -> None:
    """Let the file system be one of 100 GB and 1,000 inodes with this much left."""
    found = {"f_frsize": 4000, "f_blocks": 25_000_000, "f_bfree": 0, "f_bavail": 0, "f_flag": 0}
    found |= {"f_files": 1000, "f_ffree": 0, "f_favail": 0, **given}
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(**found))


def test_the_real_disk_is_measured_as_df_does(tmp_path: Path) -> None:
    said = DiskSpace(tmp_path, warn="0%", fail=None)()

    found = os.statvfs(tmp_path)
    assert said.status is Status.PASS
    assert said.details["free_bytes"] == pytest.approx(found.f_bavail * found.f_frsize, rel=0.01)
    assert 0 <= said.value <= 100


@pytest.mark.parametrize(
    ("free", "status"), [(20, Status.PASS), (9, Status.WARN), (4, Status.FAIL), (0, Status.FAIL)]
)
def test_a_disk_that_fills_up_warns_and_fails(
    free: int, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume(monkeypatch, f_bfree=free * 250_000, f_bavail=free * 250_000)

    assert DiskSpace("/data")().status is status


def test_the_reason_says_how_much_is_left_where_and_of_what(monkeypatch: pytest.MonkeyPatch) -> None:
    volume(monkeypatch, f_bfree=2_250_000, f_bavail=1_000_000)

    said = DiskSpace("/data", warn="10GB", fail="5GB")()

    assert said.output == "4 GB of 95 GB free on /data, less than 5 GB"
    assert (said.value, said.unit) == (95.79, "percent")  # what is kept for root counts as in use


def test_a_disk_mounted_read_only_fails_where_it_has_to_be_writable(monkeypatch: pytest.MonkeyPatch) -> None:
    volume(monkeypatch, f_bfree=20_000_000, f_bavail=20_000_000, f_flag=os.ST_RDONLY)

    assert DiskSpace("/data")().status is Status.PASS
    with pytest.raises(Fail, match="read-only: the file system of /data is mounted read-only"):
        DiskSpace("/data", writable=True)()


@pytest.mark.parametrize("check", [DiskSpace, Inodes])
def test_a_path_that_is_not_there_fails_by_name(check: type[DiskSpace], tmp_path: Path) -> None:
    with pytest.raises(Fail, match=r"gone: No such file or directory"):
        check(tmp_path / "gone")()


def test_inodes_run_out_though_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    volume(monkeypatch, f_ffree=30, f_favail=30, f_bavail=20_000_000)

    said = Inodes("/data")()

    assert (said.status, said.output) == (Status.FAIL, "30 of 1,000 inodes free on /data, less than 5%")


def test_a_file_system_without_a_fixed_number_of_inodes_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    volume(monkeypatch, f_files=0)

    assert Inodes("/data")().status is Status.PASS


def test_names_tell_several_paths_apart() -> None:
    names = [DiskSpace().name, DiskSpace("/var/lib/app").name, Inodes("/srv").name, DiskSpace(name="x").name]

    assert names == ["disk", "disk-var-lib-app", "inodes-srv", "x"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"warn": "ten"}, "check 'disk': warn: 'ten' is no amount; write \"10%\", \"5GB\""),
        ({"fail": "101%"}, "check 'disk': fail: '101%' is no amount"),
        ({"fail": True}, "True is no amount"),
        ({"fail": -1}, "-1 is no amount"),
    ],
)
def test_an_amount_that_cannot_be_meant_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        DiskSpace(**given)

    assert told in str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with 8 GB left of 64 GB, and no cgroup."""
    write(tmp_path / "proc/meminfo", "MemTotal: 64000000 kB\nMemFree: 10 kB\nMemAvailable: 8000000 kB\n")
    write(tmp_path / "proc/self/cgroup", "0::/\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def group(folder: Path, most: str, used: int, reclaimable: int = 0) -> None:
    write(folder / "memory.max", f"{most}\n")
    write(folder / "memory.current", f"{used}\n")
    write(folder / "memory.stat", f"anon 5\ninactive_file {reclaimable}\n")


def test_memory_of_this_machine_is_measured() -> None:
    said = Memory(warn=None, fail=None)()

    total = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) * 1024
    assert said.status is Status.PASS
    assert 0 < said.details["available_bytes"] < said.details["total_bytes"] <= total


def test_memory_of_the_machine_counts_where_there_is_no_container(root: Path) -> None:
    said = Memory(root=root, warn="13%", fail="5%")()

    assert (said.status, said.value) == (Status.WARN, 87.5)
    assert said.output == "8.19 GB of 65.5 GB left in the machine, less than 13%"


def test_a_containers_own_limit_counts(root: Path) -> None:
    group(root / "sys/fs/cgroup", str(GB), used=990_000_000)

    said = Memory(root=root)()

    assert said.status is Status.FAIL
    assert said.output == "10 MB of 1 GB left in the container, less than 3%"


def test_what_the_kernel_can_reclaim_counts_as_left(root: Path) -> None:
    group(root / "sys/fs/cgroup", str(GB), used=990_000_000, reclaimable=500_000_000)

    assert Memory(root=root)().status is Status.PASS


def test_an_outer_groups_limit_binds_the_inner_one(root: Path) -> None:
    write(root / "proc/self/cgroup", "0::/app.slice/web.service\n")
    group(root / "sys/fs/cgroup/app.slice", str(GB), used=GB)
    group(root / "sys/fs/cgroup/app.slice/web.service", "max", used=100)

    assert Memory(root=root)().status is Status.FAIL


def test_a_limit_of_cgroup_v1_counts_too(root: Path) -> None:
    write(root / "proc/self/cgroup", "4:memory:/docker/abc\n0::/\n")
    folder = root / "sys/fs/cgroup/memory/docker/abc"
    write(folder / "memory.limit_in_bytes", str(GB))
    write(folder / "memory.usage_in_bytes", str(GB))
    write(folder.parent / "memory.limit_in_bytes", "9223372036854771712")
    write(folder.parent / "memory.usage_in_bytes", "1")

    said = Memory(root=root)()

    assert (said.status, said.details["limit_of"]) == (Status.FAIL, "container")


def test_a_machine_out_of_memory_outweighs_a_container_with_plenty(root: Path) -> None:
    write(root / "proc/meminfo", "MemTotal: 64000000 kB\nMemAvailable: 1000000 kB\n")
    group(root / "sys/fs/cgroup", str(GB), used=500_000_000)

    assert Memory(root=root)().details["limit_of"] == "machine"


def test_a_platform_that_does_not_tell_its_memory_warns(tmp_path: Path) -> None:
    with pytest.raises(Warn, match="cannot be measured"):
        Memory(root=tmp_path)()


def test_load_is_judged_for_each_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (16.0, 8.0, 1.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)

    short, middle = Load(warn=2, fail=4, over="1m")(), Load(warn=2, fail=4)()

    assert (short.status, short.value, middle.status) == (Status.FAIL, 4.0, Status.WARN)
    assert middle.output == "load 8 on 4 processors: 2 each (limit 2)"
    assert Load(warn=2, fail=4, over="15m")().status is Status.PASS


def test_load_of_this_machine_is_measured() -> None:
    assert Load(warn=None)().value == pytest.approx(os.getloadavg()[1] / (os.cpu_count() or 1), abs=0.5)


def test_load_over_another_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="over '2m' must be"):
        Load(over="2m")
    with pytest.raises(ConfigurationError, match="check 'load': warn: 0 must be a number above 0"):
        Load(warn=0)


@pytest.fixture
def few_files() -> Iterator[int]:
    """This process may have 60 files more than it has now."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = len(list(Path("/proc/self/fd").iterdir())) + 60
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_open_files_are_counted_against_the_processs_own_limit(few_files: int) -> None:
    before = FileDescriptors(warn=0.99, fail=None)()
    assert (before.status, before.details["limit"]) == (Status.PASS, few_files)

    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(Path("/dev/null").open("rb"))
        after = FileDescriptors(warn=0.1, fail=0.2)()

    assert after.details["open"] - before.details["open"] == 50
    assert after.status is Status.FAIL
    assert f"of {few_files} file descriptors in use (limit 20%)" in after.output


def test_in_a_health_load_and_memory_are_context_and_no_verdict(tmp_path: Path) -> None:
    health = Health("shop")
    for probe in (
        DiskSpace(tmp_path, warn=None, fail=None),
        Memory(root=tmp_path),
        Load(),
        FileDescriptors(name="sockets"),
    ):
        health.add(probe)

    critical = {check.key: check.critical for check in health.checks}

    assert [*critical.values()] == [True, False, False, True]
    assert [*critical][1:] == ["memory:utilization", "load:average", "sockets:utilization"]
    assert health.report().status is Status.WARN
