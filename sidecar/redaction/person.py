"""What a written name says of a person: its parts, and by what shorter forms the person may be called again. Pure.

Names have no grammar that holds everywhere (W3C, "Personal names around the world"), so the rules here only ever link
forms of which one is contained in the other. What they can't know is documented in ``linking``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MR: Final = "mr"
MS: Final = "ms"

_MALE_TITLES: Final = frozenset(
    {"mr", "mister", "sir", "lord", "herr", "monsieur", "señor", "senor", "sr", "signor", "pan", "meneer", "dhr"}
)
_FEMALE_TITLES: Final = frozenset(
    {
        "mrs",
        "ms",
        "miss",
        "madam",
        "lady",
        "frau",
        "mme",
        "mlle",
        "madame",
        "señora",
        "senora",
        "sra",
        "srta",
        "signora",
        "pani",
        "mevrouw",
        "mevr",
    }
)
_OTHER_TITLES: Final = frozenset(
    {
        "mx",
        "dr",
        "doctor",
        "doktor",
        "prof",
        "professor",
        "rev",
        "fr",
        "capt",
        "sgt",
        "lt",
        "col",
        "maj",
        "hon",
        "judge",
        "nurse",
        "officer",
    }
)
_PARTICLES: Final = frozenset(
    {
        "de",
        "del",
        "della",
        "der",
        "den",
        "des",
        "di",
        "da",
        "do",
        "dos",
        "du",
        "la",
        "le",
        "les",
        "van",
        "von",
        "vom",
        "zu",
        "zur",
        "ten",
        "ter",
        "te",
        "af",
        "av",
        "el",
        "al",
        "bin",
        "ibn",
        "abu",
        "y",
        "e",
        "i",
    }
)
_SUFFIXES: Final = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "md", "esq"})
_WORD: Final = re.compile(r"[^\W\d_](?:[^\W_]|['’`´\-‐‑](?=[^\W_]))*")
_POSSESSIVE: Final = re.compile(r"['’]s$")
_MOST_PARTS: Final = 6


@dataclass(frozen=True, slots=True)
class PersonName:
    """Folded parts in spoken order. ``title`` is "mr", "ms" or "". Holds text: never shown in a repr."""

    parts: tuple[str, ...] = field(repr=False)
    title: str = ""
    suffix: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """The form that names this very person: titles count only beside a single part ("Mr Smith")."""
        return " ".join(
            [*([self.title] if self.title and len(self.parts) == 1 else []), *self.parts, *self._suffixes()]
        )

    @property
    def telling(self) -> tuple[str, ...]:
        """The parts by which alone the person may be called: no particles, no initials."""
        return tuple(part for part in self.parts if len(part) > 1 and part not in _PARTICLES)

    @property
    def shorter_forms(self) -> tuple[str, ...]:
        """Keys of the forms by which this person may be called again, likeliest first. Never its own key."""
        if len(self.parts) < 2:
            return (*self.parts,) if self.title else ()
        first, last = self.parts[0], self.parts[-1]
        forms = [
            *self.telling[:_MOST_PARTS],
            *(f"{first} {part}" for part in self.parts[1:_MOST_PARTS]),
            f"{first[0]} {last}",
            f"{first} {last[0]}",
        ]
        forms += [" ".join(self.parts), *(f"{title} {last}" for title in self._titles())]
        return tuple(dict.fromkeys(form for form in forms if form != self.key))

    @property
    def contradicting_forms(self) -> tuple[str, ...]:
        """Keys that no other form of the same person can have: "Mrs Smith" is not "Mr Smith"."""
        others = {MR: (MS,), MS: (MR,)}.get(self.title, ())
        return tuple(f"{title} {self.parts[-1]}" for title in others)

    def _titles(self) -> tuple[str, ...]:
        return (self.title,) if self.title else (MR, MS)

    def _suffixes(self) -> tuple[str, ...]:
        return (self.suffix,) if self.suffix else ()


def person_name(value: str) -> PersonName:
    """Read a name as written: "Smith, John", "mr. smith", "Dr. Jane A. O'Neil-Smith Jr". Total: never raises."""
    family, comma, given = value.partition(",")
    ordered = f"{given} {family}" if comma and _is_name(given) else value
    words = [_POSSESSIVE.sub("", word) for word in _WORD.findall(ordered.casefold())]
    title, first = "", 0
    while first < len(words) - 1 and (sex := _title_of(words[first])) is not None:
        title = title or sex
        first += 1
    words = words[first:]
    suffix = ""
    if len(words) > 2 and words[-1] in _SUFFIXES:
        suffix = words.pop()
    return PersonName(tuple(words), title, suffix)


def _is_name(given: str) -> bool:
    words = _WORD.findall(given.casefold())
    return bool(words) and not (len(words) == 1 and words[0] in _SUFFIXES)


def _title_of(word: str) -> str | None:
    if word in _MALE_TITLES:
        return MR
    if word in _FEMALE_TITLES:
        return MS
    return "" if word in _OTHER_TITLES else None
