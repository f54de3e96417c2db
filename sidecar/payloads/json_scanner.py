"""An iterative JSON scanner over text that keeps every leaf's place (RFC 8259, strictly; P35).

It accepts what ``json.loads`` accepts, but for NaN and the infinities, and refuses what it refuses. Nesting is bounded
and costs no Python stack. Error details hold positions, never text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.json_text import WHOLE, Host, decode_inner, string_host
from sidecar.payloads.spliced import SplicedBuilder, Writer

_WS = r"[ \t\n\r]*"
_INNER = r'[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_VALUE = re.compile(rf'{_WS}(?:"({_INNER})"|({_NUMBER})|(true|false|null)|([{{\[]))')
_STRING, _NUM, _WORD, _OPEN = 1, 2, 3, 4
_KEY = re.compile(rf'{_WS}"({_INNER})"{_WS}:')
_AFTER = re.compile(rf"{_WS}([,}}\]])")
_CLOSE_EMPTY = {"{": re.compile(rf"{_WS}\}}"), "[": re.compile(rf"{_WS}\]")}
_END = re.compile(rf"{_WS}\Z")
_CLOSER = {"{": "}", "[": "]"}
_MAYBE_JSON = re.compile(rf"{_WS}(?:\{{{_WS}[\"}}]|\[)")


@dataclass(slots=True)
class _Open:
    """An object or array whose end is still to come. ``position``: the next index; -1 in an object."""

    leaf: int
    start: int
    opener: str
    path: Path
    position: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A string literal of the payload that may hold JSON: its place, and how another is written in its stead."""

    start: int
    end: int
    writer: Writer
    path: Path
    level: int  # how many strings deep its content is
    embedded_at: int


def scan_json(builder: SplicedBuilder, text: str, host: Host = WHOLE, path: Path = (), start: int = 0) -> None:
    """Add every leaf of a JSON text to the builder, below ``path``. ``host`` says where the text stands.

    Raises ``PayloadRefused``: not parseable, too deep, too large.
    """
    _Scan(builder, text, host, path, None).run(start)


def looks_embedded(text: str) -> bool:
    """Whether it is worth trying to read a string as a JSON object or array."""
    return ("{" in text or "[" in text) and _MAYBE_JSON.match(text) is not None


def scan_embedded(builder: SplicedBuilder, text: str, host: Host, literal: Literal) -> bool:
    """Add the leaves of a string that holds a JSON object or array; return whether it does.

    A string that only looks like one, is cut short, nests too deep or stands too many strings down is left to the
    caller, who treats it as plain text: that is scanned too, so nothing passes unseen.
    """
    if literal.level > builder.limits.embedding:
        return False
    first = len(builder.leaves)
    try:
        _Scan(builder, text, host, literal.path, literal).run(0)
    except PayloadRefused as refusal:
        if refusal.fault is PayloadFault.TOO_LARGE:
            raise
        builder.forget_from(first)
        return False
    return True


class _Scan:
    """One text on its way through the scanner."""

    def __init__(self, builder: SplicedBuilder, text: str, host: Host, path: Path, literal: Literal | None) -> None:
        self.builder = builder
        self.text = text
        self.host = host
        self.path = path
        self.literal = literal  # the string that holds this text, if one does
        self.level = literal.level if literal else 0
        self.embedded_at = literal.embedded_at if literal else None
        self.writer: Writer = host.literal
        self.open: list[_Open] = []

    def run(self, position: int) -> None:
        path: Path | None = self.path
        while path is not None:
            found = _VALUE.match(self.text, position)
            if found is None:
                raise self._refused(position)
            position = found.end()
            if found.lastindex == _OPEN:
                path, position = self._enter(found[_OPEN], position, path)
                if path is not None:
                    continue
            else:
                self._scalar(found, path)
            path, position = self._after(position)
        if not _END.match(self.text, position):
            raise self._refused(position)

    def _enter(self, opener: str, position: int, path: Path) -> tuple[Path | None, int]:
        """Open a container. Returns the path of its first value, or None when it is empty."""
        if len(self.open) >= self.builder.limits.depth:
            raise PayloadRefused(PayloadFault.TOO_DEEP, f"more than {len(self.open)} levels")
        leaf = self._add(path, LeafKind.CONTAINER, "", position - 1, position - 1)
        entered = _Open(leaf, position - 1, opener, path, -1 if opener == "{" else 0)
        self.open.append(entered)
        empty = _CLOSE_EMPTY[opener].match(self.text, position)
        if empty:
            self._leave(empty.end())
            return None, empty.end()
        return self._next(entered, position)

    def _next(self, container: _Open, position: int) -> tuple[Path, int]:
        """Return the path of the container's next value, past its name in an object."""
        if container.position >= 0:
            index = container.position
            container.position += 1
            return (*container.path, index), position
        found = _KEY.match(self.text, position)
        if found is None:
            raise self._refused(position)
        name = decode_inner(found[1])
        path = (*container.path, name)
        self._add(path, LeafKind.KEY, name, found.start(1) - 1, found.end(1) + 1)
        return path, found.end()

    def _after(self, position: int) -> tuple[Path | None, int]:
        """Close what ends here; return the path of the next value, or None at the end of the root."""
        while self.open:
            found = _AFTER.match(self.text, position)
            container = self.open[-1]
            if found is None:
                raise self._refused(position)
            position = found.end()
            if found[1] == ",":
                return self._next(container, position)
            if found[1] != _CLOSER[container.opener]:
                raise self._refused(position - 1)
            self._leave(position)
        return None, position

    def _leave(self, end: int) -> None:
        container = self.open.pop()
        if not self.open and self.literal is not None:  # dropping the root drops the string around it
            self.builder.move(container.leaf, self.literal.start, self.literal.end, self.literal.writer)
        else:
            start, end = self._outer(container.start), self._outer(end)
            self.builder.move(container.leaf, start, end, self.writer)

    def _scalar(self, found: re.Match[str], path: Path) -> None:
        group = found.lastindex or 0
        if group != _STRING:
            kind = LeafKind.NUMBER if group == _NUM else LeafKind.OTHER
            self._add(path, kind, found[group], found.start(group), found.end(group))
            return
        raw, start = found[_STRING], found.start(_STRING)
        text = decode_inner(raw)
        if looks_embedded(text) and self._embedded(raw, start, text, path):
            return
        self._add(path, LeafKind.STRING, text, start - 1, start + len(raw) + 1)

    def _embedded(self, raw: str, start: int, text: str, path: Path) -> bool:
        at = len(path) if self.embedded_at is None else self.embedded_at
        end = start + len(raw) + 1
        literal = Literal(self._outer(start - 1), self._outer(end), self.writer, path, self.level + 1, at)
        return scan_embedded(self.builder, text, string_host(self.host, raw, start), literal)

    def _add(self, path: Path, kind: LeafKind, text: str, start: int, end: int) -> int:
        if self.host is not WHOLE:
            start, end = self._outer(start), self._outer(end)
        return self.builder.add(path, kind, text, start, end, self.writer, self.embedded_at)

    def _outer(self, position: int) -> int:
        return self.host.locate(position)

    def _refused(self, position: int) -> PayloadRefused:
        return PayloadRefused(PayloadFault.NOT_PARSEABLE, f"no JSON at character {position}")
