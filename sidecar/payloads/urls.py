"""URLs within payloads: which parts of one could name a person. Segments of paths are names of programs mostly, and are
judged as member names are; the values of queries are texts. Each is decoded, and written back percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote, unquote_plus, unquote_to_bytes

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.json_text import Host
from sidecar.payloads.spliced import SplicedBuilder

_LOOKS = re.compile(
    r"\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//\S+\s*|\s*(?:mailto|tel|sms|callto):.+|/[^\s/][^\s/?%]*+[/?%]\S*", re.DOTALL
)
_SPOKEN = re.compile(r"\s*(?:mailto|tel|sms|callto|skype|xmpp|sip|javascript):", re.IGNORECASE)
_SCHEME = re.compile(r"\s*[a-zA-Z][a-zA-Z0-9+.-]*:(?!\d+(?:[/?#]|\Z))")
_BASE64 = re.compile(r"data:[^,]{0,200};\s*base64\s*,", re.IGNORECASE)
_ORIGIN = re.compile(r"(?:https?|wss?)://[a-z0-9.:\[\]-]+(?=[/?#\s,]|\Z)", re.IGNORECASE)
_PIECE = re.compile(r"[^/?&=;,#\s]+")
_SAID = re.compile(r"[^/?&=;,#\s]+(?:\s++[^/?&=;,#\s]+)*")
"""A phone number is one, with the spaces that people put into it."""
# Where a list goes on. Whoever asks for the next page sends them back as they are.
_PAGES = frozenset({
    "after", "before", "continuation", "continuationtoken", "cursor", "ending_before", "marker", "next_cursor",
    "next_token", "nexttoken", "page_token", "pagetoken", "starting_after",
})  # fmt: skip
_CURSOR = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])(?!.*%40)(?:[A-Za-z0-9_+/-]|%2[BbFf]|%3[Dd]){4,}={0,2}")
_DEEPEST = 3  # percent codes within percent codes


def looks_like_url(text: str) -> bool:
    return _LOOKS.fullmatch(text) is not None


def is_cursor(name: str, value: str) -> bool:
    """Whether a parameter says where a list goes on, by a value as random as such values are."""
    return name.lower() in _PAGES and _CURSOR.fullmatch(value) is not None


def refuse_base64(text: str) -> None:
    """Raise ``PayloadRefused`` for a ``data:`` URL in base64: it may hold anything, and is not opened."""
    if ":" in text and _BASE64.search(text):
        raise PayloadRefused(PayloadFault.MEDIA_TYPE, "a data: URL in base64")


def add_url(builder: SplicedBuilder, text: str, host: Host, path: Path) -> None:
    """Add the parts of a URL as leaves below ``path``. ``host`` says where the text stands.

    What comes after a ``name=`` has that name in its path. Scheme and host are a leaf that is not scanned: whoever
    must may write another origin there. Raises ``PayloadRefused``: see ``refuse_base64``.
    """
    refuse_base64(text)
    for origin in _ORIGIN.finditer(text):
        start, end = host.locate(origin.start()), host.locate(origin.end())
        builder.add((*path, "//"), LeafKind.OTHER, origin[0], start, end, lambda new: new or "")
    spoken = _SPOKEN.match(text)
    scheme = spoken or _SCHEME.match(text)
    for number, (kind, name, start, end) in enumerate(_pieces(text, scheme.end() if scheme else 0, bool(spoken))):
        if kind is LeafKind.STRING and is_cursor(name, text[start:end]):
            continue
        plain = _decoded(text[start:end], unquote if spoken or kind is LeafKind.KEY else unquote_plus)
        place = (*path, name) if name else (*path, number)
        place = (*place, plain) if kind is LeafKind.KEY else place
        builder.add(place, kind, plain, host.locate(start), host.locate(end), _written)


def _pieces(text: str, position: int, is_text: bool) -> Iterator[tuple[LeafKind, str, int, int]]:
    """Kind, name of the parameter, start and end of each part."""
    query = min((at for at in (text.find("?", position), text.find("#", position)) if at >= 0), default=len(text))
    name = ""
    for found in (_SAID if is_text else _PIECE).finditer(text, position):
        follows, before = text[found.end() : found.end() + 1], text[found.start() - 1 : found.start()]
        if before != "=":
            name = ""
        kind = LeafKind.STRING if is_text or name else LeafKind.KEY
        yield kind, name, found.start(), found.end()
        if follows == "=" and found.start() > query:
            name = found[0]


def _decoded(raw: str, decode: Callable[[str], str]) -> str:
    plain = raw
    for _ in range(_DEEPEST):
        try:
            unquote_to_bytes(plain).decode()
        except UnicodeDecodeError:
            return plain
        decoded = unquote(plain)
        decoded = decoded if "@" in decoded else decode(plain)  # a plus may belong to an address
        if decoded == plain:
            break
        plain = decoded
    return plain


def _written(new: str | None) -> str:
    return quote(new or "", safe="")
