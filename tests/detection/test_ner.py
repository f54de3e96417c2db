"""The model as a recognizer: loading, batches, long and odd texts (D1, D2, D12, D13, D15)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.language import Language

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.ner import SHIPPED, NerRecognizer, _is_drawn, load_pipeline, trim
from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from sidecar.errors import ConfigError


@pytest.fixture(scope="module")
def ner() -> NerRecognizer:
    return NerRecognizer(load_pipeline())


def found(ner: NerRecognizer, text: str, question: str | None = None) -> list[tuple[str, str]]:
    context = (Turn(AGENT, question),) if question else ()
    return [(text[span.start : span.end], span.label) for span in ner.find(Message(text, CUSTOMER, context))]


@pytest.mark.parametrize(
    ("text", "question", "name"),
    [
        ("my name is john smith and i need help", None, "john smith"),
        ("hi, this is Priya Raghunathan", None, "Priya Raghunathan"),
        ("wilkinson", "What is your last name?", "wilkinson"),
        ("thanks a lot, Marguerite!", None, "Marguerite"),
        ("JANE DOE", "May I have your full name please?", "JANE DOE"),
        ("i would like to see Dr. Hopkins", None, "Hopkins"),
        ("j\u200bohn sm\u00adith", "May I have your full name please?", "j\u200bohn sm\u00adith"),  # D10
    ],
)
def test_names_are_found(ner: NerRecognizer, text: str, question: str | None, name: str) -> None:
    assert any(name in words and label == "PERSON" for words, label in found(ner, text, question))


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("ok thanks", None),
        ("yes please", "Is there anything else I can help you with?"),
        ("5", "How many boxes do you need?"),
        ("it may arrive in may", None),
        ("i am really happy with the amber one", None),
        ("", None),
        (" \n\t", None),
    ],
)
def test_hard_negatives_stay(ner: NerRecognizer, text: str, question: str | None) -> None:
    """D11"""
    assert [label for _, label in found(ner, text, question) if label not in ("DATE", "LOCATION")] == []


def test_a_verb_behind_a_name_is_no_part_of_it(ner: NerRecognizer) -> None:
    assert found(ner, "Noted, Arjun may sign. The replacement leaves tomorrow.")[:1] == [("Arjun", "PERSON")]
    assert found(ner, "Noted, Arjun May. The replacement leaves tomorrow.")[:1] == [("Arjun May", "PERSON")]


def test_the_question_types_the_answer(ner: NerRecognizer) -> None:
    """D2"""
    assert found(ner, "2201", "What is your account number?") == [("2201", "ACCOUNT_ID")]
    assert found(ner, "22", "How many people will there be?") == []


MESSAGES = [
    Message("my name is john smith", CUSTOMER),
    Message("", CUSTOMER),
    Message("2201", CUSTOMER, (Turn(AGENT, "what's your account number?"),)),
    Message("12 elm street, springfield il 62704", CUSTOMER, (Turn(AGENT, "your address?"),)),
    Message("i like it " * 600 + "regards, john smith", CUSTOMER),
]


def test_batches_change_nothing(ner: NerRecognizer) -> None:
    """D13"""
    one_by_one = [ner.find(message) for message in MESSAGES]
    assert ner.find_all(MESSAGES) == one_by_one
    assert ner.find_all(MESSAGES[::-1]) == one_by_one[::-1]
    assert ner.find_all(MESSAGES[:4] * 30) == one_by_one[:4] * 30


def test_offsets_of_long_texts_are_those_of_the_whole(ner: NerRecognizer) -> None:
    text = MESSAGES[4].text
    spans = ner.find(MESSAGES[4])
    assert any(text[span.start : span.end] == "john smith" for span in spans)


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\ud800\udfff" * 100, "😀" * 5_000, "1" * 20_000, "( " * 9_000])
def test_odd_texts_end_well(ner: NerRecognizer, text: str) -> None:
    for span in ner.find(Message(text)):
        assert 0 <= span.start < span.end <= len(text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=120))
def test_spans_are_sound_and_disjoint(text: str) -> None:
    """D12"""
    end = 0
    for span in _NER.find(Message(text)):
        assert end <= span.start < span.end <= len(text)
        assert span.label in ENTITY_TYPES
        assert text[span.start : span.end].strip()
        end = span.end


_NER = NerRecognizer(load_pipeline())


def test_nothing_of_the_traffic_stays(ner: NerRecognizer) -> None:
    """D15: strings and lexemes are given back after each call."""
    ner.find_all(MESSAGES)
    vocab = ner._nlp.vocab
    before = sum(1 for _ in vocab), len(vocab.strings)
    ner.find_all([Message(f"qwortz{number} ynnab{number}le john{number}@mail.example") for number in range(300)])
    assert (sum(1 for _ in vocab), len(vocab.strings)) == before
    assert "qwortz7" not in vocab.strings


@pytest.mark.parametrize(
    ("text", "inner"), [(" (john) ", "john"), ("john", "john"), ("...", ""), ("o'brien.", "o'brien"), ("", "")]
)
def test_trim(text: str, inner: str) -> None:
    start, end = trim(text, 0, len(text))
    assert text[start:end] == inner


def test_a_folder_without_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sidecar train"):
        load_pipeline(tmp_path)
    with pytest.raises(ConfigError, match="no spaCy pipeline"):
        load_pipeline(tmp_path / "nowhere")


def test_another_version_of_spacy_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"spacy_version": "==3.7.0"}))
    with pytest.raises(ConfigError, match=r"made for spaCy ==3\.7\.0"):
        load_pipeline(folder)


@pytest.mark.parametrize(
    "damaged", ["meta.json", "ner/model", "config.cfg", "lexicon/words.tsv.gz", "vocab/strings.json"]
)
def test_a_damaged_pipeline_is_refused(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    (folder / damaged).write_bytes(b"\x00junk")
    with pytest.raises(ConfigError, match="can't be loaded"):
        load_pipeline(folder)


def _cells(nlp: Language) -> int:
    return int(nlp.vocab.strings._map.capacity)  # type: ignore[attr-defined]


def test_words_that_are_gone_leave_nothing_behind(ner: NerRecognizer) -> None:
    """D15, D13: tables do not grow with every new word for ever, and making them anew changes no answer."""
    nlp = load_pipeline()
    reader = NerRecognizer(nlp)
    asked = [Message(f"my name is wq{n}a and i live in paris") for n in range(50)]
    before, strings = reader.find_all(asked), set(nlp.vocab.strings)
    for start in range(0, 60_000, 1_000):
        with nlp.memory_zone():  # the words of some batch
            for number in range(start, start + 1_000):
                assert nlp.vocab[f"{number}zq{number}x"].orth
    assert _cells(nlp) > 1 << 15
    assert reader.find_all(asked) == before
    assert _cells(nlp) <= 1 << 14  # those of the words that it knows by heart
    assert set(nlp.vocab.strings) == strings
    assert reader.find_all(asked) == before == ner.find_all(asked)


def test_a_pipeline_with_many_words_of_its_own_is_not_made_anew_for_ever() -> None:
    nlp = load_pipeline()
    for number in range(60_000):
        nlp.vocab.strings.add(f"own{number}")
    cells = _cells(nlp)
    reader = NerRecognizer(nlp)
    reader.find_all([Message("hi")])
    assert _cells(nlp) == cells


def test_knowing_frequent_words_by_heart_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """D13: what stands in the tokenizer's cache is what it would have made of the word."""
    texts = ["hello, my name is john. about that?", "About, about. ABOUT? i can't", "order: able-about,after", "after?"]
    messages = [Message(text) for text in texts]
    quick = load_pipeline()
    fast = NerRecognizer(quick).find_all(messages)
    words = [[token.text for token in quick.make_doc(text)] for text in texts]
    monkeypatch.setattr("sidecar.detection.ner.quicken", lambda nlp: None)
    slow = load_pipeline()
    assert NerRecognizer(slow).find_all(messages) == fast
    assert [[token.text for token in slow.make_doc(text)] for text in texts] == words


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("°□°", True),
        ("ლ", True),
        ("ლ(ಠ益ಠლ", True),
        ("山田ハナコ", False),
        ("Їжак", False),
        ("ann", False),
        ("!?", True),
    ],
)
def test_what_is_only_drawn(text: str, drawn: bool) -> None:
    """D11: faces are nobody; names of other scripts may be somebody."""
    assert _is_drawn(text) is drawn


@pytest.mark.parametrize(
    ("asked_before", "label"), [("What is your shipping address?", "ADDRESS"), ("What can I do for you?", "LOCATION")]
)
def test_a_town_asked_for_after_the_address_is_part_of_it_d4(ner: NerRecognizer, asked_before: str, label: str) -> None:
    context = (Turn(AGENT, asked_before), Turn(CUSTOMER, "12 main street"), Turn(AGENT, "And the city and state?"))
    (span,) = ner.find(Message("Denver, Colorado", CUSTOMER, context))
    assert span.label == label
