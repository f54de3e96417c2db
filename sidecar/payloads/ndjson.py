"""Newline-delimited JSON (ndjson.org, jsonlines.org): one JSON text on each line. Paths begin with the line's index."""

from __future__ import annotations

import re

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document
from sidecar.payloads.json_scanner import scan_json
from sidecar.payloads.json_text import BYTE_ORDER_MARK, shifted_host
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded

_LINE = re.compile(r"[^\n]+")
MEDIA_TYPES = frozenset({
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines",
    "application/x-jsonlines",
})  # fmt: skip


class NdjsonBody:
    """Lines of JSON. Empty lines and a missing last line end are passed over and kept."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: a line that is not parseable, or nothing but empty lines; too deep, too large."""
        encoded(text)
        builder = SplicedBuilder(self._limits)
        row = 0
        for line in _LINE.finditer(text, 1 if text.startswith(BYTE_ORDER_MARK) else 0):
            if line[0].strip(" \t\r"):
                scan_json(builder, line[0], shifted_host(line.start()), (row,))
                row += 1
        if row == 0:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "no line of JSON")
        return builder.build(text)
