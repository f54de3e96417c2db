"""``sidecar redact`` as a process, with the shipped model."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from sidecar.cli.redact import redact_lines
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault

COMMAND = [sys.executable, "-m", "sidecar", "redact"]
SECRET = "canary-2207"


class Names:
    """Finds "ann"; fails on a secret."""

    version = "1"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        self.batches.append(len(messages))
        return [tuple(self._spans(message.text)) for message in messages]

    def _spans(self, text: str) -> Iterator[Span]:
        if SECRET in text:
            raise DetectionFailed(DetectionFault.RAISED, "recognizer 'x'")
        if "ann" in text:
            yield Span(text.index("ann"), text.index("ann") + 3, "PERSON", 0.7, "test")


async def redacted(*lines: bytes) -> tuple[int, list[dict[str, object]], Names]:
    sink, names = io.BytesIO(), Names()
    code = await redact_lines(names, io.BytesIO(b"".join(line + b"\n" for line in lines)), sink)
    return code, [json.loads(line) for line in sink.getvalue().splitlines()], names


async def test_one_out_for_each_in_and_each_line_counts_from_one() -> None:
    code, out, names = await redacted(*(b'{"text": "%d ann"}' % n for n in range(600)))
    assert code == 0
    assert [line["text"] for line in out] == [f"{n} [PERSON_1]" for n in range(600)]
    assert out[12]["spans"] == [{"start": 3, "end": 6, "label": "PERSON", "score": 0.7, "recognizer": "test"}]
    assert max(names.batches) > 100


async def test_a_bad_line_costs_only_itself(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        b'{"text": "ann"}',
        b"{" + SECRET.encode(),
        json.dumps({"text": f"ann {SECRET}"}).encode(),
        b'{"text": "hi"}',
    ]
    code, out, _ = await redacted(*lines)
    assert code == 2
    assert out[0]["text"] == "[PERSON_1]"
    assert [sorted(line) for line in out[1:3]] == [["error"], ["error"]]
    assert out[3] == {"text": "hi", "spans": []}
    errors = capsys.readouterr().err
    assert errors.startswith("line 2: is not JSON. Write")
    assert "line 3: can't be scanned (raised: recognizer 'x')" in errors
    assert SECRET not in errors + json.dumps(out)


async def test_nothing_in_nothing_out() -> None:
    assert (await redacted())[:2] == (0, [])


def test_the_command_answers_a_waiting_pipe_and_reports_bad_lines() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for text in ("write to jon@x.example", "card 4111 1111 1111 1111 please"):
            process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())  # the pipe is still open
            assert "jon@x" not in answer["text"]
            assert "4111" not in answer["text"]
            assert [text[s["start"] : s["end"]] for s in answer["spans"]] in (
                ["jon@x.example"],
                ["4111 1111 1111 1111"],
            )
        process.stdin.write(SECRET.encode())
        process.stdin.close()
        assert json.loads(process.stdout.readline()) == {
            "error": "is not JSON. Write one JSON object in UTF-8 on each line"
        }
        assert process.wait(30) == 2
        errors = process.stderr.read().decode()
        assert errors.startswith("line 3: is not JSON")
        assert SECRET not in errors


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [("--model", "/nowhere", "/nowhere"), ("--catalogue", "/nowhere.csv", "can't be read")],
)
def test_a_missing_file_is_a_configuration_error(option: str, value: str, problem: str) -> None:
    done = subprocess.run([*COMMAND, option, value], input=b"", capture_output=True, check=False)
    assert done.returncode == 2
    assert problem in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
