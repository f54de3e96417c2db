"""Trains the shipped pipeline: synthetic dialogues, and any labelled folders that are given."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spacy.about import __version__ as spacy_version
from spacy.language import Language
from spacy.training import Example
from spacy.util import compile_infix_regex, load_model_from_config
from thinc.api import Adam, Config, Optimizer, fix_random_seed

from sidecar.detection.lexicon import Lexicon
from sidecar.detection.ner import multiply_with_numpy
from sidecar.training.corpus import Labelled, read_files, to_example
from sidecar.training.gazetteer import word_codes
from sidecar.training.synthesis.dialogues import Writer
from sidecar.training.synthesis.lists import DATA

_INFIXES: Final = (r"[,;:/\n()=|<>*#]", r"(?<=[a-zA-Z])\.(?=[A-Z][a-z])")
_SAMPLE: Final = 2_000

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """``data/training.toml`` as a type."""

    seed: int
    synthetic_messages: int
    passes: int
    repeat_up_to: int
    most_repeats: int
    most_of_a_source: int
    batch_messages: tuple[int, int]
    dropout: float
    learn_rate: float
    last_learn_rate: float
    warmup_steps: int
    outside_bias: float


def read_settings(path: Path = DATA / "training.toml", **overrides: Any) -> Settings:
    """The settings of a file; ``overrides`` that are not None win."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    values |= {name: value for name, value in overrides.items() if value is not None}
    values["batch_messages"] = tuple(values["batch_messages"])
    return Settings(**values)


def blank_pipeline(config: Path = DATA / "pipeline.cfg") -> Language:
    """The pipeline of the configuration, with our tokenizer and word list, untrained."""
    nlp = load_model_from_config(Config().from_disk(config), auto_fill=True)
    tokenizer: Any = nlp.tokenizer
    defaults: Any = nlp.Defaults
    infixes = compile_infix_regex([*defaults.infixes, *_INFIXES])
    tokenizer.infix_finditer = infixes.finditer
    tokenizer.rules = {text: rule for text, rule in tokenizer.rules.items() if "'" in text or "’" in text}
    lexicon(nlp).replace(word_codes())
    return nlp


def lexicon(nlp: Language) -> Lexicon:
    """The word list of a pipeline."""
    pipe = nlp.get_pipe("lexicon")
    assert isinstance(pipe, Lexicon)  # noqa: S101  the factory makes no other
    return pipe


def train(settings: Settings, data: Sequence[Path], report: Report = print) -> Language:
    """A trained pipeline. The same settings and data give the same one, on the same machine."""
    fix_random_seed(settings.seed)
    rng = random.Random(settings.seed)  # noqa: S311  not for secrets
    nlp = blank_pipeline()
    real = {
        source: [to_example(nlp, one) for one in labelled] for source, labelled in _balanced(data, settings).items()
    }
    report(f"{_sizes(real)} labelled messages, {settings.synthetic_messages} synthetic ones in each pass")
    sample = [to_example(nlp, labelled) for labelled in Writer(settings.seed).messages(_SAMPLE)]
    nlp.initialize(lambda: [*sample, *_drawn(real, _SAMPLE, rng)])
    multiply_with_numpy(nlp)
    optimizer = Adam(settings.learn_rate, L2=0.01, grad_clip=1.0, use_averages=True, L2_is_weight_decay=True)
    messages = sum(min(len(examples), settings.most_of_a_source) for examples in real.values())
    steps = _Steps(settings, settings.synthetic_messages + messages)
    for number in range(settings.passes):
        synthetic = Writer(settings.seed + 1 + number).messages(settings.synthetic_messages)
        examples = _drawn(real, settings.most_of_a_source, rng)
        examples += [to_example(nlp, labelled) for labelled in synthetic]
        rng.shuffle(examples)
        loss = _one_pass(nlp, examples, optimizer, steps, settings)
        report(f"pass {number + 1} of {settings.passes}: {steps.number} steps, loss {loss:.2f} a message")
    with nlp.use_params(optimizer.averages):
        return _cleaned(nlp, settings)


def _balanced(data: Sequence[Path], settings: Settings) -> dict[str, list[Labelled]]:
    """The labelled messages by source, those of small ones repeated, so that large ones don't drown them."""
    by_source: dict[str, list[Labelled]] = {}
    for one in read_files(data):
        by_source.setdefault(one.source, []).append(one)
    return {
        source: labelled * max(1, min(settings.most_repeats, settings.repeat_up_to // len(labelled)))
        for source, labelled in by_source.items()
    }


def _drawn(real: Mapping[str, list[Example]], most: int, rng: random.Random) -> list[Example]:
    """At most so many examples of each source, another lot each time."""
    return [example for examples in real.values() for example in rng.sample(examples, min(len(examples), most))]


def _sizes(real: Mapping[str, list[Example]]) -> str:
    return " + ".join(f"{len(examples)} {source}" for source, examples in real.items()) or "no"


class _Steps:
    """Batch size and learn rate as functions of how many messages were read."""

    def __init__(self, settings: Settings, messages_a_pass: int) -> None:
        self._settings = settings
        self._total = messages_a_pass * settings.passes
        self._read = 0
        self.number = 0

    def batches(self, examples: list[Example]) -> Iterator[list[Example]]:
        place = 0
        first, last = self._settings.batch_messages
        while place < len(examples):
            size = min(last, first + self.number // 8)
            batch = examples[place : place + size]
            place += len(batch)
            self._read += len(batch)
            self.number += 1
            yield batch

    def learn_rate(self) -> float:
        settings = self._settings
        done = min(1.0, self._read / self._total)
        rate = settings.learn_rate + (settings.last_learn_rate - settings.learn_rate) * done
        return rate * min(1.0, self.number / settings.warmup_steps)


def _one_pass(nlp: Language, examples: list[Example], optimizer: Optimizer, steps: _Steps, settings: Settings) -> float:
    losses: dict[str, float] = {}
    ner: Any = nlp.get_pipe("ner")  # the only one that learns; ``nlp.update`` would copy and align each document anew
    for batch in steps.batches(examples):
        optimizer.learn_rate = steps.learn_rate()
        ner.update(batch, drop=settings.dropout, sgd=optimizer, losses=losses)
    return losses["ner"] / len(examples)


def _cleaned(nlp: Language, settings: Settings) -> Language:
    """The trained weights in a pipeline that never saw the data: its string store holds no training word."""
    clean = blank_pipeline()
    ner = clean.get_pipe("ner")
    trained = nlp.get_pipe("ner").to_bytes(exclude=["vocab"])  # type: ignore[attr-defined]
    ner.from_bytes(trained, exclude=["vocab"])  # type: ignore[attr-defined]
    lower_outside(clean, settings.outside_bias)
    clean.meta["lang"] = clean.lang  # spaCy would ask the getter of LANG, whose slot the lexicon uses
    clean.meta["name"], clean.meta["version"] = "sidecar_chat", "1.0.0"
    clean.meta["spacy_version"] = f"=={spacy_version}"
    return clean


def lower_outside(nlp: Language, bias: float) -> None:
    """Subtract ``bias`` from the score of "no entity", for good: the dial between leaking and over-redacting."""
    ner: Any = nlp.get_pipe("ner")
    upper = ner.model.get_ref("upper")
    # Not ``ner.move_names``: it leaves one move out, so its places are not those of the scores.
    place = next(move for move in range(ner.moves.n_moves) if ner.moves.get_class_name(move) == "O")
    weights = upper.get_param("b").copy()
    weights[place] -= bias
    upper.set_param("b", weights)


def save(nlp: Language, folder: Path) -> None:
    """Write the pipeline where ``sidecar run`` looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(folder)
