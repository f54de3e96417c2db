"""Reads fields of JSON bodies that people send, and collects what is wrong with them. Pure.

A field that is not known may hold a person's data, and so may its name: problems name the place, never what stands
there (E5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from sidecar.errors import Problem, SidecarError

MAX_VALUE_CHARACTERS: Final = 512
_LEAP_SECOND: Final = re.compile(r"(T[0-9]{2}:[0-9]{2}):60", re.ASCII | re.IGNORECASE)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class RequestInvalid(SidecarError):
    """The body can't be used; every problem is listed at once, free of values."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Problems:
    """Collects problems on the way through one body."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, message: str, remedy: str) -> None:
        self.found.append(Problem(path, message, remedy))


def parse_json(body: bytes) -> Json:
    try:
        parsed: Json = json.loads(body.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):  # the foreign error carries the whole document
        problem = Problem("body", "is no JSON, or names a field twice", "Send one JSON object in UTF-8")
        raise RequestInvalid((problem,)) from None
    return parsed


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError
    return fields


def mapping(value: Json, path: str, known: tuple[str, ...], problems: Problems) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        problems.add(path, "is not an object", f"Give an object with {', '.join(known)}")
        return {}
    unknown = sum(name not in known for name in value)
    if unknown:
        problems.add(path, f"has {unknown} field(s) that are not known", f"Known are {', '.join(known)}")
    return value


def read_uuid(value: Json, path: str, problems: Problems) -> str:
    if isinstance(value, str):
        try:
            if str(UUID(value)) == value:
                return value
        except ValueError:
            pass
    problems.add(path, "is not a UUID in lower case", "Choose one for each request and send it again on every retry")
    return ""


def read_time(value: Json, problems: Problems, path: str = "submitted_time") -> datetime | None:
    if value is None:
        return None
    try:
        # RFC 3339 allows second 60; Python does not. A second earlier is the stricter reading.
        parsed = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", value)) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        problems.add(path, "is no RFC 3339 time with an offset", "Write it like 2025-03-01T12:00:00Z")
        return None
    if not 1970 < parsed.year < 9999:
        problems.add(path, "is of a year that can't be meant", "Give a time from 1971 to 9998")
        return None
    return parsed.astimezone(UTC)


VALUE_REMEDY: Final = f"Give 1 to {MAX_VALUE_CHARACTERS} printable characters, no white space at either end"


def is_plain(value: str) -> bool:
    return 0 < len(value) <= MAX_VALUE_CHARACTERS and value.strip() == value and value.isprintable()
