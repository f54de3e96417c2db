"""Formats in stream form: frames are the same however the bytes were cut (P33), and events keep their shape (P36)."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.ndjson import NdjsonBody
from sidecar.payloads.ndjson_stream import NdjsonStream
from sidecar.payloads.sse import SseStream
from sidecar.payloads.stream import Frame, FrameKind, StreamFormat

LONGEST = 100_000
STREAMS: list[StreamFormat] = [SseStream(), NdjsonStream()]


def frames_of(stream: StreamFormat, *pieces: bytes, longest: int = LONGEST) -> list[Frame]:
    framing = stream.framing(longest)
    frames = [frame for piece in pieces for frame in framing.feed(piece)]
    return frames + framing.finish()


def events(frames: list[Frame]) -> list[tuple[str, int]]:
    """The events, without the line ends that may come later than they."""
    return [(one.text.rstrip("\r\n"), one.index) for one in frames if one.kind is FrameKind.EVENT]


def parsed(stream: StreamFormat, text: str) -> Document:
    return stream.parse(Frame(text, FrameKind.EVENT))


def texts(document: Document) -> list[tuple[tuple[object, ...], str]]:
    return [(leaf.path, leaf.text) for leaf in document.leaves if leaf.kind is LeafKind.STRING]


line_ends = st.sampled_from(["\n", "\r", "\r\n"])
words = st.text(st.sampled_from('ab: @ę😀\\"{}[]\ufeff'), max_size=8)
sse_lines = st.one_of(
    st.just(""),
    words.map(lambda value: f"data: {value}"),
    words.map(lambda value: f": {value}"),
    st.sampled_from(["id: 1", "event: token", "retry: 100", "data", "nonsense"]),
)
sse_texts = st.lists(st.tuples(sse_lines, line_ends).map("".join)).map("".join)
ndjson_texts = st.lists(st.one_of(st.just(""), st.just(" \r"), words.map(json.dumps))).map("\n".join)


@pytest.mark.parametrize(("stream", "made"), [(STREAMS[0], sse_texts), (STREAMS[1], ndjson_texts)])
def test_P33_frames_do_not_depend_on_the_pieces(stream: StreamFormat, made: st.SearchStrategy[str]) -> None:
    @given(made, st.booleans(), st.lists(st.integers(0, 400)))
    def check(text: str, marked: bool, cuts: list[int]) -> None:
        data = ("\ufeff" * marked + text).encode()
        places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        pieces = [data[start:end] for start, end in pairwise(places)]
        whole, cut = frames_of(stream, data), frames_of(stream, *pieces)
        assert "".join(frame.text for frame in whole).encode() == data
        assert "".join(frame.text for frame in cut).encode() == data
        assert events(cut) == events(whole)
        assert events(frames_of(stream, *(bytes([one]) for one in data))) == events(whole)

    check()


def test_P33_an_event_split_at_every_byte() -> None:
    data = 'data: {"text":"Märta\\u0040exämple 😀"}\r\n\r\ndata: [DONE]\r\n\r\n'.encode()
    whole = events(frames_of(SseStream(), data))
    assert len(whole) == 2
    for cut in range(len(data) + 1):
        assert events(frames_of(SseStream(), data[:cut], data[cut:])) == whole


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_P36_an_event_is_complete_with_its_empty_line(end: str) -> None:
    framing = SseStream().framing(LONGEST)
    first = f"id: 7{end}data: a{end}{end}"
    assert framing.feed(first.encode()) == [Frame(first, FrameKind.EVENT, 0)]
    heartbeat = f": ping{end}{end}"
    assert framing.feed(heartbeat.encode()) == [Frame(heartbeat, FrameKind.COMMENT, 1)]


def test_P36_a_line_end_in_two_pieces() -> None:
    framing = SseStream().framing(LONGEST)
    assert framing.feed(b"data: a\r\n\r") == [Frame("data: a\r\n\r", FrameKind.EVENT, 0)]
    assert framing.feed(b"\n") == [Frame("\n", FrameKind.BLANK)]
    assert framing.feed(b"data: b\r") == []
    assert framing.feed(b"\ndata: c\r\n\r\n") == [Frame("data: b\r\ndata: c\r\n\r\n", FrameKind.EVENT, 1)]


DATA = '{"id":"c-1","choices":[{"delta":{"content":"Mar"}}]}'
SHAPES = {
    "data: " + DATA + "\n\n": [(("id",), "c-1"), (("choices", 0, "delta", "content"), "Mar")],
    "event: token\r\nid: 12\r\nretry: 10\r\ndata:" + DATA + "\r\n\r\n": [
        (("(event)",), "token"), (("(id)",), "12"), (("id",), "c-1"), (("choices", 0, "delta", "content"), "Mar"),
    ],
    'data: {"a":\rdata:  "Mar"\rdata: , "b": [\rdata\rdata: "ta"]}\r\r': [(("a",), "Mar"), (("b", 0), "ta")],
    ": still here\n\n": [(("(comment)",), "still here")],
    "data: [DONE]\n\n": [((), "[DONE]")],
    "data:  Mar\n\n": [((), " Mar")],
    "data: two\ndata: lines\n\n": [((), "two\nlines")],
    "data: [EMAIL_1] wrote\n\n": [((), "[EMAIL_1] wrote")],
    "data: [PERSON#3f9a12bc04de]\n\n": [((), "[PERSON#3f9a12bc04de]")],
    'data: "tok"\n\n': [((), "tok")],
    "data\n\n": [],
    "data: 5\n\n": [((), "5")],
    "retry: 3000\n\n": [],
    "retry: 3600000\n\n": [],
    "data: cut off": [((), "cut off")],
}  # fmt: skip


@pytest.mark.parametrize("text", SHAPES)
def test_P36_the_texts_of_an_event(text: str) -> None:
    document = parsed(SseStream(), text)
    assert texts(document) == SHAPES[text]
    assert document.render({}) == text.encode()


@pytest.mark.parametrize(
    ("text", "path", "new", "expected"),
    [
        ("data: " + DATA + "\n\n", ("choices", 0, "delta", "content"), 'X"\n', DATA.replace("Mar", 'X\\"\\n')),
        ('data: {"a":\rdata:  "Mar"}\r\r', ("a",), "X", '{"a":\rdata:  "X"}'),
        ("data: two\r\ndata: lines\r\nid: 1\r\n\r\n", (), "x\ny\rz", "x\r\ndata: y\r\ndata: z\r\nid: 1"),
        ("data:Mar\n\n", (), " X", "  X"),
        ("data:  Mar\n\n", (), " X", " X"),
        (": Mar\n\n", ("(comment)",), " X\ny", " X y"),
    ],
)
def test_P36_an_edited_event_keeps_its_lines(text: str, path: tuple[object, ...], new: str, expected: str) -> None:
    document = parsed(SseStream(), text)
    [index] = [leaf.index for leaf in document.leaves if leaf.path == path and leaf.kind is LeafKind.STRING]
    rendered = document.render({index: new}).decode()
    assert expected in rendered
    assert rendered[: text.index(":") + 1] == text[: text.index(":") + 1]
    edited: dict[tuple[object, ...], str]
    edited = {leaf.path: leaf.text for leaf in parsed(SseStream(), rendered).leaves if leaf.kind is LeafKind.STRING}
    assert edited[path] == new.replace("\r", "\n") if path != ("(comment)",) else " X y"


def test_a_container_over_several_lines_can_be_dropped() -> None:
    document = parsed(SseStream(), 'data: {"a": [\ndata: 1,\ndata: 2], "b": 3}\n\n')
    [index] = [leaf.index for leaf in document.leaves if leaf.path == ("a",) and leaf.kind is LeafKind.CONTAINER]
    assert document.render({index: None}) == b'data: {"a": null, "b": 3}\n\n'


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "marta"}\n\n',  # lines of JSON that claim to be events (X3)
        "datas: marta\n\n",
        " data: marta\n\n",
        "retry: marta\n\n",
        "retry: 447911123456\n\n",
        "retry: 44791112\n\n",
        "retry: 1e6\n\n",
        'data: {"text": "marta"\n\n',
        'data: {"text": NaN}\n\n',
        "data: [marta]\n\n",
        "data: a\nid: 1\ndata: b\n\n",
        "data: mar\x00ta\n\n",
    ],
)
def test_X3_what_clients_may_read_in_another_way_is_refused(text: str) -> None:
    with pytest.raises(PayloadRefused) as refused:
        parsed(SseStream(), text)
    assert refused.value.fault is PayloadFault.NOT_PARSEABLE
    assert "mar" not in str(refused.value)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_frame_without_end_and_broken_bytes_are_refused(stream: StreamFormat) -> None:
    framing = stream.framing(10)
    assert framing.feed(b"data: 123") == []
    with pytest.raises(PayloadRefused) as refused:
        framing.feed(b"4567")
    assert refused.value.fault is PayloadFault.TOO_LARGE
    for pieces in ((b"data: \xff\n\n",), (b"data: \xc3", b"\n\n"), (b"data: \xc3",)):
        with pytest.raises(PayloadRefused) as refused:
            frames_of(stream, *pieces)
        assert refused.value.fault is PayloadFault.CHARSET


def test_lines_of_JSON_have_the_paths_of_the_whole_form() -> None:
    text = '\ufeff{"a": "Mar"}\r\n\n[1, "ta"]\n"x"'
    stream = NdjsonStream()
    found = [
        pair for one in frames_of(stream, text.encode()) if one.kind is FrameKind.EVENT
        for pair in texts(stream.parse(one))
    ]  # fmt: skip
    assert found == texts(NdjsonBody().parse(text)) == [((0, "a"), "Mar"), ((1, 1), "ta"), ((2,), "x")]


@pytest.mark.parametrize("line", ["{", "data: {}", '{"a": 1} {"b": 2}', "NaN"])
def test_a_line_that_is_no_JSON_is_refused(line: str) -> None:
    with pytest.raises(PayloadRefused):
        parsed(NdjsonStream(), line)
