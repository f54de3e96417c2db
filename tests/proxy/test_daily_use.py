"""X9: codings, long polling, ranges and clients that leave are no exceptions, but what tools do all day."""

from __future__ import annotations

import asyncio
import gzip
import ssl

import brotli
import pytest

from tests.proxy.rig import CANARY, Handler, Received, answer, answering, request, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
BODY = f'{{"t":"{CANARY}"}}'.encode()


@pytest.mark.parametrize(("coding", "coded"), [("gzip", gzip.compress(BODY)), ("br", brotli.compress(BODY))])
async def test_X9_coded_answers_arrive_redacted(coding: str, coded: bytes, contexts: Contexts) -> None:
    fields = ("Content-Type: application/json", f"Content-Encoding: {coding}", "Vary: Accept-Encoding")
    async with running(answering(coded, fields), contexts) as rig:
        answered = await rig.get("/api/1", "Accept-Encoding: gzip, deflate, br, zstd")
        assert answered.body == b'{"t":"[EMAIL_1]"}'
        assert answered.values("Content-Encoding") == []
        assert answered.values("Content-Length") == [str(len(answered.body))]


async def test_X9_a_part_that_is_asked_for_comes_as_the_whole(contexts: Contexts) -> None:
    async with running(answering(BODY), contexts) as rig:
        answered = await rig.get("/api/1", "Range: bytes=0-3", 'If-Range: "x"')
        assert (answered.status, answered.body) == (200, b'{"t":"[EMAIL_1]"}')
        assert rig.upstream.requests[0].values(b"range") == []


def polled(news: asyncio.Event) -> Handler:
    """An upstream that answers when there is something to tell."""

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = asyncio.ensure_future(news.wait())
        gone = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not news.is_set():
            raise EOFError  # whoever asked has left
        gone.cancel()
        writer.write(answer(BODY, length=len(BODY)))

    return handler


async def test_X9_a_long_poll_waits_and_is_answered(contexts: Contexts) -> None:
    news = asyncio.Event()
    async with running(polled(news), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/api/poll"))
        await rig.upstream.arrived()
        asked = asyncio.ensure_future(client.answer())
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done
        news.set()
        assert (await asked).body == b'{"t":"[EMAIL_1]"}'
        await client.close()


async def test_X9_P44_a_poll_ends_with_its_client(contexts: Contexts) -> None:
    async with running(polled(asyncio.Event()), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/api/poll"))
        await rig.upstream.arrived()
        await client.close()
        async with asyncio.timeout(10):
            await rig.upstream.requests[0].ended.wait()
        assert (await rig.outcome()).decision == "aborted"
