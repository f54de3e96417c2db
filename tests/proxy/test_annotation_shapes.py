"""X6: any span of the redacted text, written back in the shape of each tool, marks the same words of the original."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.presets import load_preset, parse_field_map
from tests.proxy.test_annotations import MAIL, Trainer, region, utf16


@dataclass(frozen=True)
class Shape:
    """How a tool holds a text, and how it says that a part of it is marked, in its own unit of length.

    ``sent``: what is written for (start, end, words); ``told``: start and end, as they stand in what was stored.
    ``quote``: the words there, for tools that send them along.
    """

    document: Callable[[str], Any]
    text: Callable[[Any], str]
    sent: Callable[[int, int, str], Any]
    told: Callable[[Any], tuple[int, int]]
    fields: FieldMap
    length: Callable[[str], int] = len
    quote: Callable[[Any], str] | None = None

    def at(self, text: str, offset: int) -> int:
        """The place in a text that an offset names."""
        return next(place for place in range(len(text) + 1) if self.length(text[:place]) == offset)


def _paragraph(start: int, end: int, words: str) -> Any:
    return {"result": [region({"start": "1", "end": "1", "startOffset": start, "endOffset": end, "text": words})]}


def _of_region(stored: Any, start: str = "start", end: str = "end") -> tuple[int, int]:
    value = stored["result"][0]["value"]
    return value[start], value[end]


SHAPES = {
    "Label Studio, Text": Shape(
        lambda text: {"id": 41, "data": {"text": text}},
        lambda body: str(body["data"]["text"]),
        lambda start, end, words: {"result": [region({"start": start, "end": end, "text": words})]},
        _of_region,
        load_preset("label-studio"),
        quote=lambda stored: str(stored["result"][0]["value"]["text"]),
    ),
    "Label Studio, Paragraphs": Shape(
        lambda text: {
            "id": 41,
            "data": {"dialogue": [{"author": "user", "text": "hm"}, {"author": "bot", "text": text}]},
        },
        lambda body: str(body["data"]["dialogue"][1]["text"]),
        _paragraph,
        lambda stored: _of_region(stored, "startOffset", "endOffset"),
        load_preset("label-studio"),
        utf16,
        lambda stored: str(stored["result"][0]["value"]["text"]),
    ),
    "doccano": Shape(
        lambda text: {"id": 8, "text": text},
        lambda body: str(body["text"]),
        lambda start, end, _: {"start_offset": start, "end_offset": end, "label": 3},
        lambda stored: (stored["start_offset"], stored["end_offset"]),
        load_preset("doccano"),
        utf16,
    ),
    "doccano, exported": Shape(
        lambda text: {"id": 8, "text": text},
        lambda body: str(body["text"]),
        lambda start, end, _: {"label": [[start, end, "PII"]]},
        lambda stored: (stored["label"][0][0], stored["label"][0][1]),
        load_preset("doccano"),
        utf16,
    ),
    # Tools without a preset, by maps of one's own, as docs/payloads.md has them.
    "Argilla": Shape(
        lambda text: {"id": "r-1", "fields": {"text": text}},
        lambda body: str(body["fields"]["text"]),
        lambda start, end, _: {"values": {"spans": {"value": [{"start": start, "end": end, "label": "PII"}]}}},
        lambda stored: (lambda one: (one["start"], one["end"]))(stored["values"]["spans"]["value"][0]),
        parse_field_map(
            {"annotations": [{"each": "$..value[]", "start": "start", "end": "end", "text": "fields.text"}]}, "test"
        ),
    ),
    "Prodigy": Shape(
        lambda text: {"text": text, "_task_hash": 7},
        lambda body: str(body["text"]),
        lambda start, end, words: {"spans": [{"start": start, "end": end, "text": words, "label": "PII"}]},
        lambda stored: (stored["spans"][0]["start"], stored["spans"][0]["end"]),
        parse_field_map(
            {"annotations": [{"each": "$..spans[]", "start": "start", "end": "end", "quote": "text", "text": "text"}]},
            "test",
        ),
        quote=lambda stored: str(stored["spans"][0]["text"]),
    ),
    "brat": Shape(
        lambda text: {"text": text},
        lambda body: str(body["text"]),
        lambda start, end, _: {"entities": [["T1", "PII", [[start, end]]]]},
        lambda stored: (stored["entities"][0][2][0][0], stored["entities"][0][2][0][1]),
        parse_field_map(
            {"annotations": [{"each": "$.entities[][2][]", "start": "[0]", "end": "[1]", "text": "text"}]}, "test"
        ),
    ),
}
PIECES = st.lists(st.sampled_from([MAIL, "a.b@c.example", "hi ", "😀", " é", "[EMAIL_1] ", "\n", "x"]), max_size=8)


@pytest.mark.parametrize("name", SHAPES)
def test_X6_any_span_written_back_marks_the_same_words_of_the_original(name: str) -> None:
    @given(PIECES, st.data())
    def check(pieces: list[str], data: st.DataObject) -> None:
        asyncio.run(_there_and_back(SHAPES[name], "".join(pieces), data))

    check()


async def _there_and_back(shape: Shape, original: str, data: st.DataObject) -> None:
    trainer = Trainer(shape.document(original), shape.fields)
    shown = shape.text(await trainer.read())
    start = data.draw(st.integers(0, len(shown)))
    end = data.draw(st.integers(start, len(shown)))
    words = shown[start:end]
    stored = await trainer.write(shape.sent(shape.length(shown[:start]), shape.length(shown[:end]), words))
    first, last = (shape.at(original, offset) for offset in shape.told(stored))
    echoed = await trainer.echo(stored)
    back = [shape.at(shown, offset) for offset in shape.told(echoed)]
    assert back[0] <= start <= end <= back[1], "nothing of it is lost"
    if shape.quote is not None:
        assert (shape.quote(stored), shape.quote(echoed)) == (original[first:last], shown[back[0] : back[1]])
    if words and "EMAIL" not in shown[back[0] : back[1]]:
        assert original[first:last] == words, "where nothing is redacted it marks what was marked"
    alone = Trainer(shape.document(original[first:last]), shape.fields)
    alone.parts = trainer.parts
    if start < end:
        assert shape.text(await alone.read()) == shown[back[0] : back[1]], "whole entities, and the same ones"
    assert shape.told(await trainer.write(echoed)) == shape.told(stored), "written twice it is the same"


@pytest.mark.parametrize("name", SHAPES)
async def test_X6_offsets_outside_of_the_text_are_never_passed(name: str) -> None:
    shape = SHAPES[name]
    trainer = Trainer(shape.document(f"I am {MAIL}."), shape.fields)
    shown = shape.text(await trainer.read())
    for start, end in ((0, len(shown) + 1), (5, 2), (-1, 3)):
        with pytest.raises(PayloadRefused) as refused:
            await trainer.write(shape.sent(start, end, shown[start:end]))
        assert refused.value.fault is PayloadFault.OFFSETS
