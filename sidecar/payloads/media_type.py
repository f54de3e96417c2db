"""Content-Type (RFC 9110 section 8.3), of a message and of the parts of a multipart one. Strict: what could be read in
two ways is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sidecar.errors import PayloadFault, PayloadRefused

_TYPE = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+", re.ASCII)
_PARAMETER = re.compile(r';\s*(?:([!#$%&\'*+.^_`|~\w-]+)=(?:"([^"\\]*)"|([^\s;"]*)))?\s*', re.ASCII)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case; its charset, in lower case, and its boundary, if it names them."""

    name: str
    charset: str | None = None
    boundary: str | None = None


@lru_cache(maxsize=256)
def media_type_of(declared: str) -> MediaType:
    """Parse a Content-Type, or raise ``PayloadRefused`` for one that is ambiguous."""
    declared = declared.strip()
    kind = _TYPE.match(declared)
    if kind is None:
        raise PayloadRefused(PayloadFault.MEDIA_TYPE, "no media type")
    parameters = list(_parameters(declared[kind.end() :].lstrip()))
    charset = _only([value.lower() for name, value in parameters if name == "charset"], PayloadFault.CHARSET)
    boundary = _only([value for name, value in parameters if name == "boundary"], PayloadFault.MEDIA_TYPE)
    return MediaType(kind[0].lower(), charset, boundary)


def _parameters(rest: str) -> Iterator[tuple[str, str]]:
    while rest:
        found = _PARAMETER.match(rest)
        if found is None:
            raise PayloadRefused(PayloadFault.MEDIA_TYPE, "parameters that can't be parsed")
        yield (found[1] or "").lower(), found[2] or found[3] or ""
        rest = rest[found.end() :]


def _only(values: Sequence[str], fault: PayloadFault) -> str | None:
    if len(values) > 1:
        raise PayloadRefused(fault, "declared twice")
    return values[0] if values else None
