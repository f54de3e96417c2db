"""An entry as the members of a record, checked value by value. Pure.

The types in ``record`` say which fields exist; this module says which *texts* may stand in them. Every field that a
caller, an upstream or a payload could reach has a grammar that no personal data fits (A19, A20). What does not fit
is rejected, and so the exchange is refused: a fault in our own code must not become a leak.

Fields that link a record to a person or a conversation are kept apart from the facts, with a commitment of their own,
so that they can be erased one day without touching the rest or any proof (A24).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from sidecar.audit.canonical import Unusual, canonical, text_of
from sidecar.audit.record import Entry, Event, Intent, Outcome, Phase
from sidecar.errors import AuditUnavailable

Scalar = str | int
Value = Scalar | list[str] | dict[str, int]
Members = Mapping[str, Value]

LINK_FIELDS = frozenset({"conversation", "conversations", "subject", "target_pseudonym"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
INTEGER_LIMIT = 2**53
ITEM_LIMIT = 100_000

_PHASES: dict[type, Phase] = {Intent: Phase.INTENT, Outcome: Phase.OUTCOME, Event: Phase.EVENT}
_NAMES: dict[type, tuple[str, ...]] = {kind: tuple(kind.__annotations__) for kind in (Intent, Outcome, Event)}
_PSEUDONYM = re.compile(r"k[0-9]{1,6}:[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OPERATOR_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")
_PLAIN_NAME = re.compile(r"[ -?A-~]{1,200}")  # printable ASCII without "@"
_GRAMMARS: Mapping[str, re.Pattern[str]] = {
    "exchange_id": re.compile(r"[a-z0-9_-]{1,64}"),  # made by us
    "actor": _OPERATOR_NAME,
    "proof": _WORD,
    "peer_certificate_sha256": _SHA256,
    "tls": re.compile(r"TLSv[0-9.]{1,4}( [A-Z0-9_-]{1,60})?"),
    "route": _PLAIN_NAME,
    "method": re.compile(r"[A-Z]{1,10}|other"),
    "target_pseudonym": _PSEUDONYM,
    "conversation": _PSEUDONYM,
    "conversations": _PSEUDONYM,
    "subject": _PSEUDONYM,
    "reason": _WORD,
    "config_sha256": _SHA256,
    "receipt_sha256": _SHA256,
    "policies_sha256": _SHA256,
    "upstream": re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?"),
    "certificate_sha256": _SHA256,
    "former_certificate_sha256": _SHA256,
    "authorities_sha256": _SHA256,
    "former_authorities_sha256": _SHA256,
    "checkpoint_root": _SHA256,
    "signing_key": _SHA256,
    "wrapping_key": re.compile(r"[a-z]{1,20}:[A-Za-z0-9_./:-]{1,200}"),
    "purpose": re.compile(r"[A-Z][A-Z_]{0,15}[-#/]?[0-9]{1,9}([-/][0-9]{1,6})?"),  # CASE-2026-17: nobody's name
    "confidence": re.compile(r"p[0-9]0|p100"),
    "policy": _PLAIN_NAME,
    "detector": _PLAIN_NAME,
    "entities": re.compile(r"(?!.*[0-9]{3})[A-Z][A-Z0-9_]{0,39}"),
}

# Fields whose few values come again in record after record, and are checked together, once: words of ours and of the
# operator. The others are as many as there are records or people.
_RECURRING = frozenset({
    "action", "actor", "decision", "detector", "peer_certificate_sha256", "policy", "proof", "reason", "route", "tls",
})  # fmt: skip

_EMPTY: tuple[object, ...] = ((), {})

# Fields whose grammars admit letters, digits and ``-_#/:.`` of ASCII alone.
_UNESCAPED = frozenset({
    "exchange_id", "target_pseudonym", "conversation", "subject", "purpose", "config_sha256", "policies_sha256",
    "receipt_sha256", "certificate_sha256", "former_certificate_sha256", "authorities_sha256",
    "former_authorities_sha256", "checkpoint_root", "signing_key", "wrapping_key", "upstream",
})  # fmt: skip


def is_purpose(text: str) -> bool:
    """Whether a text is the reference of a ticket, as records may name it."""
    return _GRAMMARS["purpose"].fullmatch(text) is not None


class RecordRejected(AuditUnavailable):
    """A value does not fit its field. Names the field, never the value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the audit field {name!r} was given a value that it does not admit")


class Halves(NamedTuple):
    """The two halves of a record in canonical JSON, as they are sealed."""

    facts: bytes
    links: bytes

    def __repr__(self) -> str:
        return "Halves(...)"  # links are nobody's business, in a traceback neither


@dataclass(frozen=True, slots=True)
class Parts:
    """The two halves of a record: what happened, and to whom it links (keyed pseudonyms only)."""

    facts: Members = field(repr=False)
    links: Members = field(repr=False)

    @property
    def halves(self) -> Halves:
        """Both as they are sealed."""
        return Halves(canonical(self.facts), canonical(self.links))


class _Shape:
    """The fields of one kind of entry, and what reads them. Of the others facts come first, each half by name."""

    def __init__(self, names: Sequence[str]) -> None:
        self.recurring = tuple(name for name in names if name in _RECURRING)
        self.others = tuple(sorted(set(names) - _RECURRING, key=lambda name: (name in LINK_FIELDS, name)))
        self.checks = tuple((1 << at, name, _plain_text(name)) for at, name in enumerate(self.others))
        self.recurring_of = attrgetter(*self.recurring)
        self.others_of = attrgetter(*self.others)


def _plain_text(name: str) -> Callable[[str], object] | None:
    """Return what tells a text that fits, where none that fits has anything to be escaped or replaced."""
    grammar = _GRAMMARS.get(name)
    return grammar.fullmatch if grammar is not None and name in _UNESCAPED else None


_SHAPES: dict[type, _Shape] = {kind: _Shape(names) for kind, names in _NAMES.items()}


def parts_of(entry: Entry) -> Parts:
    """Return the members of an entry, absent ones left out (None and absent are one, A18), or raise RecordRejected."""
    kind: type = type(entry)
    shape = _SHAPES.get(kind)
    if shape is None:  # a subclass could carry fields that nobody allow-listed
        raise RecordRejected("entry")
    facts = _recurring_facts(kind, *shape.recurring_of(entry)).copy()
    links: dict[str, Value] = {}
    for name, value in zip(shape.others, shape.others_of(entry), strict=True):
        if value is not None and (checked := _checked(name, value)) is not None:
            (links if name in LINK_FIELDS else facts)[name] = checked
    return Parts(facts, links)


def halves_of(entry: Entry) -> Halves:
    """Return the canonical bytes of ``parts_of``, in a fraction of the time; raises as it does.

    What comes again in record after record is checked and written out once, with gaps for the rest.
    """
    kind: type = type(entry)
    shape = _SHAPES.get(kind)
    if shape is None:
        raise RecordRejected("entry")
    given, texts = 0, []
    try:
        for (bit, name, fits), value in zip(shape.checks, shape.others_of(entry), strict=True):
            text: str | None = None
            if value is None:
                continue
            if type(value) is int and -INTEGER_LIMIT < value < INTEGER_LIMIT:
                text = str(value)
            elif fits is not None and type(value) is str and fits(value):
                text = f'"{value}"'
            elif value in _EMPTY:
                continue
            elif type(value) is dict:
                text = _counts_json(name, value)
            elif (text := _checked_json(name, value)) is None:
                continue
            given |= bit
            texts.append(text)
        form = _form(kind, given, *shape.recurring_of(entry))
    except Unusual:
        return parts_of(entry).halves
    facts, links = texts[: form.facts_given], texts[form.facts_given :]
    return Halves((form.facts % tuple(facts)).encode(), (form.links % tuple(links)).encode())


def _counts_json(name: str, counts: dict[object, object]) -> str:
    if len(counts) > ITEM_LIMIT:
        raise RecordRejected(name)
    try:
        return _recurring_counts_json(name, *counts, *counts.values())
    except TypeError:  # a count that can't even be looked up
        raise RecordRejected(name) from None


@lru_cache(maxsize=1024, typed=True)
def _recurring_counts_json(name: str, *labels_and_counts: object) -> str:
    """A conversation that is read again has the same counts again. Flat, so that each one's type tells it apart."""
    half = len(labels_and_counts) // 2
    counts = zip(labels_and_counts[:half], labels_and_counts[half:], strict=True)
    texts = {_label_json(name, label): _checked_count(name, count) for label, count in counts}
    return "{" + ",".join([f"{label}{texts[label]:d}" for label in sorted(texts)]) + "}"


@lru_cache(maxsize=1024, typed=True)
def _label_json(name: str, label: object) -> str:
    """Return what stands before a count. Labels are types of entities and tenths: few, in ASCII, and in their order."""
    return f"{text_of(_checked_text(name, label))}:"


def _checked_json(name: str, value: object) -> str | None:
    checked = _checked(name, value)
    return None if checked is None else text_of(checked)


class _Form(NamedTuple):
    """Both halves with ``%s`` for each of the others that is given; the first ``facts_given`` of them are facts."""

    facts: str
    links: str
    facts_given: int


@lru_cache(maxsize=1024, typed=True)
def _form(kind: type, given: int, *recurring: object) -> _Form:
    others = [name for bit, name, _ in _SHAPES[kind].checks if given & bit]
    links = [name for name in others if name in LINK_FIELDS]
    gaps = dict.fromkeys(others[: len(others) - len(links)], "%s")
    texts = {name: text_of(value).replace("%", "%%") for name, value in _recurring_facts(kind, *recurring).items()}
    return _Form(_written(texts | gaps), _written(dict.fromkeys(links, "%s")), len(gaps))


def _written(members: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{members[name]}' for name in sorted(members)) + "}"


@lru_cache(maxsize=1024, typed=True)
def _recurring_facts(kind: type, *values: object) -> dict[str, Value]:
    facts: dict[str, Value] = {"phase": _PHASES[kind].value}
    for name, value in zip(_SHAPES[kind].recurring, values, strict=True):
        if value is not None and (checked := _checked(name, value)) is not None:
            facts[name] = checked
    return facts


def _checked(name: str, value: object) -> Value | None:
    kind = type(value)
    if kind is str:
        return _checked_text(name, value)
    if kind is int:
        return _checked_count(name, value)
    if isinstance(value, Enum):
        return str(value.value)
    match value:
        case bool():
            raise RecordRejected(name)
        case int():
            return _checked_count(name, value)
        case str():
            return _checked_text(name, value)
        case tuple() if len(value) > ITEM_LIMIT:
            raise RecordRejected(name)
        case tuple():
            return [_checked_text(name, one) for one in value] or None
        case Mapping():
            return _checked_counts(name, value)
    raise RecordRejected(name)


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RecordRejected(name)
    if name == "method" and value not in METHODS:
        return OTHER_METHOD  # callers can invent methods; their words are not recorded
    grammar = _GRAMMARS.get(name)
    if grammar is None or not grammar.fullmatch(value) or not _is_encodable(value):
        raise RecordRejected(name)
    return value


def _checked_count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -INTEGER_LIMIT < value < INTEGER_LIMIT:
        raise RecordRejected(name)
    return value


def _checked_counts(name: str, value: Mapping[object, object]) -> dict[str, int] | None:
    if len(value) > ITEM_LIMIT:
        raise RecordRejected(name)
    return {_checked_text(name, key): _checked_count(name, count) for key, count in value.items()} or None


def _is_encodable(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
