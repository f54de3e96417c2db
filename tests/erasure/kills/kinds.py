"""Every kind of system that can be erased from, as a life needs it: made outside, reached from the process.

Each gives what makes the target there, a way to put a person in, a count of what is left of them, and how often the
order came in, where that can be told from outside.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import aio_pika
import nats
import pyarrow as pa
from pyarrow import parquet
from redis.asyncio import Redis

from sidecar.targets.broker import BrokerTarget
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.manual import ManualSettings, ManualTarget
from sidecar.targets.nats_messenger import NatsMessenger
from sidecar.targets.opendsr import OpenDsrTarget
from sidecar.targets.rabbitmq_messenger import RabbitMqMessenger
from sidecar.targets.rewriting import is_leftover
from sidecar.targets.target import Target
from sidecar.tls.contexts import ClientTls, client_context
from tests.targets.bucket_rig import Store, bucket_target
from tests.targets.files_rig import Archive, files_target
from tests.targets.redis_rig import fill, redis_server, redis_target
from tests.targets.redis_rig import left as left_in_redis
from tests.targets.rig import ANNA, Person
from tests.targets.search_rig import running_cluster, search_target
from tests.targets.sql_rig import Shop, database, sql_target
from tests.targets.test_broker import nats_broker, rabbitmq_broker
from tests.targets.test_opendsr import clock, processor, settings

SUCCESS: Final = {"verified_erased", "verified_no_data"}
"""Which of both depends on whether what was deleted could be recorded."""


async def nothing(_person: Person) -> None:
    return


async def nobody(_person: Person) -> int:
    return 0


async def once() -> None:
    return


@dataclass(frozen=True)
class Kind:
    """``whole``: what must hold at any moment, also right after the kill. ``finally_``: what must hold at the end."""

    make: Callable[[], Target]
    put: Callable[[Person], Awaitable[None]] = nothing
    left: Callable[[Person], Awaitable[int]] = nobody
    whole: Callable[[], Awaitable[None]] = once
    finally_: Callable[[], Awaitable[None]] = once
    outcomes: frozenset[str] = frozenset(SUCCESS)
    life: str = "erased"


BUCKETS_AT: Final[list[str]] = []
"""Where the one object store is that all lives share: each has a bucket of its own. Whoever runs them starts it."""
MakeKind = Callable[[Path], AbstractAsyncContextManager[Kind]]


def sql(kind: str) -> MakeKind:
    @asynccontextmanager
    async def made(folder: Path) -> AsyncIterator[Kind]:
        with database(kind, folder) as url:
            shop = Shop(url)

            async def whole() -> None:  # all in one transaction: never some tables without the others
                rows = {table: shop.count(table) for table in ("customers", "orders", "items")}
                assert len(set(rows.values())) == 1, rows

            async def put(person: Person) -> None:
                shop.put(person)

            async def left(person: Person) -> int:
                return shop.left(person)

            yield Kind(partial(sql_target, url), put, left, whole)
            shop.engine.dispose()

    return made


@asynccontextmanager
async def cache_(folder: Path) -> AsyncIterator[Kind]:
    async with redis_server(folder / "redis") as port, Redis(port=port) as client:
        make = partial(redis_target, port, databases=[0], scan_count=2)
        yield Kind(make, lambda person: fill(client, person, 3), lambda person: left_in_redis(client, person))


@asynccontextmanager
async def files(folder: Path) -> AsyncIterator[Kind]:
    archive = Archive(folder / "systems" / "archive")
    for one in (archive.lines, archive.packed, archive.table):
        one.touch()
    parquet.write_table(
        pa.schema([("id", pa.string()), ("mail", pa.string()), ("n", pa.int64())]).empty_table(), archive.columns
    )

    async def put(person: Person) -> None:
        archive.put(person)

    async def left(person: Person) -> int:
        return archive.left(person)

    async def whole() -> None:  # every file is the old one or the new one: it can be read to its end
        archive.left(ANNA)

    async def nothing_left_over() -> None:
        assert not [path for path in archive.folder.rglob("*") if is_leftover(path.name)]
        held = [
            path for path in archive.folder.rglob("*") if path.is_file() and ANNA.email.encode() in path.read_bytes()
        ]
        assert not held

    yield Kind(partial(files_target, archive.folder), put, left, whole, nothing_left_over)


@asynccontextmanager
async def bucket(folder: Path) -> AsyncIterator[Kind]:
    endpoint = BUCKETS_AT[0]
    store, name = Store(endpoint), f"chats-{secrets.token_hex(6)}"
    await asyncio.to_thread(store.create, name)

    async def put(person: Person) -> None:
        await asyncio.to_thread(store.put, person, name)

    async def left(person: Person) -> int:
        return await asyncio.to_thread(store.left, person, name)

    yield Kind(partial(bucket_target, endpoint, name), put, left)
    store.s3.close()


@asynccontextmanager
async def search(_folder: Path) -> AsyncIterator[Kind]:
    async with running_cluster() as cluster:
        yield Kind(partial(search_target, cluster.url), cluster.put, cluster.left)


@asynccontextmanager
async def opendsr(folder: Path) -> AsyncIterator[Kind]:
    async with processor() as served:
        served.status = "completed"
        certificate = served.certificate(folder / "processor.pem")

        async def ordered_once() -> None:
            assert len(served.requests) == 1  # by the same id, however often it was asked for

        made = partial(downstream, served.url, certificate)
        yield Kind(made, finally_=ordered_once, outcomes=frozenset({"unverified"}))


def downstream(url: str, certificate: Path) -> Target:
    return OpenDsrTarget(settings(url, certificate), {}, "erasure.targets[0]", clock=clock)


BROKERS: Final[dict[str, Any]] = {"nats": NatsMessenger, "rabbitmq": RabbitMqMessenger}


def bus(protocol: str, url: str, destination: str) -> Target:
    mapping = {
        "name": "bus", "type": "broker", "protocol": protocol, "url": {"env": "B"},
        "destination": destination, "identities": ["email"], "timeout_seconds": 3,
    }  # fmt: skip
    made = BrokerSettings.model_validate(mapping)
    messenger = BROKERS[protocol](made, url, client_context(ClientTls()), "erasure.targets[0]")
    return BrokerTarget(made, messenger, "erasure.targets[0]")


@asynccontextmanager
async def on_nats(folder: Path) -> AsyncIterator[Kind]:
    async with nats_broker(folder / "nats") as broker:

        async def delivered_once() -> None:
            client = await nats.connect(broker.url)
            state = (await client.jetstream().stream_info("orders")).state
            await client.close()
            assert state.messages == 1  # sent again it has the same id, and the broker keeps one

        make = partial(bus, "nats", broker.url, broker.destination)
        yield Kind(make, finally_=delivered_once, outcomes=frozenset({"unverified"}))


@asynccontextmanager
async def on_rabbitmq(folder: Path) -> AsyncIterator[Kind]:
    async with rabbitmq_broker(folder) as broker:

        async def delivered_by_one_id() -> None:
            async with await aio_pika.connect(broker.url) as connection:
                queue = await (await connection.channel()).get_queue(broker.destination)
                ids = set()
                while (message := await queue.get(no_ack=True, fail=False)) is not None:
                    ids.add((message.message_id, json.loads(message.body)["id"]))
            assert len(ids) == 1

        make = partial(bus, "rabbitmq", broker.url, broker.destination)
        yield Kind(make, finally_=delivered_by_one_id, outcomes=frozenset({"unverified"}))


def paper() -> Target:
    mapping = {"name": "paper", "type": "manual", "instructions": "Shred the file.", "due_days": 7}
    return ManualTarget(ManualSettings.model_validate(mapping))


@asynccontextmanager
async def manual(_folder: Path) -> AsyncIterator[Kind]:
    yield Kind(paper, life="by_hand")


KINDS: Final[dict[str, MakeKind]] = {
    "sqlite": sql("sqlite"), "postgresql": sql("postgresql"), "mariadb": sql("mariadb"), "redis": cache_,
    "files": files, "bucket": bucket, "search": search, "opendsr": opendsr, "nats": on_nats,
    "rabbitmq": on_rabbitmq, "manual": manual,
}  # fmt: skip
