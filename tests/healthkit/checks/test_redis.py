"""Redis itself, on real servers: full, read-only, without a disk, hung, gone; and its replicas."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_library

from examples.servers import RedisServer
from healthkit.checks.redis import RedisReplication, RedisWrite
from healthkit.errors import ConfigurationError, Fail, Warn
from healthkit.health import Health
from healthkit.model import Result
from healthkit.status import Status
from tests.recording import black_hole, refused_url
from tests.waiting import wait_for

Client = redis_library.Redis


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to be broken."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator[Client]:
    with Client.from_url(server.url) as connected:
        yield connected


@pytest.fixture
def replica(server: RedisServer, client: Client) -> Iterator[RedisServer]:
    """A replica of `server` whose link is up."""
    with RedisServer() as following, Client.from_url(following.url) as other:
        other.replicaof("127.0.0.1", str(server.port))
        wait_for(lambda: other.info("replication")["master_link_status"] == "up", 15, "the replica's link")
        wait_for(
            lambda: client.info("replication").get("slave0", {}).get("state") == "online", 15, "it online"
        )
        yield following


def test_a_redis_that_takes_writes_passes_and_its_key_goes_by_itself(redis_url: str) -> None:
    said = RedisWrite(redis_url)()

    assert (said.status, said.unit) == (Status.PASS, "ms")
    assert said.value > 0
    assert said.details["used_memory"] > 0
    with Client.from_url(redis_url) as client:
        [key] = client.keys("*")
        assert key.startswith(b"healthkit:probe:")
        assert 0 < client.ttl(key) <= 60


def test_the_apps_own_client_serves_and_is_left_alone(redis_url: str) -> None:
    with Client.from_url(redis_url, decode_responses=True) as client:
        check = RedisWrite(client)
        assert check().status is Status.PASS
        assert check().status is Status.PASS
        check.close()
        assert client.ping()
        assert len(client.keys("*")) == 1


def test_a_replica_that_answers_ping_fails_as_read_only(replica: RedisServer) -> None:
    with Client.from_url(replica.url) as client:
        assert client.ping()

    with pytest.raises(Fail, match="read-only: Redis is a replica and refuses writes"):
        RedisWrite(replica.url)()


def test_a_full_redis_that_answers_ping_fails_and_recovers_by_itself(client: Client) -> None:
    check = RedisWrite(client)
    client.config_set("maxmemory", "1")
    assert client.ping()

    with pytest.raises(Fail, match="out of memory: Redis refuses writes"):
        check()

    client.config_set("maxmemory", "0")
    assert check().status is Status.PASS


def test_memory_that_runs_out_warns_and_fails_before_it_is_full(client: Client) -> None:
    used = int(client.info("memory")["used_memory"])
    client.config_set("maxmemory", str(used * 4))

    assert RedisWrite(client)().status is Status.PASS
    assert RedisWrite(client, warn=0.2)().status is Status.WARN
    said = RedisWrite(client, warn=0.1, fail=0.2)()
    assert said.status is Status.FAIL
    assert said.output.startswith("memory: ")
    assert said.output.endswith("in use (limit 20%); full, it refuses writes")


def test_a_cache_that_makes_room_by_itself_may_be_full(client: Client) -> None:
    for number in range(100):
        client.set(f"page:{number}", b"x" * 10_000)
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", str(int(client.info("memory")["used_memory"]) - 300_000))

    said = RedisWrite(client)()

    assert (said.status, said.details["maxmemory_policy"]) == (Status.PASS, "allkeys-lru")


def test_where_nothing_may_be_dropped_a_policy_that_drops_warns_and_dropped_keys_fail(client: Client) -> None:
    check = RedisWrite(client, may_evict=False)
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", str(int(client.info("memory")["used_memory"]) + 300_000))
    said = check()
    assert (said.status, "maxmemory-policy allkeys-random" in said.output) == (Status.WARN, True)

    for number in range(100):
        client.set(f"job:{number}", b"x" * 10_000)
    client.config_set("maxmemory", "0")

    said = check()
    assert (said.status, said.output[:23]) == (Status.FAIL, "evicted: Redis dropped ")
    assert check().status is Status.PASS


def test_a_redis_that_cannot_save_to_disk_fails(server: RedisServer, client: Client) -> None:
    client.config_set("save", "3600 1")
    client.config_set("dbfilename", "taken.rdb")
    (server.folder / "taken.rdb").mkdir()  # so that not even root can put the file there
    client.set("dirty", 1)
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "the failed save")

    with pytest.raises(Fail, match="disk: Redis cannot save to disk, and refuses writes for that"):
        RedisWrite(client)()


def test_a_master_without_the_replicas_it_wants_fails(client: Client) -> None:
    client.config_set("min-replicas-to-write", "1")

    with pytest.raises(Fail, match="replication: too few replicas keep up"):
        RedisWrite(client)()


@pytest.mark.parametrize("password", ["wrong-hunter2", ""])
def test_a_wrong_or_missing_password_fails_and_is_not_shown(password: str) -> None:
    with RedisServer(password="right-hunter3") as server:
        secret = f":{password}@" if password else ""
        check = RedisWrite(f"redis://{secret}127.0.0.1:{server.port}/0")
        with pytest.raises(Fail, match="authentication failed: Redis") as caught:
            check()
        assert RedisWrite(server.url)().status is Status.PASS

    assert "hunter" not in repr(caught.value) + repr(check)


def test_a_user_without_the_right_to_write_fails_and_one_without_info_passes(client: Client) -> None:
    port = client.connection_pool.connection_kwargs["port"]
    may: dict[str, Any] = {"enabled": True, "passwords": ["+pw"]}
    client.acl_setuser("reader", **may, keys=["*"], commands=["+get", "+info", "+client", "+hello"])
    client.acl_setuser("plain", **may, keys=["healthkit:*"], commands=["+set", "+get", "+client"])

    with pytest.raises(Fail, match="permission denied"):
        RedisWrite(f"redis://reader:pw@127.0.0.1:{port}/0")()
    said = RedisWrite(f"redis://plain:pw@127.0.0.1:{port}/0")()
    assert (said.status, dict(said.details)) == (Status.PASS, {})
    with pytest.raises(Warn, match="may not ask Redis for INFO"):
        RedisReplication(f"redis://plain:pw@127.0.0.1:{port}/0")()


def test_a_redis_that_is_gone_fails_and_recovers_by_itself(server: RedisServer) -> None:
    check = RedisWrite(server.url)
    assert check().status is Status.PASS
    server.kill()
    with pytest.raises(Fail, match="unreachable"):
        check()
    with pytest.raises(Fail, match="unreachable: connection refused"):
        check()

    server.start()
    assert check().status is Status.PASS


def test_a_hung_redis_fails_within_the_timeout_and_recovers_by_itself(server: RedisServer) -> None:
    health = Health("shop")
    health.add(RedisWrite(server.url, timeout=0.5), fresh_for=0)
    assert health.report().status is Status.PASS
    server.pause()
    started = time.monotonic()
    report = health.report()
    took = time.monotonic() - started
    server.resume()

    assert (report.status, took < 20) == (Status.FAIL, True)
    assert "timed out" in report.readings[0].output or "no answer within" in report.readings[0].output
    wait_for(lambda: health.report().status is Status.PASS, 10, "its recovery")


def test_a_black_hole_fails_within_the_timeout() -> None:
    with black_hole() as url:
        started = time.monotonic()
        with pytest.raises(Fail, match="timed out"):
            RedisWrite(url.replace("http", "redis"), timeout=0.5)()

    assert time.monotonic() - started < 20


def test_a_key_that_does_not_stay_is_told(client: Client) -> None:
    check = RedisWrite(client)
    check._say = lambda *commands: [True, None, {}, {}]  # type: ignore[method-assign]

    with pytest.raises(Fail, match="lost: a key that was just written is gone"):
        check()


def test_several_instances_never_read_each_others_key(redis_url: str) -> None:
    checks = [RedisWrite(redis_url) for _ in range(5)]
    for check in checks:
        check()

    with Client.from_url(redis_url) as client:
        assert len(client.keys("*")) == 5


def test_master_and_replica_tell_their_replication(server: RedisServer, replica: RedisServer) -> None:
    master = RedisReplication(server.url, replicas=1, role="master")()
    follower = RedisReplication(replica.url, role="replica")()

    assert (master.status, dict(master.details)) == (Status.PASS, {"role": "master", "replicas": 1})
    assert (follower.status, dict(follower.details)) == (Status.PASS, {"role": "replica"})
    assert 0 <= follower.value <= 15


def test_a_master_with_too_few_replicas_fails(server: RedisServer, replica: RedisServer) -> None:
    with pytest.raises(Fail, match="replication: 1 of 2 replicas are connected"):
        RedisReplication(server.url, replicas=2)()


def test_a_server_of_the_other_role_fails(server: RedisServer) -> None:
    with pytest.raises(Fail, match="replication: this is a master, and should be a replica"):
        RedisReplication(server.url, role="replica")()


def test_a_replica_that_lost_its_master_fails(server: RedisServer, replica: RedisServer) -> None:
    server.kill()
    check = RedisReplication(replica.url)

    def reason() -> str:
        try:
            check()
        except Fail as fail:
            return fail.reason
        return ""

    said = wait_for(reason, 10, "the lost link")
    assert said.startswith("replication: the link to the master is down")


def test_lags_beyond_the_limit_fail_on_either_side(server: RedisServer, client: Client) -> None:
    rows = {f"slave{n}": {"state": "online", "lag": lag} for n, lag in enumerate((0, 40))}
    fresh: list[dict[str, Any]] = [
        {"role": "master", **rows},
        {"role": "slave", "master_link_status": "up", "master_last_io_seconds_ago": 60},
        {"role": "slave", "master_link_status": "up", "master_sync_in_progress": 1},
    ]
    check, one_of_two = RedisReplication(client), RedisReplication(client, replicas=1)
    for probe in (check, one_of_two):
        answers = iter(fresh)
        probe._say = said_next(answers)  # type: ignore[method-assign]

    assert one_of_two().status is Status.PASS
    told = [check() for _ in fresh]
    assert [one.status for one in told] == [Status.FAIL, Status.FAIL, Status.WARN]
    assert told[0].output == "replication: a replica is 40 s behind (limit 15 s)"
    assert told[1].output == "replication: nothing from the master for 1 min (limit 15 s)"


def said_next(answers: Iterator[dict[str, Any]]) -> Callable[..., list[Any]]:
    return lambda *commands: [next(answers)]


def test_a_fork_after_the_first_run_takes_connections_of_its_own(redis_url: str) -> None:
    check = RedisWrite(redis_url)
    check()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if check().status is Status.PASS else 2
        finally:
            os._exit(code)
    results: list[Result] = [check() for _ in range(20)]

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert {one.status for one in results} == {Status.PASS}


@pytest.mark.parametrize(
    ("check", "given", "told"),
    [
        (RedisWrite, {"timeout": 0}, "RedisWrite timeout: 0 leaves no time"),
        (RedisWrite, {"warn": 0}, "RedisWrite: warn: 0 must be a number above 0"),
        (RedisReplication, {"role": "slave"}, 'role \'slave\' must be "master" or "replica"'),
    ],
)
def test_what_cannot_be_meant_is_refused(check: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(refused_url().replace("http", "redis"), **given)

    assert told in str(caught.value)
