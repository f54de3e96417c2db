"""From a verified certificate and an Authorization header to the credentials a caller presented. Pure.

Subject alternative names only; the common name never counts (P52, RFC 9525 section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.access import Credentials

# SPIFFE-ID section 2: lower-case trust domain, path segments of unreserved characters. "." and ".." are no segments.
_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*")
_SPIFFE_SCHEME = "spiffe:"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]{1,2048}")
# A wildcard names nobody in particular, so it has no place here.
_DNS = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_DNS_LONGEST = 253
# RFC 6750 section 2.1: one space, then b64token.
_BEARER = re.compile(r"bearer (?P<token>[A-Za-z0-9._~+/-]{1,4096}={0,2})", re.IGNORECASE)


def credentials(peercert: Mapping[str, Any] | None, authorization: str | None) -> Credentials:
    """Return what a caller presented; what is malformed counts as not presented.

    ``peercert`` is ``ssl.SSLObject.getpeercert()`` of a *verified* certificate: ``{"subjectAltName": (("DNS", "a.b"),
    ("URI", "spiffe://…")), …}``, empty or None without one. ``authorization`` is the only such header of the request.
    """
    return Credentials(tuple(_names(peercert or {})), bearer_token(authorization))


def _names(peercert: Mapping[str, Any]) -> Iterator[str]:
    names: tuple[tuple[str, str], ...] = peercert.get("subjectAltName", ())
    for name in (value for kind, value in names if kind == "DNS"):
        if len(name) <= _DNS_LONGEST and _DNS.fullmatch(name):
            yield f"DNS:{name.lower()}"
    yield from _uris([value for kind, value in names if kind == "URI"])


def _uris(uris: list[str]) -> Iterator[str]:
    """X.509-SVID section 2: a SPIFFE id stands alone. Beside any other URI it is ambiguous, so it names nobody."""
    for uri in uris:
        if not uri.lower().startswith(_SPIFFE_SCHEME):
            if _URI.fullmatch(uri):
                yield f"URI:{uri}"
        elif len(uris) == 1 and len(uri) <= 2048 and _SPIFFE.fullmatch(uri):
            yield f"URI:{uri}"


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an Authorization header, None for one of another scheme or malformed."""
    match = _BEARER.fullmatch(authorization) if authorization is not None else None
    return match["token"] if match else None
