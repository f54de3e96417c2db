"""Files of records, one person's taken out. Every other record stays as it is, byte for byte.

A line that can't be read is no record that can be judged: the whole file is left alone, and said to be faulty.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from dataclasses import field as hidden
from pathlib import Path
from typing import BinaryIO, Final, cast

from sidecar.errors import SidecarError
from sidecar.targets.criteria import resolve_pointer
from sidecar.targets.files_settings import DataSet, FieldCompare, Format
from sidecar.targets.template import Values

MAX_LINE_BYTES: Final = 64 * 1024 * 1024


class RecordsUnreadable(SidecarError):
    """A file does not hold what the configuration says. Carries nothing of it."""


class ColumnMissing(SidecarError):
    """A column that is matched is not in a file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One field's question: is this value the person's?"""

    field: str
    value: str = hidden(repr=False)
    compare: FieldCompare

    def holds(self, text: str) -> bool:
        if self.compare is FieldCompare.EXACT:
            return text == self.value
        if self.compare is FieldCompare.IGNORE_CASE:
            return text.lower() == self.value.lower()
        return self.value in text


def wanted_of(dataset: DataSet, values: Values) -> tuple[Wanted, ...]:
    """Return the questions for one person."""
    return tuple(Wanted(one.field, one.value.fill(values), one.compare) for one in dataset.match)


def sift_lines(source: BinaryIO, sink: BinaryIO | None, dataset: DataSet, wanted: Sequence[Wanted]) -> int:
    """Copy all records but the person's, and return how many were left out. Without a sink only count."""
    sift = _sift_csv if dataset.format is Format.CSV else _sift_jsonl
    removed = 0
    for raw, is_theirs in sift(_lines(source), dataset, wanted):
        removed += is_theirs
        if sink is not None and not is_theirs:
            sink.write(raw)
    return removed


def opened(path: Path, file: BinaryIO) -> BinaryIO:
    """Return what reads a file's records, decompressed where its name says so."""
    return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb")) if path.suffix == ".gz" else file


def compressing(path: Path, file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Return what writes a file's records, compressed where its name says so. The file itself stays open."""
    if path.suffix == ".gz":
        return cast("AbstractContextManager[BinaryIO]", gzip.GzipFile("", "wb", fileobj=file, mtime=0))
    return nullcontext(file)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    try:
        while line := source.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise RecordsUnreadable("a line is too long")
            yield line
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise RecordsUnreadable("the compressed file is damaged") from None


def _sift_jsonl(lines: Iterable[bytes], _dataset: DataSet, wanted: Sequence[Wanted]) -> Iterator[tuple[bytes, bool]]:
    for line in lines:
        if not line.strip():
            yield line, False
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # the foreign error carries the line
            raise RecordsUnreadable("a line is no JSON in UTF-8") from None
        yield line, any(one.holds(text) for one in wanted for text in _texts(resolve_pointer(record, one.field)))


def _texts(value: object) -> Iterator[str]:
    """Yield every text and number in a JSON value, names of members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool):
        return
    elif isinstance(value, int | float):
        yield str(value)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)


def _sift_csv(lines: Iterable[bytes], dataset: DataSet, wanted: Sequence[Wanted]) -> Iterator[tuple[bytes, bool]]:
    taken: list[bytes] = []

    def decoded() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line.decode("utf-8")

    columns: list[tuple[int, Wanted]] | None = None
    try:
        # The reader takes as many lines as a record has; those lines are the record, as it stands.
        for row in csv.reader(decoded(), delimiter=dataset.delimiter, strict=True):
            raw = b"".join(taken)
            taken.clear()
            if columns is None:
                columns = _columns(row, wanted)
                yield raw, False
            else:
                yield raw, any(index < len(row) and one.holds(row[index]) for index, one in columns)
    except (csv.Error, UnicodeDecodeError):
        raise RecordsUnreadable("a line is no CSV in UTF-8") from None


def _columns(header: Sequence[str], wanted: Sequence[Wanted]) -> list[tuple[int, Wanted]]:
    names = [name.removeprefix("\ufeff") for name in header]
    if not all(one.field in names for one in wanted):
        raise ColumnMissing("a column that is matched is not in the header")
    return [(index, one) for one in wanted for index, name in enumerate(names) if name == one.field]
