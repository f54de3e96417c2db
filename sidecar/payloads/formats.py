"""Which format a body is read as: by its media type, with strict looks at the body itself (P32, X3).

A type that lies is not believed: JSON is read as JSON whatever it is called, a page as a page. A type that nobody here
can read is refused, never passed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads import csv_body, form, html, json_body, multipart, ndjson, text, xml_body
from sidecar.payloads.csv_body import CsvBody
from sidecar.payloads.document import Document, PayloadFormat
from sidecar.payloads.form import FormBody
from sidecar.payloads.html import HtmlBody
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.json_text import BYTE_ORDER_MARK
from sidecar.payloads.multipart import MultipartBody
from sidecar.payloads.ndjson import NdjsonBody
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits
from sidecar.payloads.text import TextBody
from sidecar.payloads.xml_body import XmlBody

# Bytes of another charset, or signs to a terminal within a word: no text that a scanner and a client read alike.
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")
_LIKE_HTML = re.compile(r"\s*+(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL)
_LIKE_XML = re.compile(r"<\?xml\s")
_UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream"})


class Sniffed:
    """Reads a body as the first of its candidates that can read it in whole."""

    def __init__(
        self,
        candidates: Sequence[PayloadFormat],
        otherwise: PayloadFormat | None,
        markup: Sequence[tuple[re.Pattern[str], PayloadFormat]] = (),
    ) -> None:
        """``candidates`` are tried on what begins like a JSON object or array; ``otherwise`` is the last resort.

        ``markup``: what reads a body that begins like that.
        """
        self._candidates = tuple(candidates)
        self._otherwise = otherwise
        self._markup = tuple(markup)

    @property
    def media_types(self) -> frozenset[str]:
        every = [*self._candidates, *(one for _, one in self._markup)]
        every += [self._otherwise] if self._otherwise else []
        return frozenset().union(*(candidate.media_types for candidate in every))

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: what the last resort says, or (media type) that there is none."""
        if text.lstrip(BYTE_ORDER_MARK + " \t\r\n")[:1] in ("{", "["):
            for candidate in self._candidates:
                try:
                    return candidate.parse(text)
                except PayloadRefused as refusal:
                    if refusal.fault is not PayloadFault.NOT_PARSEABLE:
                        raise
        if _NO_TEXT.search(text):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "control characters")
        for beginning, candidate in self._markup:
            if beginning.match(text):
                return candidate.parse(text)
        if self._otherwise is None:
            raise PayloadRefused(PayloadFault.MEDIA_TYPE)
        return self._otherwise.parse(text)


@lru_cache(maxsize=64)  # the same object for the same arguments: rewrites are remembered by it
def format_for(
    media_type: str,
    limits: Limits = DEFAULT_LIMITS,
    boundary: str | None = None,
) -> PayloadFormat:
    """Return the format for a media type: lower case, without parameters; empty where none was declared.

    ``boundary``: between the parts of a multipart body.

    Raises ``PayloadRefused`` (media type).
    """
    json_lines = (JsonBody(limits), NdjsonBody(limits))
    if media_type in form.MEDIA_TYPES:
        return Sniffed(json_lines, FormBody(limits))  # what curl calls whatever it sends
    if media_type in json_body.MEDIA_TYPES or media_type.endswith("+json"):
        return Sniffed(json_lines, JsonBody(limits))
    if media_type in ndjson.MEDIA_TYPES:
        return Sniffed(json_lines, NdjsonBody(limits))
    if media_type in csv_body.MEDIA_TYPES:
        return Sniffed(json_lines, CsvBody(limits))
    if media_type in multipart.MEDIA_TYPES:
        return MultipartBody(media_type, boundary, format_for, limits)
    if media_type in html.MEDIA_TYPES:
        return Sniffed(json_lines, HtmlBody(limits))
    if media_type in xml_body.MEDIA_TYPES or media_type.endswith("+xml"):
        return Sniffed(json_lines, XmlBody(limits))
    if media_type in text.MEDIA_TYPES or media_type in _UNTYPED:
        otherwise = None if media_type in _UNTYPED else TextBody(limits)
        return Sniffed(json_lines, otherwise, [(_LIKE_HTML, HtmlBody(limits)), (_LIKE_XML, XmlBody(limits))])
    raise PayloadRefused(PayloadFault.MEDIA_TYPE)
