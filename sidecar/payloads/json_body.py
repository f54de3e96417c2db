"""JSON as a payload format."""

from __future__ import annotations

from sidecar.payloads.document import Document
from sidecar.payloads.json_scanner import scan_json
from sidecar.payloads.json_text import BYTE_ORDER_MARK
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded

MEDIA_TYPES = frozenset({"application/json", "text/json", "application/x-json", "application/.json"})
"""Besides these, any ``…+json`` (RFC 6839). ``application/.json`` is what Label Studio's export says."""


class JsonBody:
    """One JSON text (RFC 8259). A byte order mark before it is passed over and kept."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: not parseable, too deep, too large, or (lone surrogates) of no charset."""
        encoded(text)
        builder = SplicedBuilder(self._limits)
        scan_json(builder, text, start=1 if text.startswith(BYTE_ORDER_MARK) else 0)
        return builder.build(text)
