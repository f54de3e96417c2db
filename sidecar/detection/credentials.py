"""Passwords and user names made of words, where the text itself says that they are (D7). Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.scores import CONTEXT, DIALOGUE, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.vocabulary import Mention, Strength
from sidecar.detection.words.table import words_in

_SLOTS: Final = frozenset({"PASSWORD", "USERNAME"})
_LINKS: Final = frozenset({"is", "was", "as", "ist", "lautet", "es", "est", "e", "to", "s"})
_OTHER_USES: Final = frozenset(
    words_in(
        "reset resets change changed incorrect invalid wrong expired expires protected protection forgotten forgot "
        "manager field "
        "screen page required requirements works working recovery reminder link hint email mail correct locked "
        "blocked not "
        "again policy strength prompt box issue issues problem problems button form request requests generator "
        "update updated "
        "easy secure safe weak strong private secret important enough accepted rejected recognized empty blank missing "
        "set saved stored hidden visible needed asked there here case sensitive unknown given"
    )
)
_MOST_WORDS: Final = 4
_SIGNED: Final = re.compile(r"(?<!\S)(?=\S{5,200}(?!\S))[^\s$!#%&*_+=~^|]+[$!#%&*_+=~^|]+\S*[a-z0-9]\S*")
"""A word with signs among its letters, which nobody writes but in a password; at most 200 characters (D17)."""
_LONGEST_ANSWER: Final = 12
_HANDLE: Final = re.compile(r"(?<![\w@$.])(?:@[a-z0-9_]|\$[a-z])[\w.-]{1,30}(?<![.-])")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_NETWORKS: Final = frozenset(
    words_in(
        "instagram insta ig twitter tiktok telegram snapchat snap discord venmo cashapp cashtag tag paypal facebook fb "
        "threads bluesky mastodon twitch youtube reddit skype linkedin handle username user pinterest"
    )
)
_ADDRESSED: Final = frozenset(words_in("dm follow tweet add message find tag pay"))
_WORDS_BEFORE: Final = 4


def find_credentials(view: View) -> Iterable[Span]:
    """ "my password is bluefish 22", "username: jsmith", "pwd arani" at the end of what is said."""
    for mention in view.mentions:
        if mention.slot in _SLOTS and mention.strength is Strength.STRONG:
            yield from _value(view, mention)


def find_answered(view: View, question: Question) -> Iterable[Span]:
    """ "Sun$hine!" in a short answer to a question for a password: everyday words, but with signs among them."""
    if "PASSWORD" not in question.slots or len(view.words) > _LONGEST_ANSWER:
        return
    for match in _SIGNED.finditer(view.lower):
        yield Span(*match.span(), "PASSWORD", DIALOGUE, "credentials")


def find_handles(view: View) -> Iterator[Span]:
    """ "telegram @jane_r", "follow me on insta @jane_r": what only looks like a mention of somebody is one's own."""
    for match in _HANDLE.finditer(view.lower):
        place = bisect_right(view.ends, match.start())
        before = view.words[max(0, place - _WORDS_BEFORE) : place]
        own = any(first in _ADDRESSED and second == "me" for first, second in pairwise(before))
        if (own or not _NETWORKS.isdisjoint(before)) and not _is_amount_or_place(view, match.group()):
            yield Span(*match.span(), "USERNAME", CONTEXT, "credentials")


def _is_amount_or_place(view: View, handle: str) -> bool:
    """Say whether this is "@5pm", "$usd" or "@home": when, how much or where."""
    letters = _LETTERS.findall(handle)
    if not letters:
        return True
    if handle[1].isdigit() or handle[0] == "$":
        units = view.vocabulary.units
        return letters[0] in units and all(run in units or view.vocabulary.is_chat(run) for run in letters)
    return view.vocabulary.is_chat(handle[1:])


def _value(view: View, mention: Mention) -> Iterable[Span]:
    place, linked = mention.last, False
    while (
        place < len(view.words)
        and (view.words[place] in _LINKS or _is_mark(view.gap(place)))
        and place - mention.last < 3
    ):
        linked = True
        if view.words[place] not in _LINKS:
            break
        place += 1
    if place >= len(view.words) or _ends(view.gap(place)) or not _can_start(view, place, mention):
        return
    end = _end(view, place)
    closing = end == len(view.words)
    if linked or (closing and end - place <= 2):
        yield _whole(view, place, end, mention.slot, CONTEXT if linked else STRONG_GRAMMAR)


def _is_mark(gap: str) -> bool:
    return gap.strip() in {":", "=", ":-", "->", '"', ': "', ":'"}


def _ends(gap: str) -> bool:
    return any(mark in gap for mark in ".!?;,\n")


def _can_start(view: View, place: int, mention: Mention) -> bool:
    word = view.words[place]
    if word in _OTHER_USES or (word.isdigit() and view.words[place + 1 : place + 2] == ("digits",)):
        return False
    if _SIGNED.match(view.lower, view.starts[place]):
        return True
    numbered = place + 1 < len(view.words) and view.words[place + 1].isdigit()
    return (
        (not view.vocabulary.is_plain(word) or (numbered and word not in view.vocabulary.links))
        and (len(word) >= 3 or numbered)
        and place - mention.last < 4
    )


def _end(view: View, place: int) -> int:
    """Take in digits and short pieces after the first word ("logmein 32", "9 euro 9"), and what is joined by signs."""
    last = place + 1
    while last < len(view.words) and last - place < _MOST_WORDS:
        word, gap = view.words[last], view.gap(last)
        if (
            (gap.strip() and not gap[:1].isspace() and not gap[-1:].isspace() and (gap == "." or not _ends(gap)))
            or (gap == " " and word.isdigit() and view.words[last + 1 : last + 2] != ("digits",))
            or (gap == " " and view.words[last - 1].isdigit() and len(word) <= 6 and not view.vocabulary.is_plain(word))
        ):
            last += 1
        else:
            break
    return last


def _whole(view: View, place: int, last: int, label: str, score: float) -> Span:
    """Passwords may begin and end with signs: take in what touches them, but for what closes a clause."""
    start, end = view.starts[place], view.ends[last - 1]
    lower = view.lower
    while start and not lower[start - 1].isspace() and lower[start - 1] not in ":='\"(,;":
        start -= 1
    while end < len(lower) and end - start < 200 and not lower[end].isspace() and lower[end] not in ",;.'\")?":
        end += 1
    return Span(start, end, label, score, "credentials")
