"""Forms: ``application/x-www-form-urlencoded`` (WHATWG URL, section 5). Names are member names, values strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote_plus

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.forgery_tokens import is_forgery_token
from sidecar.payloads.json_scanner import Literal, looks_embedded, scan_embedded
from sidecar.payloads.json_text import WHOLE, escaped_host
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded

MEDIA_TYPES = frozenset({"application/x-www-form-urlencoded"})
_PAIR = re.compile(r"(?P<name>[^&=]*)(?:=(?P<value>[^&]*))?(?:&|\Z)")
_ESCAPES = re.compile(r"(?:%[0-9a-fA-F]{2})+|\+")
_BROKEN = re.compile(r"%(?![0-9a-fA-F]{2})")


class FormBody:
    """Pairs of names and values. Pairs that are not edited keep their spelling."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: a broken percent code, bytes that are not UTF-8, too large."""
        encoded(text)
        if _BROKEN.search(text):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a broken percent code")
        builder = SplicedBuilder(self._limits)
        for pair in _PAIR.finditer(text):
            if pair[0].strip("&"):
                _add_pair(builder, pair)
        return builder.build(text)


def _add_pair(builder: SplicedBuilder, pair: re.Match[str]) -> None:
    name = _decoded(pair["name"])
    builder.add((name,), LeafKind.KEY, name, *pair.span("name"), _written)
    raw = pair["value"]
    if raw is None:
        return
    text = _decoded(raw)
    if is_forgery_token(name, text):
        return
    start, end = pair.span("value")
    if looks_embedded(text):
        host = escaped_host(WHOLE, _escapes(raw), start, _written)
        if scan_embedded(builder, text, host, Literal(start, end, _written, (name,), 1, 1)):
            return
    builder.add((name,), LeafKind.STRING, text, start, end, _written)


def _decoded(raw: str) -> str:
    return _ESCAPES.sub(lambda run: _characters(run[0]), raw)


def _characters(run: str) -> str:
    if run == "+":
        return " "
    try:
        return bytes.fromhex(run.replace("%", "")).decode()
    except UnicodeDecodeError:
        raise PayloadRefused(PayloadFault.CHARSET, "percent codes that are not UTF-8") from None


def _escapes(raw: str) -> Iterator[tuple[int, int, int]]:
    """Each escaped character on its own, so that JSON can be cut between any two."""
    for run in _ESCAPES.finditer(raw):
        begin = run.start()
        for character in _characters(run[0]):
            size = 1 if run[0] == "+" else 3 * len(character.encode())
            yield begin, begin + size, 1
            begin += size


def _written(new: str | None) -> str:
    return quote_plus(new or "", safe="*-._", encoding="utf-8")
