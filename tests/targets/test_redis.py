"""What only Redis does. The rest is in the contract suite, single and as a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis, RedisCluster

from sidecar.errors import ConfigError
from sidecar.targets.redis import RedisTarget
from sidecar.targets.redis_connection import check_redis_url, open_redis
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.redis_rig import fill, redis_cluster, redis_server, redis_settings, redis_target
from tests.targets.rig import ANNA, BERT


@asynccontextmanager
async def serving(folder: Path, **changes: Any) -> AsyncIterator[tuple[Any, RedisTarget, int]]:
    async with redis_server(folder / "redis") as port, Redis(port=port) as client:
        yield client, redis_target(port, **changes), port


async def test_E23_scans_and_never_asks_for_all_keys_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, scan_count=7) as (client, target, _):
        await target.start()
        await fill(client, ANNA, sessions=200)
        assert (await target.delete(ANNA.identities)).count == 204
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
        used = await client.info("commandstats")
        assert "cmdstat_scan" in used
        assert "cmdstat_unlink" in used
        assert "cmdstat_keys" not in used


async def test_E23_every_database_is_gone_through(tmp_path: Path) -> None:
    async with serving(tmp_path, databases=[0, 5]) as (_, target, port):
        async with Redis(port=port, db=5) as fifth:
            await fill(fifth, ANNA, sessions=3)
        assert (await target.verify(ANNA.identities)).count == 7
        assert (await target.delete(ANNA.identities)).count == 7
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


class Raced(RedisTarget):
    """Somebody writes another key at the moment when each scan ends."""

    async def _scan(self, client: Any, pattern: str) -> AsyncIterator[list[bytes]]:
        async for batch in super()._scan(client, pattern):
            yield batch
        await client.set(f"session:{ANNA.email}:late", "x")


async def test_E23_keys_that_come_during_the_scan_are_seen_when_looking_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, target, port):
        await fill(client, ANNA, sessions=50)
        raced = Raced(redis_settings(scan_count=5), f"redis://127.0.0.1:{port}", "t")
        assert (await raced.delete(ANNA.identities)).status is DeleteStatus.DELETED
        looked = await target.verify(ANNA.identities)
        assert (looked.status, looked.count) == (VerifyStatus.PRESENT, 1)


async def test_E23_on_a_cluster_every_primary_is_scanned_and_none_is_asked_for_all_keys(tmp_path: Path) -> None:
    async with redis_cluster(tmp_path) as port, RedisCluster(host="127.0.0.1", port=port) as cluster:
        client: Any = cluster
        target = redis_target(port, topology="cluster", scan_count=7)
        await target.start()
        await fill(client, ANNA, sessions=200)
        await fill(client, BERT, sessions=20)
        assert (await target.delete(ANNA.identities)).count == 204
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
        assert (await target.verify(BERT.identities)).count == 24
        used = await client.info("commandstats", target_nodes=RedisCluster.PRIMARIES)
        assert len(used) == 2
        for of_one in used.values():
            assert {"cmdstat_scan", "cmdstat_unlink"} <= of_one.keys()
            assert "cmdstat_keys" not in of_one


async def test_E23_on_a_cluster_keys_that_come_during_the_scan_are_seen(tmp_path: Path) -> None:
    async with redis_cluster(tmp_path) as port, RedisCluster(host="127.0.0.1", port=port) as cluster:
        client: Any = cluster
        await fill(client, ANNA, sessions=50)
        raced = Raced(redis_settings(topology="cluster"), f"redis://127.0.0.1:{port}", "t")
        assert (await raced.delete(ANNA.identities)).status is DeleteStatus.DELETED
        target = redis_target(port, topology="cluster")
        left = await target.verify(ANNA.identities)
        assert (left.status, left.count) == (VerifyStatus.PRESENT, 1)
        assert (await target.delete(ANNA.identities)).count == 1
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


@pytest.mark.parametrize("rights", ["+@all -unlink ~*", "+@all -scan ~*", "+@all ~other:*", "+@all -hdel ~*"])
async def test_E22_without_the_rights_it_is_a_configuration_error(tmp_path: Path, rights: str) -> None:
    async with serving(tmp_path) as (client, _, port):
        await client.execute_command("ACL", "SETUSER", "weak", "on", ">pass", *rights.split())
        target = RedisTarget(redis_settings(), f"redis://weak:pass@127.0.0.1:{port}", "erasure.targets[0]")
        with pytest.raises(ConfigError, match="not_permitted"):
            await target.start()


async def test_the_least_rights_are_enough(tmp_path: Path) -> None:
    rights = "-@all +ping +select +scan +unlink +exists +hdel +hexists +srem +sismember +zrem +zscore"
    keys = "~session:* ~profile:* ~logins ~newsletter ~scores"
    async with serving(tmp_path) as (client, _, port):
        await client.execute_command("ACL", "SETUSER", "least", "on", ">pass", *rights.split(), *keys.split())
        await fill(client, ANNA)
        target = RedisTarget(redis_settings(databases=[0]), f"redis://least:pass@127.0.0.1:{port}", "t")
        await target.start()
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.DELETED
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_E22_what_is_configured_wrong_is_a_configuration_error(tmp_path: Path) -> None:
    async with serving(tmp_path, databases=[0, 99]) as (client, target, port):
        with pytest.raises(ConfigError, match="misconfigured"):
            await target.start()
        await client.set("logins", "no hash")
        with pytest.raises(ConfigError, match="misconfigured"):
            await redis_target(port).start()
        wrong = RedisTarget(redis_settings(), f"redis://u:hidden@127.0.0.1:{port}", "erasure.targets[0]")
        with pytest.raises(ConfigError, match="not_permitted") as caught:
            await wrong.start()
        assert "hidden" not in str(caught.value) + repr(wrong)


async def test_E22_a_replica_that_only_reads_is_a_configuration_error(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, target, _):
        await client.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(ConfigError, match="misconfigured"):
            await target.start()


async def test_what_could_not_be_checked_at_start_fails_closed_later(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, target, _):
        await client.execute_command("ACL", "SETUSER", "default", "-unlink")
        await fill(client, ANNA)
        assert (await target.delete(ANNA.identities)).fault is TargetFault.NOT_PERMITTED
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.PRESENT
        await fill(client, BERT)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache.example.org",
        "rediss://cache.example.org?ssl_cert_reqs=none",
        "redis://127.0.0.1/3",
        "http://127.0.0.1",
        "redis://:6379",
        "redis://127.0.0.1:x",
        "unix://",
    ],
)
def test_E18_an_unusable_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^t\.url: "):
        check_redis_url(url, "t")


async def test_E18_another_machine_is_verified_tls(tmp_path: Path) -> None:
    client = open_redis(redis_settings(), check_redis_url("rediss://cache.example.org", "t"), 0)
    options = client.connection_pool.connection_kwargs
    assert (options["ssl_cert_reqs"], options["ssl_check_hostname"]) == ("required", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": ["session:*"], "hash_fields": []}, "names no identity"),
        ({"keys": ["session:{customer_id}*"]}, "next to a wildcard"),
        ({"keys": [], "hash_fields": [], "set_members": [], "sorted_set_members": []}, "name keys"),
        ({"topology": "cluster", "databases": [1]}, "database 0 only"),
    ],
)
def test_a_form_that_can_not_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        redis_settings(**changes)
