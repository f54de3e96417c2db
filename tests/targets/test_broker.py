"""Messages through real brokers: a NATS of the test's own, and queues of the test's own in RabbitMQ."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import nats
import pytest

from sidecar.errors import ConfigError
from sidecar.targets.broker import BrokerTarget, Messenger
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.nats_messenger import NatsMessenger
from sidecar.targets.rabbitmq_messenger import RabbitMqMessenger
from sidecar.targets.target import DeleteStatus, JobStatus, Order, TargetFault, VerifyStatus
from tests.erasure.world import CANARY, Clock, world
from tests.services import missing
from tests.targets.redis_rig import free_port
from tests.targets.rig import ANNA

RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1/")


@dataclass
class Broker:
    """A broker with one destination, seen as the system behind it sees it."""

    url: str
    destination: str
    receive: Callable[[], Any]
    answer: Callable[[str, bytes], Any]
    make: Callable[..., Messenger]
    protocol: str

    def target(self, url: str | None = None, **changes: Any) -> BrokerTarget:
        mapping: dict[str, Any] = {
            "name": "bus", "type": "broker", "protocol": self.protocol, "url": {"env": "B"},
            "destination": self.destination, "identities": ["email"], "timeout_seconds": 3,
        }  # fmt: skip
        settings = BrokerSettings.model_validate(mapping | changes)
        messenger = self.make(settings, url or self.url, ssl.create_default_context(), "erasure.targets[0]")
        return BrokerTarget(settings, messenger, "erasure.targets[0]")


@asynccontextmanager
async def nats_broker(folder: Path) -> AsyncIterator[Broker]:
    program = shutil.which("nats-server")
    if program is None:
        missing("NATS", "there is no program nats-server")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program or "", "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", str(folder), stderr=asyncio.subprocess.DEVNULL
    )
    url = f"nats://127.0.0.1:{port}"
    try:
        client = await nats.connect(url, max_reconnect_attempts=100, reconnect_time_wait=0)
        stream = client.jetstream()
        await stream.add_stream(name="orders", subjects=["erase.crm"])
        await stream.add_stream(name="answers", subjects=["done.>"])
        subscription = await stream.subscribe("erase.crm")

        async def receive() -> bytes:
            return bytes((await subscription.next_msg(timeout=3)).data)

        yield Broker(url, "erase.crm", receive, stream.publish, NatsMessenger, "nats")
        await client.close()
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def rabbitmq_broker(_folder: Path) -> AsyncIterator[Broker]:
    try:
        connection = await aio_pika.connect(RABBITMQ_URL)
    except (OSError, aio_pika.exceptions.AMQPError) as error:
        missing("RabbitMQ", f"{RABBITMQ_URL}: {type(error).__name__}")
    async with connection:
        channel = await connection.channel()
        name = f"sidecar-test-{secrets.token_hex(6)}"
        queue = await channel.declare_queue(name, durable=True)
        made: list[str] = []

        async def receive() -> bytes:
            found = await queue.get(timeout=3)
            await found.ack()
            if found.reply_to:
                made.append(found.reply_to)
            return bytes(found.body)

        async def answer(subject: str, data: bytes) -> None:
            await channel.default_exchange.publish(aio_pika.Message(data), subject)

        yield Broker(RABBITMQ_URL, name, receive, answer, RabbitMqMessenger, "rabbitmq")
        for one in (name, *made):
            await channel.queue_delete(one)


BROKERS = {"nats": nats_broker, "rabbitmq": rabbitmq_broker}


@pytest.fixture(params=sorted(BROKERS))
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    async with BROKERS[request.param](tmp_path) as made:
        yield made


def order(reference: str | None = None) -> Order:
    return Order(str(uuid4()), ANNA.identities[:1], reference)


async def test_a_message_says_who_is_meant_and_the_broker_keeps_it(broker: Broker) -> None:
    target = broker.target()
    await target.start()
    one = order()
    sent = await target.order(one)
    assert (sent.status, sent.reference) == (DeleteStatus.SUBMITTED, None)
    assert json.loads(await broker.receive()) == {
        "type": "erasure", "id": one.id, "identities": [{"type": "email", "value": ANNA.email}],
    }  # fmt: skip
    assert (await target.verify(ANNA.identities)).status is VerifyStatus.IMPOSSIBLE


async def test_E26_an_order_is_done_when_the_system_has_said_so(broker: Broker) -> None:
    target = broker.target(acknowledgements=f"done.{secrets.token_hex(4)}")
    await target.start()
    one = order()
    assert (await target.order(one)).reference == one.id
    assert (await target.poll(one)).status is JobStatus.RUNNING
    reply_to = json.loads(await broker.receive())["reply_to"]
    await broker.answer(reply_to, b'{"status": "done", "deleted": 4}')
    for _ in range(2):  # it is read without being taken away: we may be killed before it is recorded
        polled = await target.poll(one)
        assert (polled.status, polled.count) == (JobStatus.DONE, 4)


@pytest.mark.parametrize(
    ("answer", "status", "fault"),
    [
        (b'{"status": "failed"}', JobStatus.FAILED, None),
        (b'{"status": "running"}', JobStatus.RUNNING, None),
        (b'{"status": "maybe"}', JobStatus.UNKNOWN, TargetFault.UNEXPECTED_BODY),
        (b"\xff no json", JobStatus.UNKNOWN, TargetFault.UNEXPECTED_BODY),
    ],
)
async def test_E26_any_other_answer_is_not_done(
    broker: Broker, answer: bytes, status: JobStatus, fault: TargetFault | None
) -> None:
    target = broker.target(acknowledgements=f"done.{secrets.token_hex(4)}")
    one = order()
    await target.order(one)
    await broker.answer(json.loads(await broker.receive())["reply_to"], answer)
    polled = await target.poll(one)
    assert (polled.status, polled.fault) == (status, fault)


@pytest.mark.parametrize("first", ["running", "failed", "maybe"])
async def test_E26_the_last_answer_stands(broker: Broker, first: str) -> None:
    target = broker.target(acknowledgements=f"done.{secrets.token_hex(4)}")
    one = order()
    await target.order(one)
    reply_to = json.loads(await broker.receive())["reply_to"]
    for status in (first, "running", "done"):
        await broker.answer(reply_to, json.dumps({"status": status, "deleted": 2}).encode())
    for _ in range(2):
        polled = await target.poll(one)
        assert (polled.status, polled.count) == (JobStatus.DONE, 2)


async def test_E26_an_order_that_is_under_way_outlives_another_configuration(broker: Broker) -> None:
    name, one = f"done.{secrets.token_hex(4)}", order()
    await broker.target(acknowledgements=name).order(one)
    reply_to = json.loads(await broker.receive())["reply_to"]
    target = broker.target(acknowledgements=name, max_completion_days=9)
    assert (await target.poll(one)).status is JobStatus.RUNNING
    assert (await target.order(one)).status is DeleteStatus.SUBMITTED
    await broker.answer(reply_to, b'{"status": "done"}')
    assert (await target.poll(one)).status is JobStatus.DONE


async def test_E22_a_destination_that_nobody_keeps_is_a_configuration_error(broker: Broker) -> None:
    target = broker.target(destination="nobody.reads.this")
    with pytest.raises(ConfigError, match="misconfigured"):
        await target.start()
    sent = await target.order(order())
    assert (sent.status, sent.fault) == (DeleteStatus.FAILED, TargetFault.MISCONFIGURED)


async def test_E14_a_broker_that_is_not_there_is_a_closed_failure(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    target = broker.target("nats://127.0.0.1:1" if broker.protocol == "nats" else "amqp://guest:hidden@127.0.0.1:1/")
    await target.start()
    assert (await target.order(order())).fault is TargetFault.UNREACHABLE
    assert (await target.poll(order("x"))).fault is TargetFault.UNREACHABLE
    assert "hidden" not in caplog.text + repr(target)
    assert ANNA.email not in caplog.text


@pytest.mark.parametrize(
    "url",
    ["nats://bus.example.org", "amqp://bus.example.org/", "http://127.0.0.1", "amqps://h/?verify_ssl=0", "tls://"],
)
async def test_E18_an_unusable_url_is_a_configuration_error(broker: Broker, url: str) -> None:
    with pytest.raises(ConfigError, match=r"erasure\.targets\[0\]\.url: "):
        broker.target(url)


async def test_E29_what_is_only_claimed_ends_as_unverified(broker: Broker, tmp_path: Path) -> None:
    clock = Clock()
    target = broker.target(acknowledgements=f"done.{secrets.token_hex(4)}")
    async with world(tmp_path / "state.db", [target], clock) as w:
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"bus": "submitted"}
        message = json.loads(await broker.receive())
        assert message["identities"] == [{"type": "email", "value": CANARY}]
        await broker.answer(message["reply_to"], b'{"status": "done", "deleted": 1}')
        clock.advance(hours=1)
        await w.settle()
        assert await w.outcomes() == {"bus": "unverified"}
        assert await w.state() == "ended_with_exceptions"
