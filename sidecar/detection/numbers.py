"""Cards, phones, bank accounts and national numbers, read from the digit runs of a text (D7, D8)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from sidecar.detection.cards import is_card, is_grouped_like_card
from sidecar.detection.digit_runs import DigitRun, digit_runs
from sidecar.detection.national_ids import NationalIdChecks
from sidecar.detection.phones import PHONE_DIGITS, is_grouped_like_phone, is_international, is_local
from sidecar.detection.scores import CERTAIN_SHAPE, CHECKSUM, CONTEXT, GRAMMAR, GUESS, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.vocabulary import COUNTED

_LEAST_DIGITS: Final = 7
_IBAN: Final = re.compile(
    r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Z0-9])"
)
_NOT_NUMBERS: Final = frozenset({COUNTED, "PERSON", "EMAIL", "ORG"})
_NEAR: Final = 8
_SHORTEST_LETTERED: Final = 8
_MOST_WORDS: Final = 6
_LONGEST_ID: Final = 18
_ROW_GAPS: Final = frozenset({" ", "-", ".", "/", "+"})
_MOST_WINDOW: Final = 5


@dataclass(frozen=True, slots=True)
class NumberRules:
    """The number rules of a deployment: phone regions in order of likelihood, and countries whose ids are checked."""

    regions: tuple[str, ...]
    national_ids: NationalIdChecks

    def __call__(self, view: View) -> Iterable[Span]:
        if not view.has_digit and len(view.words) < 3:
            return
        for run in digit_runs(view):
            if len(run.digits) >= _LEAST_DIGITS:
                yield from self._run(view, run)
            elif run.spoken and len(run.digits) >= 4:
                yield _spoken(view, run, GUESS)
        if view.has_digit:
            yield from find_ibans(view)
            yield from self._lettered(view)

    def _run(self, view: View, run: DigitRun) -> Iterator[Span]:
        whole = self._judge(view, run)
        if whole is not None:
            yield whole
        if whole is None or whole.score < GRAMMAR:
            yield from self._parts(view, run)
        if run.spoken:
            yield _spoken(view, run, GRAMMAR)

    def _parts(self, view: View, run: DigitRun) -> Iterator[Span]:
        """Look at windows that are grouped like a card or a phone, or are one long group: "2 415 555 0134"."""
        first, count = 0, len(run.groups)
        while first < count:
            last = self._window(run, first)
            if last is not None:
                found = self._judge(view, run.part(first, last))
                if found is not None:
                    yield found
                    first = last - 1
            first += 1

    @staticmethod
    def _window(run: DigitRun, first: int) -> int | None:
        """Return the end of the longest window from group ``first`` that is worth a look."""
        count = len(run.groups)
        for last in range(min(count, first + _MOST_WINDOW), first, -1):
            part = run.part(first, last)
            if (first, last) == (0, count) or len(part.digits) < _LEAST_DIGITS:
                continue
            single = last - first == 1
            if single or is_grouped_like_card(part) or is_grouped_like_phone(part) or is_card(part.digits):
                return last
        return None

    def _judge(self, view: View, run: DigitRun) -> Span | None:
        """Return the best reading of a run as a whole."""
        digits = run.digits
        if is_card(digits):
            return view.span(run.first, run.last, "CREDIT_CARD", STRONG_GRAMMAR, "card")
        if is_grouped_like_card(run):
            return view.span(run.first, run.last, "CREDIT_CARD", GRAMMAR, "card")
        phone = self._phone(view, run)
        national = self._national(view, run)
        return max((s for s in (phone, national) if s is not None), key=lambda s: s.score, default=None)

    def _phone(self, view: View, run: DigitRun) -> Span | None:
        digits = run.digits
        if len(digits) not in PHONE_DIGITS:
            return None
        start = view.starts[run.first]
        plus = view.lower.rfind("+", max(0, start - 2), start)
        if (plus >= 0 or digits.startswith("00")) and is_international(digits.removeprefix("00")):
            return Span(plus if plus >= 0 else start, view.ends[run.last - 1], "PHONE", CERTAIN_SHAPE, "phone")
        grouped = is_grouped_like_phone(run)
        local = is_local(digits, self.regions)
        if local or (grouped and len(digits) >= 9):
            score = STRONG_GRAMMAR if local and grouped else GRAMMAR if grouped or len(digits) == 10 else CHECKSUM
            return Span(_opening(view, start), view.ends[run.last - 1], "PHONE", score, "phone")
        return None

    def _national(self, view: View, run: DigitRun) -> Span | None:
        start, end = view.starts[run.first], view.ends[run.last - 1]
        written = run.digits if run.spoken else view.lower[start:end].upper()
        near = view.words[max(0, run.first - _NEAR) : run.first] + view.words[run.last : run.last + 3]
        score = self.national_ids.score(run.digits, written, near)
        return Span(start, end, "NATIONAL_ID", score, "national-id") if score else None

    def _lettered(self, view: View) -> Iterator[Span]:
        """National numbers with letters: single words, and rows such as "AB 12 34 56 C"."""
        for first in range(len(view.words)):
            compact = ""
            for last in range(first, min(first + _MOST_WORDS, len(view.words))):
                if last > first and view.gap(last) not in _ROW_GAPS:
                    break
                if len(view.words[last]) > 1 and view.vocabulary.is_plain(view.words[last]):
                    break  # "one at 1420 n" is no row of a number's parts
                compact += view.words[last].upper()
                if len(compact) > _LONGEST_ID:
                    break
                if len(compact) >= _SHORTEST_LETTERED and self.national_ids.may_be_lettered(compact):
                    yield from self._judge_lettered(view, first, last + 1, compact)

    def _judge_lettered(self, view: View, first: int, last: int, compact: str) -> Iterator[Span]:
        written = view.lower[view.starts[first] : view.ends[last - 1]].upper()
        score = self.national_ids.score(compact, written, view.words[max(0, first - _NEAR) : first])
        if score:
            yield view.span(first, last, "NATIONAL_ID", score, "national-id")


def _spoken(view: View, run: DigitRun, score: float) -> Span:
    """Type a spoken number by what is named right before it."""
    before = bisect_right(view.mentions, run.first, key=lambda mention: mention.last)
    if before and view.mentions[before - 1].slot not in _NOT_NUMBERS:
        mention = view.mentions[before - 1]
        between = view.words[mention.last : run.first]
        if len(between) <= 3 and all(word in view.vocabulary.links for word in between):
            return view.span(run.first, run.last, mention.slot, CONTEXT, "spoken")
    return view.span(run.first, run.last, "OTHER_ID", score, "spoken")


def _opening(view: View, start: int) -> int:
    """Take in the bracket of "(415) 555 0134"."""
    return start - 1 if start and view.lower[start - 1] == "(" else start


def find_ibans(view: View) -> Iterator[Span]:
    """IBANs by shape, length of their country and check digits (ISO 13616), spaced in any way."""
    upper = view.lower.upper()
    if len(upper) != len(view.lower):
        return
    for match in _IBAN.finditer(upper):
        for end in _word_ends(match.group()):
            compact = re.sub(r"[ -]", "", match.group()[:end])
            if len(compact) >= 15 and _is_iban(compact):
                yield Span(match.start(), match.start() + end, "IBAN", CERTAIN_SHAPE, "iban")
                break


def _word_ends(written: str) -> list[int]:
    """Where the match may end: at its end, or before any of its last separators (a word may follow the number)."""
    ends = [len(written)]
    ends += [place for place in range(len(written) - 1, 14, -1) if written[place] in " -"]
    return ends


def _is_iban(compact: str) -> bool:
    try:
        IBAN(compact)
    except SchwiftyException:
        return False
    return True
