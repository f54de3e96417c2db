"""Texts that grow: nothing that was cut on its way gets out in parts (P33, P34); the output is the redacted text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from threading import get_ident
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault, PayloadFault, PayloadRefused
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.growing import GrowingRedaction, Remembered
from sidecar.redaction.holdback import GrowingText, HoldBack, Window, pieces_of, place_to_cut
from sidecar.redaction.policy import Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from sidecar.stores.placeholders import MemoryPlaceholders

MASTER = MasterKey(b"k" * 32)
SMALL = HoldBack(tail=24, step=5, context=60, longest=120)
NAMES = r"\b(?:Marta|Zoë)(?: Kowalczyk| O'Brien)?\b"
SHAPES = {
    "PERSON": NAMES,
    "EMAIL": r"[\w.]+@[\w.]+\w",
    "PHONE": r"\+\d\d(?: ?\d){9}(?!\d)",
    "IBAN": r"\bDE\d\d(?: \d{4}){4}\b",
}
CANARIES = ("Marta Kowalczyk", "Zoë O'Brien", "m.kowalczyk@example.net", "+48 601 555 014", "DE44 1234 5678 9012 3456")


class ByShape:
    """Finds by regular expressions. ``seen``: every text that it was asked about."""

    version = "by shape"

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        self.seen += [message.text for message in messages]
        return [tuple(sorted(_spans(message.text))) for message in messages]


def _spans(text: str) -> Iterator[Span]:
    for label, pattern in SHAPES.items():
        for match in re.finditer(pattern, text):
            yield Span(match.start(), match.end(), label, 0.9, "by shape")


def redactor(detection: ByShape | None = None) -> Redactor:
    keys = MASTER.pseudonymizer
    return Redactor(detection or ByShape(), MemoryPlaceholders(), keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR))


async def whole(text: str) -> str:
    [redacted] = await redactor().redact("c", [Message(text)], Policy())
    return redacted.text


async def grown(pieces: Sequence[str], hold_back: HoldBack = SMALL) -> list[str]:
    """What comes out for each piece."""
    growing = GrowingRedaction(redactor(), Policy(), Remembered(), hold_back, "agent")
    waiting: list[tuple[int, int]] = []
    out: list[str] = []

    def pass_on() -> None:
        while waiting and waiting[0][1] <= growing.released:
            out.append(growing.take(*waiting.pop(0)))

    for piece in pieces:
        waiting.append(growing.append(piece))
        if growing.is_due:
            await growing.advance("c")
        pass_on()
        assert growing.end - growing.released <= hold_back.longest + len(piece)
    await growing.end_it("c")
    pass_on()
    assert not waiting
    return out


words = st.one_of(st.sampled_from(CANARIES), st.text("ab ,.\n", min_size=1, max_size=9), st.sampled_from("日本。、é😀"))
texts = st.lists(words, max_size=30).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(texts, st.lists(st.integers(0, 1_000)))
async def test_P34_any_pieces_come_out_as_the_redacted_whole(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    out = await grown(pieces)
    assert len(out) == len(pieces)
    assert "".join(out) == await whole(text)
    again = await grown(out)
    assert "".join(again) == "".join(out)  # P42


@pytest.mark.parametrize("canary", CANARIES)
async def test_P33_a_canary_split_at_every_place(canary: str) -> None:
    for before in ("", "thanks, ", "we have talked about this for quite some time by now, so "):
        text = f"{before}{canary} and that is all there was to say about it in the end"
        expected = await whole(text)
        assert canary not in expected
        for cut in range(len(text) + 1):
            out = await grown([text[:cut], text[cut:]])
            assert "".join(out) == expected
        assert "".join(await grown(list(text))) == expected


async def test_what_nothing_is_found_in_comes_out_as_it_came() -> None:
    pieces = ["on", "e t", "", "wo", " three four five six seven eight nine ten eleven twelve"]
    assert await grown(pieces) == pieces


async def test_P37_the_beginning_goes_out_before_the_end_is_there() -> None:
    growing = GrowingRedaction(redactor(), Policy(), Remembered(), SMALL, None)
    growing.append("one two three four five six seven eight")
    assert growing.is_due
    await growing.advance("c")
    assert growing.released == len("one two three ")
    assert growing.take(0, growing.released) == "one two three "


async def test_a_name_that_was_found_is_followed_later_in_the_stream() -> None:
    text = "Marta Kowalczyk wrote to us and nobody knew why she did; later on Kowalczyk wrote again, and kowalczyk too"
    out = "".join(await grown([text[at : at + 3] for at in range(0, len(text), 3)]))
    assert out == await whole(text)
    assert out.lower().count("kowalczyk") == 0


async def test_a_value_is_found_again_where_detection_misses_it() -> None:
    class Once(ByShape):
        async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
            found = await super().detect(messages)
            return [tuple(one for one in spans if one.start == 0) for spans in found]

    growing = GrowingRedaction(redactor(Once()), Policy(), Remembered(), SMALL, None)
    text = "+48 601 555 014 is the number, and I say it once more: +48 601 555 014, do you have it now?"
    growing.append(text)
    first = await growing.advance("c")
    last = await growing.end_it("c")
    assert first is not None
    assert last is not None
    assert "601" not in first.text + last.text
    assert first.residuals + last.residuals == 1


async def test_a_word_without_end_is_held_and_at_last_refused() -> None:
    growing = GrowingRedaction(redactor(), Policy(), Remembered(), SMALL, None)
    growing.append("x" * 100)
    assert await growing.advance("c") is None
    growing.append("x" * 100)
    with pytest.raises(PayloadRefused) as refused:
        await growing.advance("c")
    assert refused.value.fault is PayloadFault.TOO_LARGE


async def test_an_entity_longer_than_what_is_held_back_is_refused_when_it_shows() -> None:
    text = "begin with many plain words that nobody takes for anything much at all until the end"

    class AtTheEnd(ByShape):
        async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
            ended = messages[0].text.endswith("end")
            return [(Span(0, len(messages[0].text), "ADDRESS", 0.9, "late"),) if ended else ()]

    growing = GrowingRedaction(redactor(AtTheEnd()), Policy(), Remembered(), SMALL, None)
    growing.append(text[:60])
    assert await growing.advance("c") is not None
    growing.append(text[60:])
    with pytest.raises(PayloadRefused):
        await growing.end_it("c")


async def test_an_impossible_finding_is_refused() -> None:
    class Wrong(ByShape):
        async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
            return [(Span(0, 10_000, "PERSON", 0.9, "wrong"),)]

    growing = GrowingRedaction(redactor(Wrong()), Policy(), Remembered(), SMALL, None)
    growing.append("short")
    with pytest.raises(DetectionFailed) as failed:
        await growing.end_it("c")
    assert failed.value.fault is DetectionFault.INVALID


async def test_what_is_looked_at_stays_bounded() -> None:
    detection = ByShape()
    growing = GrowingRedaction(redactor(detection), Policy(), Remembered(), SMALL, None)
    for _ in range(300):
        place = growing.append("word ")
        if growing.is_due:
            await growing.advance("c")
    assert max(map(len, detection.seen)) <= SMALL.context + SMALL.tail + SMALL.step + 10
    assert growing.take(0, growing.released) == "word " * (growing.released // 5)
    assert growing.released >= place[1] - SMALL.tail - SMALL.step - 5


def plainly_cut(text: str, found: Sequence[Span], tail: int) -> int:
    """The last border of a word that no finding goes across, tried one by one."""
    for place in range(len(text) - tail, 0, -1):
        is_border = text[place - 1].isspace() and not text[place : place + 1].isspace()
        if is_border and not any(one.start < place < one.end for one in found):
            return place
    return 0


@given(st.text("ab  ", max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=12))
def test_a_cut_falls_into_nothing_that_was_found(text: str, places: list[tuple[int, int]]) -> None:
    found = [Span(start, start + length, "PERSON", 1, "x") for start, length in places]
    assert place_to_cut(Window(text, 0), found, 3) == plainly_cut(text, found, 3)


@pytest.mark.timeout(60)
def test_a_cut_is_looked_for_behind_many_findings() -> None:
    """Hours if each were compared with each: every border of a word lies in a finding, and the next one before it."""
    unit, count = "(4929 1234)", 300_000
    found = [Span(n + 1, n + 10, "CREDIT_CARD", 1, "x") for n in range(0, len(unit) * count, len(unit))]
    assert place_to_cut(Window(unit * count, 0), found, 160) == 0


async def test_steps_of_long_texts_are_not_run_in_the_event_loop() -> None:
    class Watched(Policy):
        """Every step asks the policy; ``threads``: the ones they run in."""

        threads: ClassVar[set[int]] = set()

        def for_type(self, label: str) -> TypePolicy:
            self.threads.add(get_ident())
            return super().for_type(label)

    keys = MASTER.pseudonymizer
    own = keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR)
    one = Redactor(ByShape(), MemoryPlaceholders(), *own, asyncio.to_thread)
    for count, in_the_loop in ((20, True), (2_000, False)):
        growing = GrowingRedaction(one, Watched(), Remembered(), HoldBack(), None)
        growing.append("Marta and m@example.net wrote, " * count)
        Watched.threads.clear()
        redacted = await growing.advance("c")
        assert redacted is not None
        assert len(redacted.spans) > count
        assert (get_ident() in Watched.threads) is in_the_loop
        assert await growing.end_it("c") is not None


@pytest.mark.timeout(60)
async def test_long_values_that_are_remembered_are_not_read_at_each_step() -> None:
    """Many minutes if names were looked for in them."""
    remembered, long = Remembered(), "some words " * 500_000
    remembered.add([(("SECRET", long), Span(0, len(long), "SECRET", 0.9, "x"))])
    growing = GrowingRedaction(redactor(), Policy(), remembered, SMALL, None)
    out = ""
    for _ in range(1_000):
        growing.append("Marta said it to us, ")
        start = growing.released
        await growing.advance("c")
        out += growing.take(start, growing.released)
    assert out.startswith("[PERSON_1] said it to us, [PERSON_1] said")
    assert "Marta" not in out


@pytest.mark.timeout(60)
def test_many_pieces_between_two_looks_are_joined_once() -> None:
    """Hours if the text were copied for each."""
    text = GrowingText(SMALL)
    for _ in range(40):
        assert text.append("some words of a text ") == (text.end - 21, text.end)
    piece = "words " * 100
    for _ in range(60_000):
        text.append(piece)
    assert len(text.window().text) == text.end == 40 * 21 + 60_000 * 600


def test_a_replacement_stands_where_it_began() -> None:
    text = GrowingText(SMALL)
    slices = [text.append(piece) for piece in ("to Ma", "rt", "a ", "an", "d Bo")]
    spans = [Span(3, 8, "PERSON", 1, "x"), Span(13, 15, "PERSON", 1, "x")]
    text.release(len("to Marta and Bo"), pieces_of(0, "to [A] and [B]", spans, [(3, 6), (11, 14)]))
    assert [text.take(*one) for one in slices] == ["to [A]", "", " ", "an", "d [B]"]
