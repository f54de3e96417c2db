"""X6: annotation offsets through the rewriter, both ways, in the shapes of Label Studio and doccano."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.errors import Direction, PayloadFault, PayloadRefused
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.marking import SourceTexts, as_shown
from sidecar.payloads.presets import load_preset, parse_field_map
from sidecar.proxy.passage import Passage
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from tests.proxy.rewriting import Parts

POLICY = Policy()
LABEL_STUDIO = load_preset("label-studio")
DOCCANO = load_preset("doccano")
MAIL = "ottilie@brandvold.example"


class Trainer:
    """Reads a document through the rewriter and writes annotations of it back through it."""

    def __init__(self, document: Any, fields: FieldMap, annotations: FieldMap | None = None) -> None:
        self.parts = Parts()
        self.document = document
        self.fields = fields
        self.annotations = annotations or fields

    async def read(self, body: Any | None = None) -> Any:
        done = await self.parts.rewrite(json.dumps(self.document if body is None else body), self.fields)
        return json.loads(done.body)

    async def write(self, body: Any) -> Any:
        """What arrives upstream."""
        return await self._through(body, Direction.REQUEST)

    async def echo(self, body: Any) -> Any:
        """What an answer without the text looks like."""
        return await self._through(body, Direction.RESPONSE)

    async def _through(self, body: Any, direction: Direction) -> Any:
        done = await self.parts.rewriter.rewrite(
            json.dumps(body), JsonBody(), self.annotations, POLICY, "here", Passage(direction, self._texts)
        )
        return json.loads(done.body)

    async def _texts(self, direction: Direction, leaves: object) -> SourceTexts:
        texts = await self.parts.rewriter.annotated_texts(
            json.dumps(self.document), JsonBody(), self.fields, POLICY, "here", self.annotations
        )
        return texts if direction is Direction.RESPONSE else as_shown(texts)


# --- the shapes -------------------------------------------------------------------------------------------------------

TEXT: dict[str, Any] = {"id": 41, "data": {"text": f"hi 😀 I am ottilie, {MAIL} is me"}}
CHAT: dict[str, Any] = {
    "id": 41,
    "data": {"dialogue": [{"author": "u", "text": f"write to {MAIL} or"}, {"author": "u", "text": f"😀 {MAIL}"}]},
}
EXAMPLE: dict[str, Any] = {"id": 8, "text": f"hi 😀 I am {MAIL}, right?"}


def region(value: dict[str, Any]) -> dict[str, Any]:
    return {"id": "r1", "from_name": "l", "to_name": "t", "type": "labels", "value": {**value, "labels": ["PII"]}}


def text_region(text: str, words: str, **more: Any) -> dict[str, Any]:
    start = text.index(words)
    return region({"start": start, "end": start + len(words), "text": words, **more})


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def chat_region(texts: list[str], words: str, at: int) -> dict[str, Any]:
    start = utf16(texts[at][: texts[at].index(words)])
    place = {"start": str(at), "end": str(at), "startOffset": start, "endOffset": start + utf16(words)}
    return region({**place, "text": words})


def span(text: str, words: str) -> dict[str, Any]:
    start = utf16(text[: text.index(words)])
    return {"start_offset": start, "end_offset": start + utf16(words), "label": 3}


# --- one by one -------------------------------------------------------------------------------------------------------


async def test_X6_label_studio_text_there_and_back() -> None:
    trainer = Trainer(TEXT, LABEL_STUDIO)
    shown = (await trainer.read())["data"]["text"]
    assert shown == "hi 😀 I am ottilie, [EMAIL_1] is me"
    sent = {"result": [text_region(shown, "MAIL_1] is"), text_region(shown, "ottilie")], "lead_time": 3.25}
    stored = await trainer.write(sent)
    original = TEXT["data"]["text"]
    values = [one["value"] for one in stored["result"]]
    assert [original[v["start"] : v["end"]] for v in values] == [f"{MAIL} is", "ottilie"]
    assert [v["text"] for v in values] == [f"{MAIL} is", "ottilie"]
    assert stored["lead_time"] == 3.25

    echoed = await trainer.echo({"id": 1, "task": 41, **stored})
    value = echoed["result"][0]["value"]
    assert shown[value["start"] : value["end"]] == value["text"] == "[EMAIL_1] is"
    read = await trainer.read({**TEXT, "annotations": [stored]})
    assert read["annotations"][0]["result"] == echoed["result"]
    assert "brandvold" not in json.dumps([read, echoed])


async def test_X6_label_studio_paragraphs_count_as_browsers_do_and_span_several() -> None:
    trainer = Trainer(CHAT, LABEL_STUDIO)
    shown = [one["text"] for one in (await trainer.read())["data"]["dialogue"]]
    assert shown == ["write to [EMAIL_1] or", "😀 [EMAIL_1]"]
    over_both = region({
        "start": "0", "end": "1", "startOffset": 9, "endOffset": 12, "text": "[EMAIL_1] or\n😀 [EMAIL_1]",
    })  # fmt: skip
    stored = await trainer.write({"result": [chat_region(shown, "[EMAIL_1]", 1), over_both]})
    one, both = (region["value"] for region in stored["result"])
    assert (one["startOffset"], one["endOffset"], one["text"]) == (3, 3 + len(MAIL), MAIL)
    assert (both["startOffset"], both["endOffset"]) == (9, 3 + len(MAIL))
    assert both["text"] == f"{MAIL} or\n😀 {MAIL}"
    echoed = await trainer.echo(stored)
    assert echoed["result"][1]["value"] == over_both["value"]


async def test_X6_doccano_there_and_back() -> None:
    trainer = Trainer(EXAMPLE, DOCCANO)
    shown = (await trainer.read())["text"]
    sent = span(shown, "[EMAIL_1], right")
    stored = await trainer.write(sent)
    assert (stored["start_offset"], stored["end_offset"]) == (11, 11 + len(MAIL) + 7)
    assert await trainer.echo([{"id": 5, **stored}]) == [{"id": 5, **sent}]
    exported = await trainer.read([{**EXAMPLE, "label": [[11, 11 + len(MAIL), "PII"]]}])
    assert exported[0]["label"] == [[11, 20, "PII"]]


async def test_X6_label_studio_exports() -> None:
    start = TEXT["data"]["text"].index(MAIL)
    label = {"start": start, "end": start + len(MAIL), "text": MAIL, "labels": ["PII"]}
    (row,) = await Trainer(TEXT, LABEL_STUDIO).read([{"id": 41, "text": TEXT["data"]["text"], "label": [label]}])
    value = row["label"][0]
    assert row["text"][value["start"] : value["end"]] == value["text"] == "[EMAIL_1]"


async def test_X6_the_text_that_a_project_annotates_is_the_one_that_is_quoted() -> None:
    document = {"id": 1, "data": {"title": f"{MAIL} wrote", "body": f"now {MAIL} wrote"}}
    trainer = Trainer(document, LABEL_STUDIO)
    stored = await trainer.write({"result": [region({"start": 4, "end": 13, "text": "[EMAIL_1]"})]})
    assert stored["result"][0]["value"]["text"] == MAIL
    assert stored["result"][0]["value"]["end"] == 4 + len(MAIL)


UNFIT: dict[str, dict[str, Any]] = {
    "a quotation that is not there": {"start": 1, "end": 10, "text": "[EMAIL_1]"},
    "outside the text": {"start": 0, "end": 900},
    "ends before it starts": {"start": 9, "end": 3},
    "two texts could be meant": {"start": 0, "end": 13},
    "of HTML": {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 2},
    "a paragraph that is not there": {"start": "7", "end": "7", "startOffset": 0, "endOffset": 2},
    "half of an end": {"start": 1},
}


@pytest.mark.parametrize("value", UNFIT.values(), ids=UNFIT)
async def test_X6_nothing_is_guessed(value: dict[str, Any]) -> None:
    document = {"id": 1, "data": {"title": f"{MAIL} wrote", "body": f"now {MAIL} wrote"}}
    with pytest.raises(PayloadRefused) as raised:
        await Trainer(document, LABEL_STUDIO).write({"result": [region(value)]})
    assert raised.value.fault is PayloadFault.OFFSETS


@pytest.mark.parametrize(
    "value",
    [
        {"start": 0, "end": 7, "text": "ottilie"},
        {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 2, "text": "ottilie"},
    ],
)
async def test_X6_words_that_are_not_found_in_the_text_are_not_shown(value: dict[str, Any]) -> None:
    """Detection might pass them by without their sentence; the plain one of these tests does."""
    read = await Trainer(TEXT, LABEL_STUDIO).read({**TEXT, "annotations": [{"result": [region(value)]}]})
    shown = read["annotations"][0]["result"][0]["value"]
    assert shown["text"] is None
    assert (shown["start"], shown["end"]) == (value["start"], value["end"])


async def test_X6_whole_numbers_are_offsets_however_they_are_spelled() -> None:
    trainer = Trainer(TEXT, LABEL_STUDIO)
    shown = (await trainer.read())["data"]["text"]
    sent = {"result": [text_region(shown, "[EMAIL_1]"), text_region(shown, "ottilie")]}
    for one in sent["result"]:
        one["value"].update(start=float(one["value"]["start"]), end=float(one["value"]["end"]))
    stored = await trainer.write(sent)
    original = TEXT["data"]["text"]
    values = [one["value"] for one in stored["result"]]
    assert [original[int(v["start"]) : int(v["end"])] for v in values] == [MAIL, "ottilie"]
    assert [v["text"] for v in values] == [MAIL, "ottilie"]
    read = await trainer.read({**TEXT, "annotations": [stored]})
    assert read["annotations"][0]["result"] == sent["result"]


SECONDS = {"start": 0, "end": 2.25, "channel": 0}


@pytest.mark.parametrize("value", [{"choices": ["good"]}, {**SECONDS, "start": 0.5}, SECONDS, {"rating": 4}])
async def test_X6_what_is_no_place_in_a_text_passes(value: dict[str, Any]) -> None:
    sent = {"result": [region(value)]}
    assert await Trainer(TEXT, LABEL_STUDIO).write(sent) == sent


async def test_X6_quotes_are_kept_where_a_map_says_so_and_are_checked_all_the_same() -> None:
    rule = {"each": "$.result[]", "start": "value.start", "end": "value.end", "quote": "value.text"}
    keeping = parse_field_map({"annotations": [{**rule, "text": "data.text", "quotes": "keep"}]}, "test")
    trainer = Trainer(TEXT, LABEL_STUDIO, keeping)
    shown = (await trainer.read())["data"]["text"]
    stored = await trainer.write({"result": [text_region(shown, "[EMAIL_1]")]})
    assert stored["result"][0]["value"]["text"] == "[EMAIL_1]"
    assert stored["result"][0]["value"]["end"] == TEXT["data"]["text"].index(" is me")
    with pytest.raises(PayloadRefused):
        await trainer.write({"result": [region({"start": 0, "end": 3, "text": "[EMAIL_1]"})]})


async def test_X6_a_text_that_is_not_shown_takes_its_quotations_with_it() -> None:
    rule = {"each": "$.spans[]", "start": "s", "end": "e", "quote": "q", "text": "text"}
    fields = parse_field_map({"annotations": [rule], "drop": ["$.text"]}, "test")
    body = {"text": "ottilie is here", "spans": [{"s": 0, "e": 7, "q": "ottilie"}]}
    read = await Trainer(body, fields).read()
    assert read == {"text": None, "spans": [{"s": 0, "e": 7, "q": None}]}


@pytest.mark.parametrize("words", [MAIL, "not what stands there"])
async def test_X6_what_a_map_takes_away_or_hashes_is_so_whatever_annotations_say(words: str) -> None:
    rule = {"each": "$.spans[]", "start": "s", "end": "e", "quote": "q", "text": "text"}
    body = {"text": f"{MAIL} is here", "spans": [{"s": 0, "e": len(MAIL), "q": words}]}
    dropping = parse_field_map({"annotations": [rule], "drop": ["$..q", "$..s"]}, "test")
    assert (await Trainer(body, dropping).read())["spans"] == [{"s": None, "e": 9 if words == MAIL else 25, "q": None}]
    hashing = parse_field_map({"annotations": [rule], "hash": ["$..q"]}, "test")
    assert (await Trainer(body, hashing).read())["spans"][0]["q"].startswith("k1:")


async def test_X6_imports_are_redacted_with_their_annotations() -> None:
    start = TEXT["data"]["text"].index(MAIL)
    value = {"start": start, "end": start + len(MAIL), "text": MAIL}
    sent = [{**TEXT, "annotations": [{"result": [region(value)]}]}]
    (stored,) = await Trainer(TEXT, LABEL_STUDIO).write(sent)
    value = stored["annotations"][0]["result"][0]["value"]
    assert stored["data"]["text"][value["start"] : value["end"]] == value["text"] == "[EMAIL_1]"


async def test_X6_a_mask_keeps_lengths_so_that_nothing_need_be_translated() -> None:
    """The simple way: the same-length operator, and no rules for annotations at all."""
    masked = Policy("masks", {label: TypePolicy(Operator.MASK) for label in ("EMAIL", "PERSON")})
    done = await Parts().rewrite(json.dumps(EXAMPLE), FieldMap(), masked)
    shown = json.loads(done.body)["text"]
    start, end = shown.index("*"), shown.rindex("*") + 1
    assert EXAMPLE["text"][start:end] == MAIL
    assert len(shown) == len(EXAMPLE["text"])
