"""Frames, followed before they are read (P38): masks, fragments, and what an unfinished message holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.metrics import Metrics
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.websocket_frames import FRAMING_BYTES, Breach, Frames
from tests.proxy.frames import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, frame

KIB = 1024
_SIZES = st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000])
_FRAMES = st.builds(
    lambda opcode, size, flags, masked: frame(opcode, b"x" * size, flags, masked=masked),
    st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG]),
    _SIZES,
    st.sampled_from([FIN, 0]),
    st.sampled_from([True, True, True, True, False]),
)


SIDES = pytest.mark.parametrize("masked", [True, False])


def verdict(
    chunks: list[bytes], budget_bytes: int = 1 << 30, *, masked: bool = True
) -> tuple[int | None, float | None]:
    """Follow chunks; return the code of what ends the connection, and what is held at the end."""
    metrics = Metrics()
    frames = Frames(BodyBudget(budget_bytes, metrics).share(), masked=masked)
    code = None
    try:
        for chunk in chunks:
            frames.follow(chunk)
    except Breach as breach:
        code = int(breach.error.code)
        frames.end()
    return code, metrics.registry.get_sample_value("sidecar_held_body_bytes")


@SIDES
@given(st.lists(_FRAMES, max_size=8), st.lists(st.integers(0, 300_000), max_size=12))
def test_P38_any_split_of_the_same_bytes_has_the_same_verdict(
    masked: bool, frames: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(frames)
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    chunks = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert b"".join(chunks) == data
    assert verdict(chunks, masked=masked) == verdict([data], masked=masked)


@SIDES
def test_P38_byte_by_byte_too(masked: bool) -> None:
    whole, last = _mine(masked, (TEXT, b"x" * 300, 0), (PING, b"p", FIN)), _mine(masked, (CONTINUATION, b"", FIN))
    for data, expected in ((whole + last, None), (whole + _mine(not masked, (CONTINUATION, b"", FIN)), 1002)):
        single = [data[at : at + 1] for at in range(len(data))]
        assert verdict(single, masked=masked) == verdict([data], masked=masked) == (expected, 0)


@SIDES
@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_P38_no_frame_of_a_client_without_a_mask_and_none_of_a_server_with_one(opcode: int, masked: bool) -> None:
    begin = _mine(masked, (TEXT, b"x", 0)) if opcode == CONTINUATION else b""
    for is_masked, expected in ((masked, None), (not masked, 1002)):
        assert verdict([begin + _mine(is_masked, (opcode, b"xx", FIN))], masked=masked)[0] == expected


@SIDES
def test_P38_a_message_begins_when_the_last_one_has_ended(masked: bool) -> None:
    empty, whole, end = (TEXT, b"", 0), (TEXT, b"{}", FIN), (CONTINUATION, b"{}", FIN)
    assert verdict([_mine(masked, empty, whole)], masked=masked)[0] == 1002
    assert verdict([_mine(masked, end)], masked=masked)[0] == 1002
    assert verdict([_mine(masked, empty, end, whole)], masked=masked) == (None, 0)


@SIDES
def test_P7_P38_a_message_is_no_endless_row_of_empty_frames(masked: bool) -> None:
    begin, empty = _mine(masked, (TEXT, b"", 0)), _mine(masked, (CONTINUATION, b"", 0))
    most = FRAMING_BYTES // len(empty) - 1
    assert verdict([begin + empty * most], masked=masked)[0] is None
    assert verdict([begin + empty * (most + 1)], masked=masked)[0] == 1002
    carrying = _mine(masked, (CONTINUATION, b"x", 0))  # no more than six bytes for one
    assert verdict([begin + carrying * 50_000], masked=masked)[0] is None


def _mine(masked: bool, *frames: tuple[int, bytes, int]) -> bytes:
    return b"".join(frame(*one, masked=masked) for one in frames)


def test_an_unfinished_message_is_held_and_a_finished_one_is_not() -> None:
    begin = frame(TEXT, b"x" * 40 * KIB, 0, masked=True)
    assert (verdict([begin])[1] or 0) > 40 * KIB
    assert verdict([begin + frame(CONTINUATION, b"x", masked=True)])[1] == 0
    assert verdict([frame(BINARY, b"x" * 40 * KIB, masked=True)[: 30 * KIB]])[1] == pytest.approx(30 * KIB, abs=20)


def test_P41_an_unfinished_message_that_finds_no_room_ends_the_connection() -> None:
    begin = frame(TEXT, b"x" * 40 * KIB, 0, masked=True)
    assert verdict([begin], 64 * KIB)[0] is None
    assert verdict([begin, frame(CONTINUATION, b"x" * 30 * KIB, 0, masked=True)], 64 * KIB) == (1013, 0)
