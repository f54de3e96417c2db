"""Knows the texts that the sidecar itself wrote, so that redacting them again changes nothing (D20).

A model reads a text with placeholders otherwise than the text before, and now and then takes another word for a name.
So what the model finds in a text that was written by the sidecar, in the same conversation and under the same policy
and detector, is left out; what rules, known values, catalogue and plug-ins find counts as ever.

Threat: somebody sends a text that the sidecar wrote, to carry a value past the model. The value stands in what the
sidecar sent out already. Memory holds keyed hashes only, and is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from sidecar.detection.recognizer import MODEL
from sidecar.detection.span import Span
from sidecar.keys import Pseudonymizer
from sidecar.redaction.placeholder import literals

_MOST: Final = 100_000
_DIGEST_BYTES: Final = 16


class OwnTexts:
    """The latest texts with placeholders that were written, of all conversations. ``keys``: ``Purpose.PLACEHOLDER``."""

    def __init__(self, keys: Pseudonymizer, most: int = _MOST) -> None:
        self._keys = keys
        self._most = most
        self._written: OrderedDict[bytes, None] = OrderedDict()

    def remember(self, text: str, *circumstances: str) -> None:
        """Keep a text that is about to be sent out; one without placeholders is nothing to keep."""
        if not literals(text):
            return
        digest = self._digest(text, circumstances)
        self._written[digest] = None
        self._written.move_to_end(digest)
        if len(self._written) > self._most:
            self._written.popitem(last=False)

    def still_to_redact(self, text: str, found: Sequence[Span], *circumstances: str) -> Sequence[Span]:
        """Return the spans without the model's, where the text was written in these circumstances."""
        by_model = any(span.recognizer == MODEL for span in found)
        if not by_model or not literals(text) or self._digest(text, circumstances) not in self._written:
            return found
        return [span for span in found if span.recognizer != MODEL]

    def _digest(self, text: str, circumstances: tuple[str, ...]) -> bytes:
        return self._keys.digest("own text", text, *circumstances)[:_DIGEST_BYTES]
