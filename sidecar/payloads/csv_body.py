"""Comma-separated values (RFC 4180), also with semicolons or tabs. Paths are ``(row, column name)``.

The first record holds the column names: member names, at ``("columns", index)``. If there is data in it (an "@", digits
for an id), there are no names, and its cells are texts. A first record of plain words can't be told from names: a route
that reads such files names ``$.columns`` under ``keys``. Quoted cells that hold JSON (X5) are opened, as in JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind, Path
from sidecar.payloads.json_scanner import Literal, looks_embedded, scan_embedded
from sidecar.payloads.json_text import BYTE_ORDER_MARK, WHOLE, escaped_host
from sidecar.payloads.names import is_data
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, Writer, encoded

MEDIA_TYPES = frozenset({
    "text/csv", "application/csv", "text/x-csv", "application/.csv", "text/tab-separated-values",
})  # fmt: skip
_DELIMITERS = ",;\t"
_END = r"(?P<end>{delimiter}|\r\n|\n|\r|\Z)"
_CELL = r'(?:"(?P<quoted>[^"]*(?:""[^"]*)*)"|(?P<plain>[^"{delimiter}\r\n]*))' + _END
_CELLS = {sign: re.compile(_CELL.format(delimiter=sign)) for sign in _DELIMITERS}
_FIRST_RECORD = re.compile(r'(?:"[^"]*(?:""[^"]*)*"|[^"\r\n])*')
_QUOTED = re.compile(r'"[^"]*"')
_NEEDS_QUOTES = re.compile(rf'["{_DELIMITERS}\r\n]')
"""Any delimiter: in the first record another than the file's would be taken for it."""


class CsvBody:
    """Records of cells. What is not edited keeps its quotes, and every line its end."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: a quote inside a cell without quotes, or one that is not closed; too large."""
        encoded(text)
        builder = SplicedBuilder(self._limits)
        start = 1 if text.startswith(BYTE_ORDER_MARK) else 0
        cells = _cells(text, start, delimiter_of(text))
        columns = _add_columns(builder, cells)
        for cell in cells:
            name = columns[cell.column] if cell.column < len(columns) else cell.column
            _add_cell(builder, cell, (cell.row - 1, name))
        return builder.build(text)


@dataclass(frozen=True, slots=True)
class _Cell:
    row: int
    column: int
    raw: str
    start: int
    end: int
    inside: int  # where the raw text begins: past the quote, if there is one
    write: Writer
    is_last: bool  # of its record

    @property
    def text(self) -> str:
        return self.raw.replace('""', '"') if self.inside > self.start else self.raw


def delimiter_of(text: str) -> str:
    """Return the sign that stands most often between the cells of the first record. A wrong guess hides nothing."""
    found = _FIRST_RECORD.match(text)
    outside = _QUOTED.sub("", found[0] if found else "")
    return max(_DELIMITERS, key=outside.count)


def _add_columns(builder: SplicedBuilder, cells: Iterator[_Cell]) -> list[str]:
    """Take the first record off the cells; return its texts."""
    first: list[_Cell] = []
    for cell in cells:
        first.append(cell)
        if cell.is_last:
            break
    data = any("@" in cell.text or is_data(cell.text) for cell in first)
    for cell in first:
        kind = LeafKind.STRING if data else LeafKind.KEY
        builder.add(("columns", cell.column), kind, cell.text, cell.start, cell.end, cell.write)
    return [cell.text for cell in first]


def _cells(text: str, position: int, delimiter: str) -> Iterator[_Cell]:
    pattern, row, column = _CELLS[delimiter], 0, 0
    while position < len(text):
        found = pattern.match(text, position)
        if found is None:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a stray quote after character {position}")
        group = "plain" if found["quoted"] is None else "quoted"
        write = write_plain if group == "plain" else write_quoted
        yield _Cell(
            row,
            column,
            found[group],
            position,
            found.start("end"),
            found.start(group),
            write,
            found["end"] != delimiter,
        )
        row, column = (row, column + 1) if found["end"] == delimiter else (row + 1, 0)
        position = found.end()


def write_plain(new: str | None) -> str:
    return write_quoted(new) if new and _NEEDS_QUOTES.search(new) else new or ""


def write_quoted(new: str | None) -> str:
    return f'"{_doubled(new or "")}"'


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def _add_cell(builder: SplicedBuilder, cell: _Cell, path: Path) -> None:
    text = cell.text
    if looks_embedded(text):
        quotes = ((found.start(), found.end(), 1) for found in re.finditer('""', cell.raw))
        host = escaped_host(WHOLE, quotes if cell.inside > cell.start else (), cell.inside, _doubled)
        literal = Literal(cell.start, cell.end, cell.write, path, 1, len(path))
        if cell.inside > cell.start and scan_embedded(builder, text, host, literal):
            return
    builder.add(path, LeafKind.STRING, text, cell.start, cell.end, cell.write)
