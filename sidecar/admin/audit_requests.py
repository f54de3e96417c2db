"""What callers of the audit endpoints send, parsed. Pure. Nothing of what was sent is in an error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from sidecar.audit.export import ExportFormat
from sidecar.audit.leaf import instant
from sidecar.audit.query import Question
from sidecar.audit.record import Action, Decision
from sidecar.errors import PayloadFault, PayloadRefused

LIMIT: Final = 1000
_PSEUDONYM = re.compile(r"k[0-9]{1,6}:[0-9a-f]{32}")
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9]{1,9})")
_NAMES: Final = frozenset({"since", "until", "actor", "route", "decision", "action", "exchange_id"})
_CLOSED: Final = {"decision": frozenset(Decision), "action": frozenset(Action)}


@dataclass(frozen=True, slots=True)
class PageAsked:
    """A question, and which part of the answer is wanted."""

    question: Question
    limit: int
    size: int | None
    skip: int


@dataclass(frozen=True, slots=True)
class ExportAsked:
    """What a bundle shall hold."""

    question: Question
    formats: tuple[ExportFormat, ...]
    complete: bool


def parse_page(query: Mapping[str, str], pseudonyms: tuple[str, ...]) -> PageAsked:
    """Return what the query of a URL asks for, or raise PayloadRefused naming the parameter."""
    known = {name: value for name, value in query.items() if name not in ("limit", "cursor", "pseudonym", "reason")}
    size, skip = None, 0
    if "cursor" in query:
        match = _CURSOR.fullmatch(query["cursor"]) or _refuse("cursor")
        size, skip = int(match[1]), int(match[2])
    return PageAsked(_question(known, pseudonyms), _whole(query.get("limit", "100"), "limit", 1, LIMIT), size, skip)


def parse_export(body: bytes) -> ExportAsked:
    """Return what a body asks for, or raise PayloadRefused naming the member."""
    members = parse_object(body)
    question, formats = members.pop("question", None), members.pop("formats", ["jsonl"])
    complete = members.pop("complete", False)
    if members or not isinstance(question, dict) or not isinstance(formats, list) or not isinstance(complete, bool):
        _refuse("question, formats or complete")
    pseudonyms = question.pop("pseudonyms", [])
    if not isinstance(pseudonyms, list) or set(map(str, formats)) - set(ExportFormat):
        _refuse("pseudonyms or formats")
    views = tuple(ExportFormat(one) for one in dict.fromkeys(map(str, formats)))
    return ExportAsked(_question(question, tuple(map(str, pseudonyms))), views, complete)


def parse_size(query: Mapping[str, str], name: str) -> int:
    """Return a number of records, or raise PayloadRefused."""
    return _whole(query.get(name, ""), name, 0, 2**53)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object, or raise PayloadRefused."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        _refuse("body")
    return members


def _question(members: Mapping[str, object], pseudonyms: tuple[str, ...]) -> Question:
    for name, value in members.items():
        if name not in _NAMES or not _is_text(value) or value not in _CLOSED.get(name, {value}):
            _refuse(name if name in _NAMES else "a parameter that is not known")
    if not all(_PSEUDONYM.fullmatch(one) for one in pseudonyms):
        _refuse("pseudonym")
    asked = {name: str(value) for name, value in members.items()}
    for name in ("since", "until"):
        if name in asked:
            asked[name] = _moment(asked[name], name)
    return Question(**asked, pseudonyms=frozenset(pseudonyms) or None)


def _is_text(value: object) -> bool:
    """Whether it is a string that can be written as UTF-8: JSON may hold halves of characters."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _moment(text: str, name: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):  # also of the first and the last day that there are, in other zones
        _refuse(name)


def _whole(text: str, name: str, least: int, most: int) -> int:
    number = int(text) if text.isdecimal() and text.isascii() and len(text) < 17 else -1
    if not least <= number <= most:
        _refuse(name)
    return number


def _refuse(name: str) -> NoReturn:
    raise PayloadRefused(PayloadFault.NOT_PARSEABLE, name)
