"""One answer of all recognizers (D12, D13), and none if any of them fails (D14)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from sidecar.detection.detector import Detector, sound
from sidecar.detection.recognizer import KnownValue, Message, Turn
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault

SECRET = "canary-3310"


class Words:
    """Finds given words."""

    def __init__(self, name: str, label: str, score: float, *words: str) -> None:
        self.name = name
        self._found = (label, score, name)
        self._words = words

    def find(self, message: Message) -> Iterable[Span]:
        for word in self._words:
            place = message.text.find(word)
            if place >= 0:
                yield Span(place, place + len(word), *self._found)

    def find_all(self, messages: Sequence[Message]) -> list[list[Span]]:
        return [list(self.find(message)) for message in messages]


class Encoding(Words):
    """Encodes what it gets, as the model does: lone surrogates would raise."""

    def find(self, message: Message) -> Iterable[Span]:
        for text in (message.text, *(t.text for t in message.context), *(k.value for k in message.known)):
            text.encode("utf-8")
        return super().find(message)


class Raising(Words):
    def find(self, message: Message) -> Iterable[Span]:
        yield from ()
        raise ValueError(message.text)


class Forgetful(Words):
    def find_all(self, messages: Sequence[Message]) -> list[list[Span]]:
        return []


RULES = Words("rules", "EMAIL", 0.9, "jon@x.example")
NER = Words("ner", "PERSON", 0.7, "jon", "minh")


def test_rules_and_model_are_resolved_into_one_answer() -> None:
    detector = Detector([RULES], NER)
    first, second, third = detector.detect([Message("jon@x.example is minh"), Message(""), Message("hi jon")])
    assert first == (Span(0, 13, "EMAIL", 0.9, "rules"), Span(17, 21, "PERSON", 0.7, "ner"))
    assert second == ()
    assert third == (Span(3, 6, "PERSON", 0.7, "ner"),)


def test_no_messages_no_model() -> None:
    assert Detector([RULES]).detect([]) == []
    assert Detector([RULES], NER).detect([]) == []
    assert Detector([]).detect([Message("jon")]) == [()]


def test_the_batch_does_not_matter() -> None:
    """D13."""
    detector = Detector([RULES], NER)
    messages = [Message(text) for text in ("jon", "minh", "jon@x.example", "", "nobody")]
    assert detector.detect(messages) == [spans for message in messages for spans in detector.detect([message])]


def test_a_labelled_text_is_one_entity_whatever_it_holds() -> None:
    detector = Detector([RULES], NER)
    found = detector.detect([Message("jon of minh", label="ORG"), Message("  ", label="PERSON"), Message("jon")])
    assert found[0] == (Span(0, 11, "ORG", 1.0, "field"),)
    assert found[1] == ()
    assert found[2][0].label == "PERSON"


def test_an_unknown_label_fails() -> None:
    with pytest.raises(DetectionFailed):
        Detector([]).detect([Message("x", label="NAME")])


@pytest.mark.parametrize(
    ("detector", "fault"),
    [
        (Detector([RULES, Raising("bad", "PERSON", 1.0)], NER), DetectionFault.RAISED),
        (Detector([RULES], Raising("bad", "PERSON", 1.0)), DetectionFault.RAISED),
        (Detector([RULES], Forgetful("bad", "PERSON", 1.0)), DetectionFault.INVALID),
        (Detector([Words("bad", "NO SUCH TYPE", 1.0, SECRET)]), DetectionFault.INVALID),
        (Detector([Words("bad", "PERSON", 7.0, SECRET)]), DetectionFault.INVALID),
    ],
)
def test_one_failure_fails_all_and_names_the_recognizer_only(detector: Detector, fault: DetectionFault) -> None:
    """D14."""
    with pytest.raises(DetectionFailed) as caught:
        detector.detect([Message("jon"), Message(f"my code is {SECRET}")])
    assert caught.value.fault is fault
    assert "'bad'" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_lone_surrogates_are_replaced_one_for_one() -> None:
    text = "\ud83d jon \ude00"
    message = Message(text, "customer", (Turn(None, text),), (KnownValue("PERSON", text),))
    assert Detector([Encoding("e", "PERSON", 0.7, "jon")]).detect([message])[0] == (Span(2, 5, "PERSON", 0.7, "e"),)
    assert sound(message).text == "\ufffd jon \ufffd"
    whole = Message("plain ünïcode \U0001f600")
    assert sound(whole) is whole


def test_the_version_tells_recognizers_and_fingerprints_apart() -> None:
    versions = [Detector([RULES], NER), Detector([RULES]), Detector([], NER), Detector([RULES], NER, "model 2")]
    assert len({detector.version for detector in versions}) == 4
    assert Detector([RULES], NER).version == Detector([RULES], NER).version
