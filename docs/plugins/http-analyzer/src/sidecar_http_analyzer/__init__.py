"""A recognizer that asks an analyzer over HTTP, by the API of Presidio's analyzer service.

``POST <url>`` with ``{"text", "language"}``; the answer is ``[{"start", "end", "entity_type", "score"}]``, offsets in
code points. Anything else, or nothing in time, raises: then the sidecar refuses the exchange, and nothing leaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar_http_analyzer.analyzer import Analyzer
from sidecar_http_analyzer.answer import spans_of
from sidecar_http_analyzer.settings import AnalyzerSettings, read_settings

__all__ = ["HttpAnalyzer", "make"]


class HttpAnalyzer:
    """The recognizer. One connection is kept open and used again."""

    name = "http-analyzer"

    def __init__(self, settings: AnalyzerSettings) -> None:
        self._settings = settings
        self._analyzer = Analyzer(settings)

    def find(self, message: Message) -> list[Span]:
        """Return what the analyzer finds in the text. Raises ``AnalyzerFailed``; there is no partial answer."""
        if not message.text.strip():
            return []
        return spans_of(self._analyzer.ask(message.text), len(message.text), self._settings.types, self.name)


def make(settings: Mapping[str, Any]) -> HttpAnalyzer:
    """The entry point. Raises ``ConfigError`` for settings that can't be used. Opens nothing yet."""
    return HttpAnalyzer(read_settings(settings))
