"""The body of ``POST /v1/erasures``, parsed once and strictly. Pure.

A field that is not known may hold a person's data, and so may its name: problems name the place, never what stands
there (E5). An identity that could match nobody (an e-mail without ``@``) is refused: erasing nobody looks like success.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import rfc8785

from sidecar.erasure.deadlines import ExtensionGround, Regulation
from sidecar.erasure.reading import (
    VALUE_REMEDY,
    Json,
    Problems,
    RequestInvalid,
    is_plain,
    mapping,
    parse_json,
    read_time,
    read_uuid,
)
from sidecar.keys import Pseudonymizer

NOBODY: Final = f"k0:{'0' * 32}"
"""The pseudonym in records that are about a request whose person is forgotten here."""
MAX_BODY_BYTES: Final = 64 * 1024
MAX_IDENTITIES: Final = 50
_VERIFIED_BY: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


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
    OPENGDPR = "opengdpr"  # its first version
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


def parse_request(body: bytes) -> ErasureRequest:
    """Return the request, or raise ``RequestInvalid`` with everything that is wrong."""
    problems = Problems()
    fields = mapping(parse_json(body), "body", _FIELDS, problems)
    request = ErasureRequest(
        id=read_uuid(fields.get("id"), "id", problems),
        regulation=_regulation(fields.get("regulation"), problems),
        identities=read_identities(fields.get("subject"), "subject", problems),
        submitted=read_time(fields.get("submitted_time"), problems),
        verified_by=_verified_by(fields.get("verified_by"), problems),
    )
    if problems.found:
        raise RequestInvalid(tuple(problems.found))
    return request


def parse_verification(body: bytes) -> str:
    """Return ``verified_by`` of a body that only says how the person was identified."""
    problems = Problems()
    fields = mapping(parse_json(body), "body", ("verified_by",), problems)
    word = _verified_by(fields.get("verified_by"), problems)
    if word is None and not problems.found:
        problems.add("verified_by", "is missing", _VERIFIED_BY_REMEDY)
    if problems.found or word is None:
        raise RequestInvalid(tuple(problems.found))
    return word


def parse_identity(body: bytes) -> SubjectIdentity:
    """Return the one identity of a body that is no more than that, or raise ``RequestInvalid``."""
    problems = Problems()
    identity = read_identity(parse_json(body), "body", problems)
    if identity is None:
        raise RequestInvalid(tuple(problems.found))
    return identity


def parse_extension(body: bytes) -> ExtensionGround:
    """Return why a deadline is to be prolonged: a closed word, for free text could name a person."""
    problems = Problems()
    fields = mapping(parse_json(body), "body", ("ground",), problems)
    ground = next((known for known in ExtensionGround if fields.get("ground") == known.value), None)
    if ground is None:
        problems.add("ground", "is not known", f"Known are {', '.join(ExtensionGround)}")
    if problems.found or ground is None:
        raise RequestInvalid(tuple(problems.found))
    return ground


def body_digest(request: ErasureRequest, pseudonyms: Pseudonymizer) -> bytes:
    """Return the keyed hash by which the same body is known again (E2): of what was said, not of how it was spaced.

    How a person was identified is said by our own API alone; of what controllers send, by the configuration.
    """
    said: dict[str, object] = {
        "id": request.id,
        "regulation": request.regulation.value,
        "identities": identity_rows(request.identities),
        "submitted_time": request.submitted.isoformat() if request.submitted else None,
        "verified_by": request.verified_by if request.origin is Origin.API else None,
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


def _regulation(value: Json, problems: Problems) -> Regulation:
    for known in Regulation:
        if value == known.value:
            return known
    problems.add("regulation", "is not known", f"Known are {', '.join(Regulation)}")
    return Regulation.GDPR


def _verified_by(value: Json, problems: Problems) -> str | None:
    if value is None or (isinstance(value, str) and _VERIFIED_BY.fullmatch(value)):
        return value
    problems.add("verified_by", "is not one word", _VERIFIED_BY_REMEDY)
    return None


def read_identities(subject: Json, path: str, problems: Problems) -> tuple[SubjectIdentity, ...]:
    """Return the identities of ``{"identities": [{"type", "value"}]}``."""
    rows = mapping(subject, path, ("identities",), problems).get("identities")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_IDENTITIES:
        problems.add(f"{path}.identities", "is no list of identities", f"Give from 1 to {MAX_IDENTITIES}")
        return ()
    parsed = [read_identity(row, f"{path}.identities[{index}]", problems) for index, row in enumerate(rows)]
    return tuple(dict.fromkeys(identity for identity in parsed if identity is not None))


def read_identity(row: Json, path: str, problems: Problems) -> SubjectIdentity | None:
    fields = mapping(row, path, ("type", "value"), problems)
    kind = next((known for known in IdentityType if fields.get("type") == known.value), None)
    value = fields.get("value")
    if kind is None:
        problems.add(f"{path}.type", "is not supported", f"Supported are {', '.join(IdentityType)}")
        return None
    return read_value(kind, value, f"{path}.value", problems)


def read_value(kind: IdentityType, value: Json, path: str, problems: Problems) -> SubjectIdentity | None:
    """Return an identity of a type, if that value could be one."""
    if not isinstance(value, str) or not is_plain(value):
        problems.add(path, "is no plain text", VALUE_REMEDY)
        return None
    if not _could_match(kind, value):
        problems.add(path, f"can't be of type {kind.value}", "Correct it, or name its type")
        return None
    return SubjectIdentity(kind, value)


def _could_match(kind: IdentityType, value: str) -> bool:
    if kind is IdentityType.EMAIL:
        local, _, domain = value.rpartition("@")
        return bool(local) and bool(domain) and " " not in value
    if kind is IdentityType.PHONE:
        return sum(character.isdigit() for character in value) >= 5
    return True
