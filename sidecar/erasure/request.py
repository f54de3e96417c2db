"""The body of ``POST /v1/erasures``, parsed once and strictly. Pure.

A field that is not known may hold a person's data, and so may its name: problems name the place, never what stands
there (E5). An identity that could match nobody (an e-mail without ``@``) is refused: erasing nobody looks like success.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias
from uuid import UUID

import rfc8785

from sidecar.erasure.deadlines import ExtensionGround, Regulation
from sidecar.errors import Problem, SidecarError
from sidecar.keys import Pseudonymizer

MAX_BODY_BYTES: Final = 64 * 1024
MAX_IDENTITIES: Final = 50
MAX_VALUE_CHARACTERS: Final = 512
_VERIFIED_BY: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class IdentityType(StrEnum):
    """What kind of identifier names the person. A closed set: target templates use these words as fields."""

    EMAIL = "email"
    PHONE = "phone"
    CUSTOMER_ID = "customer_id"
    ACCOUNT_ID = "account_id"
    NAME = "name"
    USERNAME = "username"
    CONVERSATION_ID = "conversation_id"


@dataclass(frozen=True, slots=True)
class SubjectIdentity:
    """One identifier of the person who asks. The value never shows in a repr."""

    type: IdentityType
    value: str = field(repr=False)


class Origin(StrEnum):
    """By which way a request came."""

    API = "api"
    OPENDSR = "opendsr"
    CHATBOT = "chatbot"  # its own webhook
    CHAT = "chat"  # recognised in what somebody wrote


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """What was asked. ``verified_by`` is the word for *how* the person was identified; None: not yet (E7).

    ``callbacks``: URLs that OpenDSR's controller wants to be told at. ``controller``: which caller it is.
    """

    id: str
    regulation: Regulation
    identities: tuple[SubjectIdentity, ...] = field(repr=False)
    submitted: datetime | None = None
    verified_by: str | None = None
    callbacks: tuple[str, ...] = field(default=(), repr=False)
    origin: Origin = Origin.API
    controller: str | None = None


class RequestInvalid(SidecarError):
    """The body can't be used; every problem is listed at once, free of values."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class _Problems:
    """Collects problems on the way through one body."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, message: str, remedy: str) -> None:
        self.found.append(Problem(path, message, remedy))


def parse_request(body: bytes) -> ErasureRequest:
    """Return the request, or raise ``RequestInvalid`` with everything that is wrong."""
    problems = _Problems()
    fields = _mapping(_parse_json(body), "body", _FIELDS, problems)
    request = ErasureRequest(
        id=_uuid(fields.get("id"), problems),
        regulation=_regulation(fields.get("regulation"), problems),
        identities=_identities(fields.get("subject"), problems),
        submitted=_time(fields.get("submitted_time"), problems),
        verified_by=_verified_by(fields.get("verified_by"), problems),
    )
    if problems.found:
        raise RequestInvalid(tuple(problems.found))
    return request


def parse_verification(body: bytes) -> str:
    """Return ``verified_by`` of a body that only says how the person was identified."""
    problems = _Problems()
    fields = _mapping(_parse_json(body), "body", ("verified_by",), problems)
    word = _verified_by(fields.get("verified_by"), problems)
    if word is None and not problems.found:
        problems.add("verified_by", "is missing", _VERIFIED_BY_REMEDY)
    if problems.found or word is None:
        raise RequestInvalid(tuple(problems.found))
    return word


def parse_extension(body: bytes) -> ExtensionGround:
    """Return why a deadline is to be prolonged: a closed word, for free text could name a person."""
    problems = _Problems()
    fields = _mapping(_parse_json(body), "body", ("ground",), problems)
    ground = next((known for known in ExtensionGround if fields.get("ground") == known.value), None)
    if ground is None:
        problems.add("ground", "is not known", f"Known are {', '.join(ExtensionGround)}")
    if problems.found or ground is None:
        raise RequestInvalid(tuple(problems.found))
    return ground


def body_digest(request: ErasureRequest, pseudonyms: Pseudonymizer) -> bytes:
    """Return the keyed hash by which the same body is known again (E2): of what was said, not of how it was spaced."""
    said: dict[str, object] = {
        "id": request.id,
        "regulation": request.regulation.value,
        "identities": identity_rows(request.identities),
        "submitted_time": request.submitted.isoformat() if request.submitted else None,
        "verified_by": request.verified_by,
    }
    if request.callbacks:
        said["callbacks"] = list(request.callbacks)
    return pseudonyms.digest("body", canonical_json(said).decode())


def subject_pseudonym(identities: Sequence[SubjectIdentity], pseudonyms: Pseudonymizer) -> str:
    """Return the person's pseudonym for records: the same identifiers in any order give the same."""
    parts = sorted(f"{identity.type.value}\x00{identity.value}" for identity in identities)
    return pseudonyms.label("subject", *parts)


def identity_rows(identities: Sequence[SubjectIdentity]) -> list[list[str]]:
    """Return the identities as plain rows ``[type, value]``, in the order given."""
    return [[identity.type.value, identity.value] for identity in identities]


def identities_from_rows(rows: Sequence[Sequence[str]]) -> tuple[SubjectIdentity, ...]:
    """Return what ``identity_rows`` was made from."""
    return tuple(SubjectIdentity(IdentityType(kind), value) for kind, value in rows)


def canonical_json(value: object) -> bytes:
    """Return RFC 8785 bytes of a value made of our own strings, whole numbers, lists and mappings."""
    return rfc8785.dumps(value)  # type: ignore[arg-type]


_FIELDS: Final = ("id", "regulation", "subject", "submitted_time", "verified_by")
_VERIFIED_BY_REMEDY: Final = "Name the procedure by one word of a-z, 0-9, '_', '-', '.', e.g. account_login"


def _parse_json(body: bytes) -> Json:
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


def _mapping(value: Json, path: str, known: tuple[str, ...], problems: _Problems) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        problems.add(path, "is not an object", f"Give an object with {', '.join(known)}")
        return {}
    unknown = sum(name not in known for name in value)
    if unknown:
        problems.add(path, f"has {unknown} field(s) that are not known", f"Known are {', '.join(known)}")
    return value


def _uuid(value: Json, problems: _Problems) -> str:
    if isinstance(value, str):
        try:
            if str(UUID(value)) == value:
                return value
        except ValueError:
            pass
    problems.add("id", "is not a UUID in lower case", "Choose one for each request and send it again on every retry")
    return ""


def _regulation(value: Json, problems: _Problems) -> Regulation:
    for known in Regulation:
        if value == known.value:
            return known
    problems.add("regulation", "is not known", f"Known are {', '.join(Regulation)}")
    return Regulation.GDPR


def _time(value: Json, problems: _Problems) -> datetime | None:
    if value is None:
        return None
    try:
        # RFC 3339 allows second 60; Python does not. A second earlier is the stricter reading.
        parsed = datetime.fromisoformat(value.replace(":60", ":59")) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None or not 1970 < parsed.year < 9999:
        problems.add("submitted_time", "is no RFC 3339 time with an offset", "Write it like 2025-03-01T12:00:00Z")
        return None
    return parsed.astimezone(UTC)


def _verified_by(value: Json, problems: _Problems) -> str | None:
    if value is None or (isinstance(value, str) and _VERIFIED_BY.fullmatch(value)):
        return value
    problems.add("verified_by", "is not one word", _VERIFIED_BY_REMEDY)
    return None


def _identities(subject: Json, problems: _Problems) -> tuple[SubjectIdentity, ...]:
    rows = _mapping(subject, "subject", ("identities",), problems).get("identities")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_IDENTITIES:
        problems.add("subject.identities", "is no list of identities", f"Give from 1 to {MAX_IDENTITIES}")
        return ()
    parsed = [_identity(row, f"subject.identities[{index}]", problems) for index, row in enumerate(rows)]
    return tuple(dict.fromkeys(identity for identity in parsed if identity is not None))


def _identity(row: Json, path: str, problems: _Problems) -> SubjectIdentity | None:
    fields = _mapping(row, path, ("type", "value"), problems)
    kind = next((known for known in IdentityType if fields.get("type") == known.value), None)
    value = fields.get("value")
    if kind is None:
        problems.add(f"{path}.type", "is not supported", f"Supported are {', '.join(IdentityType)}")
        return None
    if not isinstance(value, str) or not _is_plain(value):
        problems.add(f"{path}.value", "is no plain text", _VALUE_REMEDY)
        return None
    if not _could_match(kind, value):
        problems.add(f"{path}.value", f"can't be of type {kind.value}", "Correct it, or name its type")
        return None
    return SubjectIdentity(kind, value)


_VALUE_REMEDY: Final = f"Give 1 to {MAX_VALUE_CHARACTERS} printable characters, no white space at either end"


def _is_plain(value: str) -> bool:
    return 0 < len(value) <= MAX_VALUE_CHARACTERS and value.strip() == value and value.isprintable()


def _could_match(kind: IdentityType, value: str) -> bool:
    if kind is IdentityType.EMAIL:
        local, _, domain = value.rpartition("@")
        return bool(local) and bool(domain) and " " not in value
    if kind is IdentityType.PHONE:
        return sum(character.isdigit() for character in value) >= 5
    return True
