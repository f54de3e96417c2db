"""Server-sent events (WHATWG HTML, section 9.2), in stream form. Lines end with CR, LF or CRLF.

Paths are those of the event's data, whose lines are joined: ``$.choices[].delta.content`` where it is JSON, ``$`` where
it is a text. The other fields are ``$['(event)']``, ``$['(id)']`` and ``$['(comment)']``.

Data that begins like JSON must be JSON: a client that is less strict would find texts in it where we find none. A line
of another field is refused, too: clients pass it over, so nobody would miss what it gives away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.json_scanner import scan_json
from sidecar.payloads.json_text import BYTE_ORDER_MARK, Host
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, Writer, encoded
from sidecar.payloads.stream import Frame, FrameKind, Framing, Gathered, Utf8Text

MEDIA_TYPES = frozenset({"text/event-stream"})
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_PIECE = re.compile(r"[^\r\n]+|\r\n|\r|\n")
_FIELD = re.compile(r"(?P<name>[^:]*)(?::(?P<space> ?)(?P<value>.*))?", re.DOTALL)
_SENTINEL = re.compile(r"\[[A-Z][A-Z_ -]{0,40}\]")
"""Such as ``[DONE]``: looks like JSON, and is a word."""
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z_]*(?:_[0-9]+|#[0-9a-f]+)\]")
"""What a text begins with once its first word was redacted: it is read again, here or behind another sidecar."""
_MILLISECONDS = re.compile(r"[0-9]{1,7}")
"""How long to wait before a client comes again. Nobody waits for three hours; more digits could be a phone's."""
_JSON_BEGINS = ("{", "[", '"')
_JSON_SPACE = " \t\n\r"
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f]")


class SseStream:
    """An event stream, in UTF-8. What breaks off without an empty line is an event too: some clients take it."""

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def framing(self, longest: int) -> Framing:
        return _Events(longest)

    def parse(self, frame: Frame, limits: Limits = DEFAULT_LIMITS) -> Document:
        """Raises ``PayloadRefused``: not parseable, too deep, too large."""
        encoded(frame.text)
        if _NO_TEXT.search(frame.text.replace("\r", "")):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "control characters in an event")
        lines = _lines(frame.text)
        places = [place for place, line in enumerate(lines) if line.name == "data"]
        if places and places[-1] - places[0] >= len(places):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "data in two places of one event")
        builder = SplicedBuilder(limits)
        for line in lines:
            if line.name != "data":
                _add_field(builder, line)
        if places:
            _add_data(builder, lines[places[0] : places[-1] + 1])
        return builder.build(frame.text)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a frame. ``start``: of its value; ``before``: what stands between the last line's end and the value."""

    name: str
    value: str
    start: int
    before: str
    end: str

    @property
    def stop(self) -> int:
        return self.start + len(self.value)


def _lines(text: str) -> list[_Line]:
    lines = []
    for found in _LINE.finditer(text):
        if not found[1]:
            continue
        field = _FIELD.fullmatch(found[1])
        value = field["value"] if field else None
        name = field["name"] if field else ""
        start = found.end(1) - len(value or "")
        lines.append(_Line(name, value or "", start, text[found.start() : start], found[2]))
    return lines


def _add_field(builder: SplicedBuilder, line: _Line) -> None:
    """Add what is no data as a text of its own."""
    if line.name == "retry" and _MILLISECONDS.fullmatch(line.value):
        return
    if line.name not in ("event", "id", ""):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a field that events don't have, at {line.start}")
    if line.value:
        path = (f"({line.name or 'comment'})",)
        builder.add(path, LeafKind.STRING, line.value, line.start, line.stop, _on_one_line)


def _on_one_line(new: str | None) -> str:
    return " ".join((new or "").splitlines())


def _add_data(builder: SplicedBuilder, data: Sequence[_Line]) -> None:
    text = "\n".join(line.value for line in data)
    begin = text.lstrip(_JSON_SPACE)
    is_word = _SENTINEL.fullmatch(begin.rstrip(_JSON_SPACE)) or _PLACEHOLDER.match(begin)
    if begin.startswith(_JSON_BEGINS) and not is_word:
        scan_json(builder, text, Host(_places(data)))
    elif text:
        builder.add((), LeafKind.STRING, text, data[0].start, data[-1].stop, _as_data(data[0]))


def _places(data: Sequence[_Line]) -> _Places:
    bases, position = [], 0
    for line in data:
        bases.append(position)
        position += len(line.value) + 1
    return _Places(tuple(bases), tuple(line.start for line in data))


@dataclass(frozen=True, slots=True)
class _Places:
    """From positions in the joined data to positions in the frame."""

    bases: tuple[int, ...]
    starts: tuple[int, ...]

    def __call__(self, position: int) -> int:
        low, high = 0, len(self.bases)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.bases[middle] <= position else (low, middle)
        return self.starts[low] + position - self.bases[low]


def _as_data(first: _Line) -> Writer:
    """Write a text as lines of data like the first one. One space before a value is not part of it."""

    def written(new: str | None) -> str:
        lines = re.split(r"\r\n|\r|\n", new or "")
        spaced = [line if first.before.endswith(" ") or not line.startswith(" ") else f" {line}" for line in lines]
        return f"{first.end or chr(10)}{first.before}".join(spaced)

    return written


class _Events:
    """Cuts behind every empty line.

    A CR ends its line at once. If an LF comes in the next piece, it still belongs to it, and follows what went out.
    """

    def __init__(self, longest: int) -> None:
        self._bytes = Utf8Text()
        self._gathered = Gathered(longest)
        self._kind = FrameKind.BLANK  # of what is gathered, or went out last
        self._is_new = True  # nothing is gathered
        self._in_line = False
        self._after_cr = False
        self._begun = False
        self._index = 0

    def feed(self, data: bytes) -> list[Frame]:
        text = self._bytes.feed(data)
        frames: list[Frame] = []
        if text and not self._begun:
            self._begun = True
            if text.startswith(BYTE_ORDER_MARK):
                frames.append(Frame(BYTE_ORDER_MARK, FrameKind.BLANK))
                text = text[1:]
        for piece in _PIECE.findall(text):
            if piece == "\n" and self._after_cr:
                frames += self._complete_line_end()
            elif piece[0] in "\r\n":
                frames += self._end_line(piece)
            else:
                self._add(piece)
            self._after_cr = piece == "\r"
        return frames

    def finish(self) -> list[Frame]:
        self._bytes.finish()
        return [] if self._is_new else [self._frame()]

    def _add(self, piece: str) -> None:
        if self._is_new:
            self._is_new, self._kind = False, FrameKind.BLANK
        if not self._in_line and self._kind is not FrameKind.EVENT:
            self._kind = FrameKind.COMMENT if piece.startswith(":") else FrameKind.EVENT
        self._in_line = True
        self._gathered.add(piece)

    def _end_line(self, piece: str) -> list[Frame]:
        if self._is_new:
            self._is_new, self._kind = False, FrameKind.BLANK
        self._gathered.add(piece)
        is_empty, self._in_line = not self._in_line, False
        return [self._frame()] if is_empty else []

    def _complete_line_end(self) -> list[Frame]:
        if not self._is_new:
            self._gathered.add("\n")
            return []
        return [Frame("\n", FrameKind.COMMENT if self._kind is FrameKind.COMMENT else FrameKind.BLANK)]

    def _frame(self) -> Frame:
        self._is_new = True
        index = self._index
        self._index += self._kind is FrameKind.EVENT
        return Frame(self._gathered.take(), self._kind, index)
