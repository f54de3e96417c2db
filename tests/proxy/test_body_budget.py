"""What all exchanges hold of bodies together is bounded, whichever way the bytes come (P30, P41, P45)."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import RequestRefused
from sidecar.metrics import Metrics
from sidecar.proxy.body_budget import BodyBudget
from tests.proxy.rig import AUTH, Received, Rig, answer, answering, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

KIB = 1024


def budget_of(size: int) -> BodyBudget:
    return BodyBudget(size, Metrics())


async def post(rig: Rig, body: bytes, framing: bytes | None = None) -> int:
    client = await rig.connect()
    try:
        fields = framing if framing is not None else b"Content-Length: %d\r\n" % len(body)
        head = b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + AUTH + fields
        client.writer.write(head + b"\r\n" + body)
        return (await client.answer()).status
    finally:
        await client.close()


async def _until_answered(rig: Rig, status: int) -> None:
    async with asyncio.timeout(60):
        while await post(rig, padded(40 * KIB)) != status:
            pass


def padded(size: int) -> bytes:
    return json.dumps(" " * (size - 2)).encode()


def chunked(body: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(some), some) for some in (body[:100], body[100:])) + b"0\r\n\r\n"


async def test_P41_request_bodies_beyond_the_budget_get_503_and_the_next_one_is_served(contexts: Contexts) -> None:
    async with running(answering(), contexts, budget=budget_of(64 * KIB)) as rig:
        assert await post(rig, padded(65 * KIB)) == 503
        assert await post(rig, chunked(padded(65 * KIB)), b"Transfer-Encoding: chunked\r\n") == 503
        for _ in range(3):  # what was taken is given back
            assert await post(rig, padded(40 * KIB)) == 200
        await rig.settled(5)


async def test_the_budget_is_that_of_all_exchanges_together(contexts: Contexts) -> None:
    held = asyncio.Event()

    async def hold(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.write(answer(b"{}", length=2))

    async with running(hold, contexts, budget=budget_of(64 * KIB)) as rig:
        first = asyncio.create_task(post(rig, padded(40 * KIB)))
        await rig.upstream.arrived(1)
        assert await post(rig, padded(40 * KIB)) == 503
        assert len(rig.upstream.requests) == 1
        held.set()
        assert await first == 200


async def test_answers_count_too_and_what_they_unpack_to(contexts: Contexts) -> None:
    body = padded(60 * KIB)
    async with running(answering(body), contexts, budget=budget_of(64 * KIB)) as rig:
        assert (await rig.get()).status == 200
        packed = ("Content-Type: application/json", "Content-Encoding: gzip")
        rig.upstream.handler = answering(gzip.compress(padded(100 * KIB)), packed)
        assert (await rig.get()).status == 503
        rig.upstream.handler = answering(padded(65 * KIB))
        assert (await rig.get()).status == 503
        rig.upstream.handler = answering(body)
        assert (await rig.get()).status == 200
        await rig.settled(4)


async def test_a_client_that_goes_away_gives_back_what_it_held(contexts: Contexts) -> None:
    async with running(answering(), contexts, budget=budget_of(64 * KIB)) as rig:
        client = await rig.connect()
        head = b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + AUTH
        client.writer.write(head + b"Content-Length: 60000\r\n\r\nxxx")
        await client.writer.drain()
        await _until_answered(rig, 503)
        await client.close()
        await _until_answered(rig, 200)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["hold", "vary", "give_back"]), st.integers(0, 60))))
def test_shares_never_add_up_to_more_than_the_budget_and_all_of_it_comes_back(
    steps: list[tuple[int, str, int]],
) -> None:
    metrics = Metrics()
    budget = BodyBudget(100, metrics)
    shares = [budget.share() for _ in range(4)]
    for index, step, size in steps:
        try:
            if step == "hold":
                shares[index].hold(size)
            elif step == "vary":
                shares[index].vary(size)
            else:
                shares[index].give_back()
        except RequestRefused:
            pass
        assert 0 <= metrics.registry.get_sample_value("sidecar_held_body_bytes") <= 100  # type: ignore[operator]
    for share in shares:
        share.give_back()
    assert metrics.registry.get_sample_value("sidecar_held_body_bytes") == 0
    with pytest.raises(RequestRefused):
        budget.share().hold(101)
