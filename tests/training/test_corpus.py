"""Labelled files, and what is made of them for training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from sidecar.detection.lexicon import FACTORY
from sidecar.detection.recognizer import Message, Turn
from sidecar.training.corpus import CorpusError, GoldSpan, Labelled, read_files, to_example

ROW = {
    "id": "a:1",
    "source": "a",
    "speaker": "customer",
    "text": "hi im jon",
    "context": [{"speaker": "agent", "text": "your name?"}],
    "spans": [{"start": 6, "end": 9, "label": "PERSON"}],
    "ignore": [[0, 2]],
    "lang": "en",
}


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe(FACTORY)
    return nlp


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


def test_a_line_becomes_a_labelled_message(tmp_path: Path) -> None:
    (labelled,) = read_files([write(tmp_path / "a.jsonl", ROW)])
    message = Message("hi im jon", "customer", (Turn("agent", "your name?"),))
    assert labelled == Labelled(message, (GoldSpan(6, 9, "PERSON"),), "a", ((0, 2),))


def test_a_folder_is_read_in_order_of_names(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", {"text": "second"})
    write(tmp_path / "a.jsonl", {"text": "first"})
    assert [(one.message.text, one.source) for one in read_files([tmp_path])] == [("first", "a"), ("second", "b")]


@pytest.mark.parametrize(
    "row",
    [
        {"spans": []},
        {"text": "secret text", "spans": [{"start": 0, "end": 99, "label": "PERSON"}]},
        {"text": "secret text", "spans": [{"start": 3, "end": 3, "label": "PERSON"}]},
        {"text": "secret text", "spans": [{"start": -1, "end": 3, "label": "PERSON"}]},
        {"text": "secret text", "spans": [{"start": 0, "end": 3, "label": "SHOE_SIZE"}]},
        {"text": "secret text", "spans": [{"start": 0}]},
        {"text": "secret text", "context": ["secret"]},
        ["secret text"],
        "secret text",
    ],
)
def test_a_bad_line_is_named_and_not_quoted(tmp_path: Path, row: object) -> None:
    path = write(tmp_path / "a.jsonl", ROW, row)
    with pytest.raises(CorpusError, match=r"a\.jsonl:2") as caught:
        list(read_files([path]))
    assert "secret" not in str(caught.value)


def test_files_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes(b'{"text": "\xe9"}')
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere.jsonl", tmp_path / "latin.jsonl", tmp_path / "empty"):
        with pytest.raises(CorpusError, match=path.name):
            list(read_files([path]))


def labels(nlp: Language, labelled: Labelled) -> list[tuple[str, str]]:
    reference = to_example(nlp, labelled).reference
    return [(entity.text, entity.label_) for entity in reference.ents]


def test_labels_are_widened_to_tokens(nlp: Language) -> None:
    labelled = Labelled(Message("thanks jonathan"), (GoldSpan(7, 10, "PERSON"),))
    assert labels(nlp, labelled) == [("jonathan", "PERSON")]


def test_labels_follow_the_normalised_copy(nlp: Language) -> None:
    """D10: what is trained on is what is read."""
    text = "im j\u200bo\u0301n \U0001f600 ok"
    labelled = Labelled(Message(text), (GoldSpan(3, text.index(" \U0001f600"), "PERSON"),))
    assert labels(nlp, labelled) == [("jon", "PERSON")]


def test_ignored_tokens_are_unknown_and_never_entities(nlp: Language) -> None:
    labelled = Labelled(
        Message("book for 4 people, jon"), (GoldSpan(19, 22, "PERSON"),), "", ((5, 17), (9, 17), (19, 22))
    )
    reference = to_example(nlp, labelled).reference
    assert [token.ent_iob_ for token in reference] == ["O", "", "", "", "O", "B"]


def test_the_cue_is_on_every_token(nlp: Language) -> None:
    labelled = Labelled(Message("jon smith", "customer", (Turn("agent", "your name?"),)), ())
    example = to_example(nlp, labelled)
    assert [token.tag_ for token in example.predicted] == ["c:name", "c:name"]
