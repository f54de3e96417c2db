"""A Redis of the test's own: real processes of ``redis-server`` on free ports, single or as a cluster of two."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis, RedisCluster

from sidecar.targets.redis import RedisTarget
from sidecar.targets.redis_settings import RedisSettings
from tests.services import missing
from tests.targets.rig import MakeRig, Person, Rig

KEYS = ["session:{email}:*", "profile:{customer_id}"]
MORE: dict[str, Any] = {
    "hash_fields": [{"key": "logins", "field": "{email}"}],
    "set_members": [{"key": "newsletter", "member": "{email}"}],
    "sorted_set_members": [{"key": "scores", "member": "{customer_id}"}],
}


def free_port() -> int:
    """A port whose cluster bus port (10000 above) is a port, too."""
    while True:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = int(listening.getsockname()[1])
        if port < 55_000:
            return port


@asynccontextmanager
async def redis_server(folder: Path, *options: str) -> AsyncIterator[int]:
    """A server of its own on loopback, by its port. Nothing is shared with other tests."""
    program = shutil.which("redis-server")
    if program is None:
        missing("Redis", "there is no program redis-server")
    port = free_port()
    folder.mkdir()
    common = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    process = await asyncio.create_subprocess_exec(
        program or "", *common, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _answering(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _answering(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


@asynccontextmanager
async def redis_cluster(folder: Path) -> AsyncIterator[int]:
    """Two primaries, which share the slots."""
    async with AsyncExitStack() as stack:
        ports = [
            await stack.enter_async_context(redis_server(folder / name, "--cluster-enabled", "yes"))
            for name in ("one", "two")
        ]
        for port, (first, last) in zip(ports, ((0, 8191), (8192, 16383)), strict=True):
            async with Redis(port=port) as client:
                node: Any = client
                await node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                await node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        for port in ports:
            await _whole(port)
        yield ports[0]


async def _whole(port: int) -> None:
    async with asyncio.timeout(30), Redis(port=port) as client:
        node: Any = client
        while not {  # noqa: ASYNC110 - another process, which tells nobody
            b"cluster_state:ok",
            b"cluster_known_nodes:2",
        } <= set((await node.execute_command("CLUSTER", "INFO")).splitlines()):
            await asyncio.sleep(0.05)


def redis_settings(**changes: Any) -> RedisSettings:
    mapping: dict[str, Any] = {"name": "cache", "type": "redis", "url": {"env": "R"}, "keys": KEYS, **MORE}
    return RedisSettings.model_validate(mapping | {"timeout_seconds": 3} | changes)


def redis_target(port: int, **changes: Any) -> RedisTarget:
    return RedisTarget(redis_settings(**changes), f"redis://127.0.0.1:{port}", "erasure.targets[0]")


async def fill(client: Any, person: Person, sessions: int = 30) -> None:
    for number in range(sessions):
        await client.set(f"session:{person.email}:{number}", "x")
    await client.set(f"profile:{person.customer_id}", "x")
    await client.hset("logins", person.email, "today")
    await client.sadd("newsletter", person.email)
    await client.zadd("scores", {person.customer_id: 7})


async def left(client: Any, person: Person) -> int:
    """Count without patterns: every key there is, and every part."""
    names = [key async for key in client.scan_iter(count=1000)]
    prefix, profile = f"session:{person.email}:".encode(), f"profile:{person.customer_id}".encode()
    held = sum(name.startswith(prefix) or name == profile for name in names)
    parts = [
        await client.hexists("logins", person.email),
        await client.sismember("newsletter", person.email),
        await client.zscore("scores", person.customer_id) is not None,
    ]
    return int(held) + sum(map(bool, parts))


def redis_rig(topology: str) -> MakeRig:
    @asynccontextmanager
    async def make(folder: Path) -> AsyncIterator[Rig]:
        serving = redis_cluster(folder) if topology == "cluster" else redis_server(folder / "single")
        databases = [0] if topology == "cluster" else [0, 3]
        async with serving as port:
            client: Any = RedisCluster(port=port, host="127.0.0.1") if topology == "cluster" else Redis(port=port, db=3)
            try:
                yield Rig(
                    target=redis_target(port, topology=topology, databases=databases),
                    absent=redis_target(1, topology=topology, databases=databases),
                    put=lambda person: fill(client, person),
                    left=lambda person: left(client, person),
                )
            finally:
                await client.aclose()

    return make
