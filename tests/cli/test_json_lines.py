"""Lines as they come, and what is wrong with bad ones."""

from __future__ import annotations

import io
import json
import os
import threading

import pytest

from sidecar.cli.json_lines import TOO_LONG, BadLine, read_lines, to_message
from sidecar.detection.recognizer import KnownValue, Message, Turn

SECRET = "canary-9912"


def test_a_full_line() -> None:
    line = {
        "id": 7,
        "text": "hi",
        "speaker": "customer",
        "context": [{"speaker": "agent", "text": "name?"}, {"text": "x"}],
        "known": {"PERSON": ["Ann"], "EMAIL": []},
    }
    turns = (Turn("agent", "name?"), Turn(None, "x"))
    assert to_message(json.dumps(line).encode()) == Message("hi", "customer", turns, (KnownValue("PERSON", "Ann"),))


@pytest.mark.parametrize(
    "line",
    [{"text": ""}, {"text": "x", "speaker": None}, {"text": "x", "context": None, "known": None}, {"text": "\ud800"}],
)
def test_what_may_be_left_out(line: object) -> None:
    assert isinstance(to_message(json.dumps(line).encode()), Message)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "is not JSON"),
        (b"  ", "is not JSON"),
        (SECRET.encode(), "is not JSON"),
        (b'{"text": "' + SECRET.encode(), "is not JSON"),
        (b'{"text": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'"' + SECRET.encode() + b'"', "is not a JSON object"),
        (b"{}", '"text" is missing'),
        (b'{"text": 7}', '"text" is missing'),
        (b'{"text": "x", "speaker": 7}', '"speaker" is no string'),
        (b'{"text": "x", "context": {}}', '"context" is no list'),
        (b'{"text": "x", "context": ["canary-9912"]}', '"context[0]" is no object'),
        (b'{"text": "x", "context": [{"text": "y"}, {"speaker": "agent"}]}', '"context[1]" is no object'),
        (b'{"text": "x", "context": [{"text": "y", "speaker": 1}]}', '"speaker" is no string'),
        (b'{"text": "x", "known": []}', '"known" is no object'),
        (b'{"text": "x", "known": {"canary-9912": []}}', '"known" has a type that does not exist'),
        (b'{"text": "x", "known": {"PERSON": "canary-9912"}}', '"known.PERSON" is no list'),
        (b'{"text": "x", "known": {"PERSON": [1]}}', '"known.PERSON" is no list'),
    ],
)
def test_a_bad_line_is_told_without_its_content(line: bytes, problem: str) -> None:
    bad = to_message(line)
    assert isinstance(bad, BadLine)
    assert str(bad).startswith(problem)
    assert bad.remedy
    assert SECRET not in str(bad)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\n\nb\n", [b"a", b"", b"b"]),
        (b"a\r\n", [b"a\r"]),
        (b"x\n" * 1000, [b"x"] * 1000),
    ],
)
def test_every_line_is_read(data: bytes, lines: list[bytes]) -> None:
    assert [line for batch in read_lines(io.BytesIO(data)) for line in batch] == lines


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_lines_in_any_chunks(chunk: int) -> None:
    data = b"first\n" + b"x" * 50 + b"\n0123456789\n01234567890\n\nlast" + b"y" * 20
    lines = [line for batch in read_lines(io.BytesIO(data), 10, chunk) for line in batch]
    assert lines == [b"first", TOO_LONG, b"0123456789", TOO_LONG, b"", TOO_LONG]


def test_a_waiting_pipe_is_answered_line_by_line() -> None:
    """Batches are never waited for."""
    reader, writer = os.pipe()
    source = os.fdopen(reader, "rb")
    batches = read_lines(source)
    with os.fdopen(writer, "wb", buffering=0) as sink:
        for text in (b"one", b"two"):
            sink.write(text + b"\nhalf")
            assert next(batches) == [text if text == b"one" else b"half" + text]
        closing = threading.Timer(0.05, sink.close)
        closing.start()
        assert list(batches) == [[b"half"]]
        closing.join()
    source.close()
