"""P33: however the bytes of an answer are cut, a client gets the same ones. Every format, every coding, every place."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import zlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.ndjson_stream import NdjsonStream
from sidecar.payloads.presets import load_preset
from sidecar.payloads.sse import SseStream
from sidecar.payloads.stream import StreamFormat
from sidecar.proxy.codings import Uncompressing
from tests.proxy.test_event_stream import LINES, Run, streamed

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
EMAIL = "marta.kowalczyk@example.net"
COMPLETE = parse_field_map({"deltas": []}, "test")

# One answer of each kind, with an address in plain, in escapes, and between letters of several bytes.
SPLIT_OVER_PIECES = streamed(f"żółć to {EMAIL} 😀 and again", 5)
EVENTS = f': hi\r\n\r\nevent: say\r\ndata: {{"t":"ę {EMAIL}",\rdata: "u":"marta\\u0040example.net"}}\r\n\r\n'.encode()
LINES_OF_JSON = f'{{"t":"ę {EMAIL}"}}\n\n{{"u":"marta\\u0040example.net 😀"}}\r\n{{"n":1.0}}'.encode()
GROWING_LINES = "".join(
    json.dumps({"message": {"content": piece}, "done": piece == "end"}) + "\n"
    for piece in ("to mar", "ta@exa", "mple.net ", "end")
).encode()
STREAMS: dict[str, tuple[StreamFormat, FieldMap, bytes]] = {
    "event stream in pieces": (SseStream(), load_preset("openai-chat"), SPLIT_OVER_PIECES),
    "event stream": (SseStream(), COMPLETE, EVENTS),
    "lines of JSON": (NdjsonStream(), COMPLETE, LINES_OF_JSON),
    "lines of JSON in pieces": (NdjsonStream(), LINES, GROWING_LINES),
}


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize("name", STREAMS)
def test_P33_any_chunking_of_a_stream_gives_the_same_bytes(name: str) -> None:
    stream_format, fields, data = STREAMS[name]
    whole = asyncio.run(Run(fields, stream_format).all(data))
    assert EMAIL.encode() not in whole
    assert b"[EMAIL_1]" in whole

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(0, 10_000), max_size=12))
    def check(places: list[int]) -> None:
        assert asyncio.run(Run(fields, stream_format).all(*cut(data, places))) == whole

    check()


def compressed(data: bytes, coding: str) -> bytes:
    if coding == "gzip":  # two members, as a server writes that compresses what it flushes
        return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
    return zlib.compress(data)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_P33_P29_so_does_any_chunking_of_a_coded_one(coding: str) -> None:
    data = compressed(SPLIT_OVER_PIECES, coding)
    whole = asyncio.run(Run().all(SPLIT_OVER_PIECES))

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.integers(0, 10_000), max_size=12))
    def check(places: list[int]) -> None:
        decoding = Uncompressing(coding, 1_000_000)
        pieces = [decoding.feed(piece) for piece in cut(data, places)]
        decoding.finish()
        assert asyncio.run(Run().all(*pieces)) == whole

    check()
