"""What the previous turns asked for, and what that makes of a short answer (D2). Pure.

The last turns of the other speaker are read for slots ("account number", "last name", "zip"); a slot in a request types
the answer by its shape. A question that counts ("how many boxes?") makes its numeric answers nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sidecar.detection.codes import Code, is_measure, read_code
from sidecar.detection.digit_runs import digit_runs
from sidecar.detection.everyday import ALSO_NAMES
from sidecar.detection.normalise import fold
from sidecar.detection.recognizer import AGENT, Message, Turn
from sidecar.detection.scores import DIALOGUE, GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View, split
from sidecar.detection.vocabulary import COUNTED, Mention, Strength, Vocabulary
from sidecar.detection.words.table import words_in

RULE: Final = "dialogue"
_READ_BACK: Final = 600
"""Characters of a turn that are read, from its end: the question is what it ends with."""
_POSSESSIVES: Final = frozenset({"your", "ur", "ihre", "ihr", "votre", "su", "tu", "seu", "uw", "tuo"})
_SHORT: Final = 12
_LONG: Final = 40
"""Words of an answer up to which all of it, or its longer numbers, are typed by the question."""
_AFTER_VERBS: Final = frozenset({"to", "into", "by", "from", "with", "at", "that", "zu", "von", "mit", "par", "por"})
_MOST_NAME_WORDS: Final = 4
_BEFORE_A_NAME: Final = frozenset(
    words_in("it its is s i m am im my name names this hi hello hey sure yes yeah ok okay thanks please sir")
)
_NUMERIC: Final = frozenset(
    {"ACCOUNT_ID", "ORDER_ID", "TRACKING_NUMBER", "OTHER_ID", "NATIONAL_ID", "CREDIT_CARD", "PHONE", "PASSPORT",
     "VEHICLE_PLATE", "PASSWORD", "USERNAME", "IBAN", "ADDRESS", "DATE_OF_BIRTH"}
)  # fmt: skip
_LEAST_DIGITS: Final = {"PHONE": 5, "CREDIT_CARD": 3, "IBAN": 8, "NATIONAL_ID": 3, "ADDRESS": 4, "DATE_OF_BIRTH": 4}


@dataclass(frozen=True, slots=True)
class Question:
    """The slots that the last turn of the other side asks for, in order, without repeats.

    ``asked``: whether it asks for anything at all.
    """

    slots: tuple[str, ...]
    asked: bool

    @property
    def counts(self) -> bool:
        return COUNTED in self.slots and not any(slot in _NUMERIC for slot in self.slots)


NOTHING_ASKED: Final = Question((), False)


def question_of(message: Message, vocabulary: Vocabulary) -> Question:
    """Return what the last turn of another speaker asks for. Turns without speakers count as the other's."""
    for turn in reversed(message.context):
        if turn.speaker != message.speaker or turn.speaker is None:
            return _read(turn, message.speaker, vocabulary)
    return NOTHING_ASKED


def _read(turn: Turn, answering: str | None, vocabulary: Vocabulary) -> Question:
    """Read one turn. Without a question mark it asks if it is polite about it, and no agent answers it."""
    lower = fold(turn.text[-_READ_BACK:])
    words, _, _ = split(lower)
    polite = turn.speaker is not None and answering != AGENT
    requested = "?" in lower or (polite and any(True for _ in vocabulary.requests.find(words)))
    if not requested:
        return NOTHING_ASKED
    return Question(tuple(dict.fromkeys(_slots(words, vocabulary.slots.find(words)))), True)


def _slots(words: tuple[str, ...], mentions: Iterable[Mention]) -> Iterator[str]:
    """Weak nouns count in a question only where it ends with them and nothing firmer is asked for ("your account?")."""
    found = list(mentions)
    strong = [mention.slot for mention in found if mention.strength is Strength.STRONG]
    if strong:
        yield from strong
        return
    for mention in found:
        if mention.first and words[mention.first - 1] in _POSSESSIVES and len(words) - mention.last <= 2:
            yield mention.slot


def find_answers(view: View, question: Question) -> Iterable[Span]:
    """Type an answer by what was asked: all of a short one, and the longer numbers of a long one."""
    if not question.slots or len(view.words) > _LONG:
        return
    short = len(view.words) <= _SHORT
    codes = [code for code in _answers(view, question) if short or (code.is_number and len(code.compact) >= 4)]
    for order, code in enumerate(codes):
        label = _label_for(code, question, order)
        if label is not None:
            yield view.span(code.first, code.last, label, DIALOGUE, RULE)
    if short:
        yield from _worded(view, question, codes)


def _codes(view: View) -> Iterator[Code]:
    place = 0
    while place < len(view.words):
        code = read_code(view, place)
        if code is None:
            place += 1
            continue
        if not is_measure(view, code):
            yield code
        place = code.last


def _answers(view: View, question: Question) -> list[Code]:
    """Return the numbers of an answer, spoken ones too; a name that was asked for is no part of the number after it."""
    codes = [Code(run.first, run.last, run.digits) for run in digit_runs(view) if run.spoken]
    for code in _codes(view):
        named = "PERSON" in question.slots and view.words[code.first].isalpha() and code.last - code.first == 2
        codes.append(Code(code.first + 1, code.last, view.words[code.first + 1]) if named else code)
    return sorted(codes, key=lambda code: code.first)


def _label_for(code: Code, question: Question, order: int) -> str | None:
    """Return the slot that fits: the n-th number answers the n-th numeric slot, as far as its shape allows."""
    fitting = [slot for slot in question.slots if slot in _NUMERIC and code.digit_count >= _LEAST_DIGITS.get(slot, 2)]
    if not fitting or (COUNTED in question.slots and code.digit_count < 4):
        return None
    return fitting[min(order, len(fitting) - 1)]


def _worded(view: View, question: Question, codes: list[Code]) -> Iterator[Span]:
    """Names, passwords and user names in words: the first words of a short answer that are no everyday ones."""
    label = _word_label(question, bool(codes))
    if label is None:
        return
    first = _first_word(view, codes)
    last = _end_of_words(view, first, label)
    others = len(view.words) - last
    if last == first and label == "PERSON":
        yield from _everyday_name(view)
    if last == first or (label != "PERSON" and _goes_on(view, last)):
        return
    if others > 3 and label != "PERSON" and view.gap(last).strip() == "":
        return
    yield view.span(first, last, label, DIALOGUE if others <= 2 else GRAMMAR, RULE)


def _everyday_name(view: View) -> Iterator[Span]:
    """ "will", "its small": an everyday word that is a name too, where nothing else is said."""
    said = [place for place, word in enumerate(view.words) if word not in _BEFORE_A_NAME]
    if len(said) == 1 and view.words[said[0]] in ALSO_NAMES:
        yield view.span(said[0], said[0] + 1, "PERSON", DIALOGUE, RULE)


def _goes_on(view: View, last: int) -> bool:
    """Say whether the sentence goes on: "promoted" of "i just got promoted to captain" is no password."""
    return last < len(view.words) and not view.gap(last).strip() and view.words[last] in _AFTER_VERBS


def _first_word(view: View, codes: list[Code]) -> int:
    """Return where an answer in words begins: after "my name is", or after fillers and a number before them."""
    introduced = [mention.last for mention in view.vocabulary.introductions.find(view.words)]
    if introduced:
        return introduced[-1]
    first = _skip_fillers(view, 0)
    return _skip_fillers(view, codes[0].last) if codes and codes[0].first == first else first


def _skip_fillers(view: View, place: int) -> int:
    """Skip everyday openers, and what an apostrophe cuts off them: the "m" of "i'm"."""
    words = view.words
    while place < len(words) and (words[place] in view.vocabulary.fillers or _is_cut_off(view, place)):
        place += 1
    return place


def _is_cut_off(view: View, place: int) -> bool:
    return view.gap(place) in {"'", "’"} and len(view.words[place]) <= 2


def _end_of_words(view: View, first: int, label: str) -> int:
    """Return where the run of words that are no everyday ones ends; a name has letters only, and at most four words."""
    last = first
    while last < len(view.words) and last - first < _MOST_NAME_WORDS:
        word = view.words[last]
        if view.vocabulary.is_plain(word) or (label == "PERSON" and not word.isalpha()):
            break
        if (last > first and any(mark in view.gap(last) for mark in ",;!?\n")) or (
            ". " in view.gap(last) and last - first > 1
        ):
            break
        last += 1
    return last


def _word_label(question: Question, has_numbers: bool) -> str | None:
    for slot in question.slots:
        if slot == "PERSON" or (slot in {"PASSWORD", "USERNAME"} and not has_numbers):
            return slot
    return None
