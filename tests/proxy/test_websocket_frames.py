"""A client's frames, followed before they are read (P38): masks, fragments, and what an unfinished message holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.metrics import Metrics
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.websocket_frames import FRAMING_BYTES, Breach, ClientFrames
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


def verdict(chunks: list[bytes], budget_bytes: int = 1 << 30) -> tuple[int | None, float | None]:
    """Follow chunks; return the code of what ends the connection, and what is held at the end."""
    metrics = Metrics()
    frames = ClientFrames(BodyBudget(budget_bytes, metrics).share())
    code = None
    try:
        for chunk in chunks:
            frames.follow(chunk)
    except Breach as breach:
        code = int(breach.error.code)
        frames.end()
    return code, metrics.registry.get_sample_value("sidecar_held_body_bytes")


@given(st.lists(_FRAMES, max_size=8), st.lists(st.integers(0, 300_000), max_size=12))
def test_P38_any_split_of_the_same_bytes_has_the_same_verdict(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frames)
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    chunks = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert b"".join(chunks) == data
    assert verdict(chunks) == verdict([data])


def test_P38_byte_by_byte_too() -> None:
    data = frame(TEXT, b"x" * 300, 0, masked=True) + frame(PING, b"p", masked=True) + frame(CONTINUATION, masked=True)
    assert verdict([data[at : at + 1] for at in range(len(data))]) == verdict([data]) == (None, 0)
    broken = data[:-6] + frame(CONTINUATION, masked=False)
    assert verdict([broken[at : at + 1] for at in range(len(broken))]) == verdict([broken]) == (1002, 0)


@pytest.mark.parametrize("opcode", [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG])
def test_P38_no_frame_without_a_mask_passes(opcode: int) -> None:
    begin = frame(TEXT, b"x", 0, masked=True) if opcode == CONTINUATION else b""
    assert verdict([begin + frame(opcode, b"xx", masked=True)])[0] is None
    assert verdict([begin + frame(opcode, b"xx", masked=False)])[0] == 1002


def test_P38_a_message_begins_when_the_last_one_has_ended() -> None:
    empty = frame(TEXT, b"", 0, masked=True)
    assert verdict([empty + frame(TEXT, b"{}", masked=True)])[0] == 1002
    assert verdict([frame(CONTINUATION, b"{}", masked=True)])[0] == 1002
    assert verdict([empty + frame(CONTINUATION, b"{}", masked=True) + frame(TEXT, b"{}", masked=True)]) == (None, 0)


def test_P7_P38_a_message_is_no_endless_row_of_empty_frames() -> None:
    begin, empty = frame(TEXT, b"", 0, masked=True), frame(CONTINUATION, b"", 0, masked=True)
    most = FRAMING_BYTES // len(empty) - 1
    assert verdict([begin + empty * most])[0] is None
    assert verdict([begin + empty * (most + 1)])[0] == 1002
    carrying = frame(CONTINUATION, b"x", 0, masked=True)  # six bytes for one
    assert verdict([begin + carrying * 50_000])[0] is None


def test_an_unfinished_message_is_held_and_a_finished_one_is_not() -> None:
    begin = frame(TEXT, b"x" * 40 * KIB, 0, masked=True)
    assert (verdict([begin])[1] or 0) > 40 * KIB
    assert verdict([begin + frame(CONTINUATION, b"x", masked=True)])[1] == 0
    assert verdict([frame(BINARY, b"x" * 40 * KIB, masked=True)[: 30 * KIB]])[1] == pytest.approx(30 * KIB, abs=20)


def test_P41_an_unfinished_message_that_finds_no_room_ends_the_connection() -> None:
    begin = frame(TEXT, b"x" * 40 * KIB, 0, masked=True)
    assert verdict([begin], 64 * KIB)[0] is None
    assert verdict([begin, frame(CONTINUATION, b"x" * 30 * KIB, 0, masked=True)], 64 * KIB) == (1013, 0)
