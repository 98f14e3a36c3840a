"""Redis behind Sentinel, and Redis Cluster, on real servers: a failover fails, says why, and heals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.asyncio import RedisCluster as AsyncRedisCluster

from examples.servers import RedisServer
from healthkit import Health
from healthkit.checks.redis import RedisReplication, RedisWrite
from healthkit.checks.redis_queues import RedisList, RedisStream
from healthkit.checks.rq import QueueDepth
from healthkit.errors import ConfigurationError
from healthkit.model import Reading
from healthkit.status import Status
from tests.healthkit.checks.redis_sites import Watched, cluster, cluster_client, watched
from tests.waiting import wait_for

DOWN = "unreachable: "


@pytest.fixture
def site() -> Iterator[Watched]:
    with watched() as servers:
        yield servers


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    with cluster() as running:
        yield running


def judged(*probes: Any) -> Health:
    """Register probes that are asked anew each time."""
    health = Health("shop")
    for probe in probes:
        health.add(probe, fresh_for=0)
    return health


def readings(health: Health) -> dict[str, Reading]:
    return {reading.check.key: reading for reading in health.report().readings}


def all_pass(health: Health) -> bool:
    return health.report().status is Status.PASS


def test_a_failover_by_sentinel_fails_until_the_replica_is_master_then_heals(site: Watched) -> None:
    client = site.client(password=None)
    health = judged(
        RedisWrite(client), RedisReplication(client, role="master"), QueueDepth("default", client)
    )
    wait_for(lambda: all_pass(health), 60, "servers that have found each other")

    site.master.kill()
    for reading in readings(health).values():
        assert (reading.status, reading.output[: len(DOWN)]) == (Status.FAIL, DOWN)

    wait_for(lambda: all_pass(health), 60, "the replica's promotion")
    with redis.Redis.from_url(site.replica.url) as promoted:
        assert promoted.keys("healthkit:probe:*")


def test_without_a_sentinel_that_answers_the_reason_says_so(site: Watched) -> None:
    health = judged(RedisWrite(site.client()))
    site.master.kill()
    site.sentinel.kill()

    [reading] = readings(health).values()
    assert reading.output == "unreachable: no Sentinel knows a master that is up"


def test_sentinels_are_asked_with_the_probes_own_limits(site: Watched) -> None:
    """The app's own Sentinel clients wait for ever, and try ten times."""
    probe = RedisWrite(site.client(), timeout=0.5)
    site.sentinel.pause()
    try:
        [reading] = readings(judged(probe)).values()
    finally:
        site.sentinel.resume()

    assert reading.output == "unreachable: no Sentinel knows a master that is up"


def test_each_shard_of_a_cluster_is_written_to_and_a_failover_heals(servers: list[RedisServer]) -> None:
    with cluster_client(servers[1]) as client:
        client.lpush("mails", "one")
        client.xadd("orders", {"id": "1"})
        client.xgroup_create("orders", "billing", "0")
        health = judged(
            RedisWrite(client),
            RedisReplication(client),
            RedisList("mails", client, name="mails"),
            RedisStream("orders", client, group="billing", name="orders"),
            QueueDepth("default", client),
        )
    wait_for(lambda: all_pass(health), 60, "servers that have found each other")
    write = readings(health)["redis:write"]
    shards = [result.component_id for result in write.results]
    assert shards == ["slots 0-5461", "slots 5462-10923", "slots 10924-16383"]

    servers[0].kill()  # the one shard that has a replica
    write = readings(health)["redis:write"]
    told = {result.component_id: result.output for result in write.results}
    assert (write.status, told.pop(shards[0])[: len(DOWN)]) == (Status.FAIL, DOWN)
    assert set(told.values()) == {""}, "the others are told to be well"

    wait_for(lambda: all_pass(health), 60, "the promotion within the cluster")


def test_a_cluster_of_which_no_node_answers_is_unreachable_and_heals(servers: list[RedisServer]) -> None:
    with cluster_client(servers[1]) as client:
        health = judged(RedisWrite(client), RedisList("mails", client))
        for server in servers:
            server.pause()
        try:
            found = readings(health)
        finally:
            for server in servers:
                server.resume()

    assert all(row.output.startswith((DOWN, "timed out", "no answer within")) for row in found.values()), (
        found
    )
    wait_for(lambda: all_pass(health), 60, "the cluster's recovery")


def test_a_clusters_client_for_asyncio_is_refused() -> None:
    client = AsyncRedisCluster(host="127.0.0.1", port=1)
    with pytest.raises(ConfigurationError, match="an asyncio client"):
        RedisWrite(client)
