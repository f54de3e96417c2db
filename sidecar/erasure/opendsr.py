"""OpenDSR on the wire: what controllers send, and what they are answered, byte for byte. Pure.

Version 2.0, and 1.0 (then OpenGDPR) with its own nouns and headers. The specification has no state for a failure or for
what is lawfully kept: such a request stays ``in_progress`` here, for ``completed`` would be untrue.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from sidecar.erasure.deadlines import Regulation
from sidecar.erasure.outcomes import RequestState
from sidecar.erasure.reading import Json, Problems, RequestInvalid, mapping, parse_json, read_time, read_uuid
from sidecar.erasure.receipt import timestamp
from sidecar.erasure.request import (
    MAX_IDENTITIES,
    ErasureRequest,
    IdentityType,
    Origin,
    SubjectIdentity,
    read_identities,
    read_value,
)
from sidecar.errors import Problem
from sidecar.stores.erasure_views import RequestView

MAX_CALLBACKS: Final = 10
IDENTITY_TYPES: Final[Mapping[str, IdentityType]] = MappingProxyType(
    {"controller_customer_id": IdentityType.CUSTOMER_ID, "email": IdentityType.EMAIL}
)
"""What OpenDSR calls our types. Others go into the extension that is ours: ``{"identities": [{"type", "value"}]}``."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version: how its paths begin, how its headers are called, and what it says of itself."""

    api_version: str
    origin: Origin
    discovery: tuple[str, ...]
    requests: tuple[str, ...]
    domain_header: str
    signature_header: str
    names_regulation: bool


V2: Final = Dialect(
    "2.0",
    Origin.OPENDSR,
    ("/v2/discovery",),
    ("/v2/requests",),
    "X-OpenDSR-Processor-Domain",
    "X-OpenDSR-Signature",
    True,
)
V1: Final = Dialect(
    "1.0",
    Origin.OPENGDPR,
    ("/v1/discovery", "/discovery"),
    ("/v1/opengdpr_requests", "/opengdpr_requests"),
    "X-OpenGDPR-Processor-Domain",
    "X-OpenGDPR-Signature",
    False,
)

_FIELDS: Final = (
    "regulation", "subject_request_id", "subject_request_type", "submitted_time", "subject_identities", "api_version",
    "status_callback_urls", "extensions", "property_id",
)  # fmt: skip
_STATES: Final[Mapping[RequestState, str]] = MappingProxyType(
    {
        RequestState.AWAITING_VERIFICATION: "pending",
        RequestState.PENDING: "pending",
        RequestState.COMPLETED: "completed",
        RequestState.CANCELLED: "cancelled",
    }
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How bodies are read: our domain, who sends, and how the controller is trusted to have identified the person."""

    domain: str
    controller: str
    verified_by: str | None


def parse_opendsr(body: bytes, dialect: Dialect, terms: Terms) -> ErasureRequest:
    """Return the request, or raise ``RequestInvalid`` with everything that is wrong."""
    problems = Problems()
    fields = mapping(parse_json(body), "body", _FIELDS, problems)
    if fields.get("subject_request_type") != "erasure":
        problems.add("subject_request_type", "is not supported", "Supported is erasure")
    said = fields.get("api_version", dialect.api_version)
    if not isinstance(said, str) or said.partition(".")[0] not in _majors(dialect):
        problems.add("api_version", "is not spoken on this path", f"Send {dialect.api_version}")
    if fields.get("submitted_time") is None:
        problems.add("submitted_time", "is missing", "Write it like 2025-03-01T12:00:00Z")
    request = ErasureRequest(
        id=read_uuid(fields.get("subject_request_id"), "subject_request_id", problems),
        regulation=_regulation(fields.get("regulation"), dialect, problems),
        identities=_identities(fields, terms.domain, problems),
        submitted=read_time(fields.get("submitted_time"), problems),
        verified_by=terms.verified_by,
        callbacks=_callbacks(fields.get("status_callback_urls"), problems),
        origin=dialect.origin,
        controller=terms.controller,
    )
    if problems.found:
        raise RequestInvalid(tuple(problems.found))
    return request


def discovery_body(dialect: Dialect, types: Collection[IdentityType], certificate_url: str) -> bytes:
    """Say what we take: identities as they are, for a hash can't be looked for in somebody's database."""
    identities = [
        {"identity_type": name, "identity_format": "raw"} for name, kind in IDENTITY_TYPES.items() if kind in types
    ]
    return _wire(
        {
            "api_version": dialect.api_version,
            "supported_identities": identities,
            "supported_subject_request_types": ["erasure"],
            "processor_certificate": certificate_url,
        }
    )


def created_body(view: RequestView, expected: str, raw: bytes) -> bytes:
    """Acknowledge a request. ``raw`` is echoed, and kept nowhere."""
    return _wire(
        {
            "controller_id": view.controller,
            "expected_completion_time": expected,
            "received_time": timestamp(view.received_at),
            "encoded_request": base64.b64encode(raw).decode("ascii"),
            "subject_request_id": view.id,
        }
    )


def status_body(view: RequestView, state: RequestState, dialect: Dialect) -> bytes:
    """Say how a request stands."""
    return _wire(_status(view, state, dialect.api_version))


def callback_body(view: RequestView, state: RequestState, url: str) -> bytes:
    """Say the same to a callback, which is named in the body, so that it can't be replayed to another.

    In the version in which the controller asked.
    """
    dialect = V1 if view.origin == Origin.OPENGDPR else V2
    return _wire({**_status(view, state, dialect.api_version), "status_callback_url": url})


def dialect_of(callback: bytes) -> Dialect:
    """Return the version of a callback's body."""
    return V1 if json.loads(callback)["api_version"] == V1.api_version else V2


def cancelled_body(view: RequestView, received: str, dialect: Dialect) -> bytes:
    """Acknowledge that a request is taken back."""
    return _wire(
        {
            "controller_id": view.controller,
            "subject_request_id": view.id,
            "received_time": received,
            "api_version": dialect.api_version,
        }
    )


def error_body(code: int, message: str, problems: Collection[Problem] = ()) -> bytes:
    """Say what is wrong, in texts of our own alone."""
    errors = [{"domain": "Validation", "reason": problem.path, "message": str(problem)} for problem in problems]
    return _wire({"error": {"code": code, "message": message, "errors": errors}})


def wire_state(state: RequestState) -> str:
    """Return the state in the four words that OpenDSR has."""
    return _STATES.get(state, "in_progress")


def _status(view: RequestView, state: RequestState, api_version: str) -> dict[str, object]:
    return {
        "controller_id": view.controller,
        "expected_completion_time": timestamp(view.from_receipt_at if view.paused else view.internal_at),
        "subject_request_id": view.id,
        "request_status": wire_state(state),
        "api_version": api_version,
    }


def _majors(dialect: Dialect) -> tuple[str, ...]:
    return ("2",) if dialect is V2 else ("0", "1")


def _regulation(value: Json, dialect: Dialect, problems: Problems) -> Regulation:
    if value is None and not dialect.names_regulation:
        return Regulation.GDPR
    for known in (Regulation.GDPR, Regulation.CCPA):
        if value == known.value:
            return known
    problems.add("regulation", "is not supported", "Supported are gdpr, ccpa")
    return Regulation.GDPR


def _identities(fields: Mapping[str, Json], domain: str, problems: Problems) -> tuple[SubjectIdentity, ...]:
    rows = fields.get("subject_identities", [])
    found: list[SubjectIdentity | None] = []
    if not isinstance(rows, list) or len(rows) > MAX_IDENTITIES:
        problems.add("subject_identities", "is no list of identities", f"Give at most {MAX_IDENTITIES}")
        rows = []
    for index, row in enumerate(rows):
        found.append(_identity(row, f"subject_identities[{index}]", problems))
    extensions = fields.get("extensions")
    ours = extensions.get(domain) if isinstance(extensions, dict) else None
    if ours is not None:
        found.extend(read_identities(ours, "extensions", problems))
    if not found and not problems.found:
        problems.add("subject_identities", "names nobody", "Give at least one identity")
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _identity(row: Json, path: str, problems: Problems) -> SubjectIdentity | None:
    fields = mapping(row, path, ("identity_type", "identity_value", "identity_format"), problems)
    name = fields.get("identity_type")
    kind = IDENTITY_TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        problems.add(f"{path}.identity_type", "is not supported", f"Supported are {', '.join(IDENTITY_TYPES)}")
        return None
    if fields.get("identity_format") != "raw":
        problems.add(f"{path}.identity_format", "is not supported", "Supported is raw: a hash can't be looked for")
        return None
    return read_value(kind, fields.get("identity_value"), f"{path}.identity_value", problems)


def _callbacks(value: Json, problems: Problems) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_CALLBACKS:
        problems.add("status_callback_urls", "is no list of URLs", f"Give at most {MAX_CALLBACKS}")
        return ()
    urls = []
    for index, one in enumerate(value):
        if isinstance(one, str) and is_callback_url(one):
            urls.append(one)
        else:
            problems.add(f"status_callback_urls[{index}]", "is no https URL", "Write it like https://host/path")
    return tuple(dict.fromkeys(urls))


def is_callback_url(url: str) -> bool:
    """Tell whether a URL has a form that we would call: https, a host, no user, no fragment, plain characters."""
    if len(url) > 2000 or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and not parts.fragment


def _wire(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
