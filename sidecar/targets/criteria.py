"""What an answer must look like to count. Pure.

A criterion lists statuses and may ask something of the JSON body: ``/deleted >= 1``, ``/state == "gone"``,
``/id absent`` (JSON Pointer, RFC 6901; then an operator and a JSON value). A page of HTML meets no criterion, whatever
its status: a login page answers 200 too (E16).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sidecar.errors import SidecarError


class CriterionInvalid(SidecarError):
    """The operator's criterion can't be used."""


class _Missing:
    """What a pointer that leads nowhere gives."""


_MISSING: Final = _Missing()

_ORDERS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType({
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
})  # fmt: skip
_GRAMMAR: Final = re.compile(
    r"(?P<pointer>(?:/[^ ]*)?) (?:(?P<word>present|absent)|(?P<sign>[<>=!]=|[<>]) (?P<value>.+))"
)
_EQUALITIES: Final = frozenset({"==", "!="})


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as criteria see it. ``body`` is the parsed JSON, or None with ``is_json`` false."""

    status: int
    is_html: bool
    is_json: bool
    body: object = None

    def __repr__(self) -> str:
        return f"Answer(status={self.status})"  # the body may speak of the person


@dataclass(frozen=True, slots=True)
class Condition:
    """One question about a JSON body."""

    pointer: str
    sign: str
    value: object = None

    def holds(self, body: object) -> bool:
        found = resolve_pointer(body, self.pointer)
        if self.sign == "absent":
            return found is _MISSING
        if found is _MISSING:
            return False
        if self.sign in _EQUALITIES:
            return _same(found, self.value) == (self.sign == "==")
        if self.sign == "present":
            return True
        return _is_number(found) and _ORDERS[self.sign](found, self.value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Criterion:
    """Met by an answer with one of the statuses whose body meets all conditions."""

    statuses: frozenset[int]
    conditions: tuple[Condition, ...] = ()

    def met_by(self, answer: Answer) -> bool:
        if answer.status not in self.statuses or answer.is_html:
            return False
        if not self.conditions:
            return True
        return answer.is_json and all(condition.holds(answer.body) for condition in self.conditions)


def parse_condition(text: str) -> Condition:
    """Parse ``<pointer> <operator> <JSON value>`` or ``<pointer> present|absent``, or raise ``CriterionInvalid``."""
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise CriterionInvalid("is not of the form '/pointer >= 1' or '/pointer absent'")
    if match["word"]:
        return Condition(match["pointer"], match["word"])
    try:
        value = json.loads(match["value"])
    except (ValueError, RecursionError):
        raise CriterionInvalid("compares with something that is no JSON value; put text in double quotes") from None
    if match["sign"] not in _EQUALITIES and not _is_number(value):
        raise CriterionInvalid(f"{match['sign']} compares numbers only")
    return Condition(match["pointer"], match["sign"], value)


def count_at(body: object, pointer: str) -> int | None:
    """Return the whole number at a pointer; the length, if a list stands there; None otherwise."""
    found = resolve_pointer(body, pointer)
    if isinstance(found, list):
        return len(found)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31:
        return found
    return None


def is_absent(body: object, pointer: str) -> bool:
    return resolve_pointer(body, pointer) is _MISSING


def resolve_pointer(body: object, pointer: str) -> object:
    """Return what a JSON Pointer leads to (RFC 6901 4), or the missing mark."""
    found = body
    for raw in pointer.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and token in found:
            found = found[token]
        elif isinstance(found, list) and token.isdecimal() and token.isascii() and int(token) < len(found):
            found = found[int(token)]
        else:
            return _MISSING
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: object, right: object) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right
