"""Training, from nothing but this repository: a handful of steps prove the way from templates to a pipeline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from sidecar.cli import main
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.ner import SHIPPED, NerRecognizer, load_pipeline
from sidecar.detection.recognizer import Message
from sidecar.training.corpus import Labelled, to_example
from sidecar.training.synthesis.dialogues import Writer
from sidecar.training.train import _balanced, _drawn, blank_pipeline, lower_outside, read_settings, train

LARGEST_MODEL_BYTES = 8_000_000


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, with no labelled folder: ``../shared/eval`` is not needed."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    assert main(["train", "--out", str(folder), "--messages", "300", "--passes", "1", "--seed", "3"]) == 0
    return folder


def test_what_is_trained_can_be_loaded_and_asked(trained: Path) -> None:
    ner = NerRecognizer(load_pipeline(trained))
    labels = {span.label for found in ner.find_all([Message("my name is john smith")] * 3) for span in found}
    assert labels <= set(ENTITY_TYPES)


def test_no_word_of_the_training_data_is_in_the_pipeline(trained: Path) -> None:
    """What training adds to spaCy's own strings are names of types and moves."""
    strings = set(json.loads((trained / "vocab" / "strings.json").read_text(encoding="utf-8")))
    added = strings - set(blank_pipeline().vocab.strings)
    assert {text.removeprefix(f"{text[0]}-") for text in added} <= {*ENTITY_TYPES, *"BILUO", "B-", "L-", ""}, sorted(
        added
    )


def test_the_shipped_pipeline_holds_no_names() -> None:
    strings = {text.lower() for text in json.loads((SHIPPED / "vocab" / "strings.json").read_text(encoding="utf-8"))}
    assert len(strings) < 2_500  # spaCy's own and the labels
    assert not strings & {"john", "smith", "priya", "chicago", "gmailcom", "madurai", "alexis", "@gmail.com"}


def test_the_shipped_pipeline_is_small() -> None:
    """Issue 2: pipeline and word lists, 8 MB at most."""
    assert sum(path.stat().st_size for path in SHIPPED.parent.rglob("*") if path.is_file()) <= LARGEST_MODEL_BYTES


def test_the_same_seed_trains_the_same_weights() -> None:
    settings = replace(read_settings(), synthetic_messages=120, passes=1)
    one, other = (train(settings, [], report=lambda line: None) for _ in range(2))
    weights = [nlp.get_pipe("ner").to_bytes(exclude=["vocab"]) for nlp in (one, other)]  # type: ignore[attr-defined]
    assert weights[0] == weights[1]


def test_the_dial_finds_more_and_never_less_often(trained: Path) -> None:
    """Lesson: a bias on "no entity" trades over-redaction for leaks."""
    messages = [labelled.message for labelled in Writer(9).messages(200)]
    nlp = load_pipeline(trained)
    lower_outside(nlp, -20.0)
    before = sum(span.end - span.start for found in NerRecognizer(nlp).find_all(messages) for span in found)
    lower_outside(nlp, 40.0)
    after = sum(span.end - span.start for found in NerRecognizer(nlp).find_all(messages) for span in found)
    assert after > before


def test_small_sources_are_repeated(tmp_path: Path) -> None:
    """A source of a thousand messages would drown in one of forty thousand."""
    settings = replace(read_settings(), repeat_up_to=10, most_repeats=3)
    for source, count in {"a": 12, "b": 5, "c": 1}.items():
        (tmp_path / f"{source}.jsonl").write_text('{"text": "x"}\n' * count, encoding="utf-8")
    repeated = {source: len(labelled) for source, labelled in _balanced([tmp_path], settings).items()}
    assert repeated == {"a": 12, "b": 10, "c": 3}


def test_of_large_sources_another_lot_is_drawn_each_time(trained: Path) -> None:
    nlp = load_pipeline(trained)
    examples = [to_example(nlp, Labelled(Message(str(number)), ())) for number in range(30)]
    rng = Random(1)
    lots = [_drawn({"large": examples, "small": examples[:3]}, 10, rng) for _ in range(2)]
    assert [len(lot) for lot in lots] == [13, 13]
    assert lots[0] != lots[1]


def test_labelled_folders_are_trained_on(tmp_path: Path) -> None:
    row = {"text": "zorbo is here", "spans": [{"start": 0, "end": 5, "label": "PERSON"}], "speaker": None}
    (tmp_path / "own.jsonl").write_text("\n".join([json.dumps(row)] * 40), encoding="utf-8")
    said: list[str] = []
    train(replace(read_settings(), synthetic_messages=60, passes=1), [tmp_path], report=said.append)
    assert said[0].startswith("120 own labelled messages")  # repeated, as it is small


def test_a_bad_folder_is_said_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    assert main(["train", "--data", str(tmp_path / "nowhere"), "--out", str(out), "--messages", "10"]) == 1
    assert "nowhere" in capsys.readouterr().err
    assert not out.exists()
