"""Lines of JSON in stream form. Paths are those of the whole form: they begin with the line's index."""

from __future__ import annotations

from sidecar.payloads.document import Document
from sidecar.payloads.json_scanner import scan_json
from sidecar.payloads.json_text import BYTE_ORDER_MARK
from sidecar.payloads.ndjson import MEDIA_TYPES
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded
from sidecar.payloads.stream import Frame, FrameKind, Framing, Gathered, Utf8Text

_LINE_END = "\n"
_SPACE = " \t\r\n"


class NdjsonStream:
    """One JSON text on each line, in UTF-8. What is cut off without a line end is a line too."""

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def framing(self, longest: int) -> Framing:
        return _Lines(longest)

    def parse(self, frame: Frame, limits: Limits = DEFAULT_LIMITS) -> Document:
        """Raises ``PayloadRefused``: not parseable, too deep, too large."""
        encoded(frame.text)
        builder = SplicedBuilder(limits)
        start = 1 if frame.index == 0 and frame.text.startswith(BYTE_ORDER_MARK) else 0
        scan_json(builder, frame.text, path=(frame.index,), start=start)
        return builder.build(frame.text)


class _Lines:
    """Cuts behind every line feed."""

    def __init__(self, longest: int) -> None:
        self._bytes = Utf8Text()
        self._rest = Gathered(longest)
        self._row = 0

    def feed(self, data: bytes) -> list[Frame]:
        *lines, rest = self._bytes.feed(data).split(_LINE_END)
        frames = []
        for line in lines:
            self._rest.add(line + _LINE_END)
            frames.append(self._frame(self._rest.take()))
        self._rest.add(rest)
        return frames

    def finish(self) -> list[Frame]:
        self._bytes.finish()
        text = self._rest.take()
        return [self._frame(text)] if text else []

    def _frame(self, text: str) -> Frame:
        if not text.strip(_SPACE):
            return Frame(text, FrameKind.BLANK)
        self._row += 1
        return Frame(text, FrameKind.EVENT, self._row - 1)
