"""Parquet files, one person's rows taken out. Needs pyarrow.

Columns that Arrow keeps as dictionaries are written as plain values: a dictionary holds on to what rows that are gone
held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from sidecar.targets.files_settings import FieldCompare
from sidecar.targets.record_sets import ColumnMissing, RecordsUnreadable, Wanted

_COMPRESSIONS: Final = frozenset({"SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"})


def sift_parquet(source: BinaryIO, sink: BinaryIO | None, wanted: Sequence[Wanted]) -> int:
    """Copy all rows but the person's, row group by row group, and return how many were left out."""
    try:
        file = parquet.ParquetFile(source)
        schema = _plain_schema(file.schema_arrow)
        if not all(schema.names.count(one.field) == 1 for one in wanted):
            raise ColumnMissing("a column that is matched is not in the file, or more than once")
        if sink is None:
            return sum(_split(table, wanted)[1] for table in _row_groups(file, schema))
        removed = 0
        with parquet.ParquetWriter(sink, schema, compression=_compression(file)) as writer:
            for table in _row_groups(file, schema):
                kept, theirs = _split(table, wanted)
                removed += theirs
                writer.write_table(kept, row_group_size=max(kept.num_rows, 1))
    except pa.ArrowException:  # its text may quote values
        raise RecordsUnreadable("the file is no Parquet that can be read") from None
    return removed


def texts_of_parquet(source: BinaryIO) -> Iterator[str]:
    """Yield every text in a file, entries of dictionaries that no row uses included."""
    try:
        file = parquet.ParquetFile(source)
        for index in range(file.num_row_groups):
            for column in file.read_row_group(index).itercolumns():
                for chunk in column.chunks:
                    yield from _texts(chunk)
    except pa.ArrowException:
        raise RecordsUnreadable("the file is no Parquet that can be read") from None


def _texts(chunk: Any) -> Iterator[str]:
    if pa.types.is_struct(chunk.type):
        for index in range(chunk.type.num_fields):
            yield from _texts(chunk.field(index))
    elif pa.types.is_nested(chunk.type) and hasattr(chunk, "values"):  # lists and maps
        yield from _texts(chunk.values)
    else:
        values = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        for value in values.to_pylist():
            yield from _texts_in(value)


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_in(item)


def _row_groups(file: Any, schema: Any) -> Iterator[Any]:
    for index in range(file.num_row_groups):
        yield file.read_row_group(index).cast(schema)


def _split(table: Any, wanted: Sequence[Wanted]) -> tuple[Any, int]:
    theirs = pa.array([False] * table.num_rows, pa.bool_())
    for one in wanted:
        theirs = pc.or_(theirs, _holds(table.column(one.field), one))
    kept = table.filter(pc.invert(theirs))
    return kept, table.num_rows - kept.num_rows


def _holds(column: Any, wanted: Wanted) -> Any:
    texts = column.cast(pa.string())
    if wanted.compare is FieldCompare.EXACT:
        found = pc.equal(texts, wanted.value)
    elif wanted.compare is FieldCompare.IGNORE_CASE:
        found = pc.equal(pc.utf8_lower(texts), wanted.value.lower())
    else:
        found = pc.match_substring(texts, wanted.value)
    return pc.fill_null(found, False)


def _plain_schema(schema: Any) -> Any:
    return pa.schema([_plain_field(field) for field in schema], metadata=schema.metadata)


def _plain_field(field: Any) -> Any:
    """Return a field without dictionaries, at any depth."""
    kind = field.type
    if pa.types.is_dictionary(kind):
        return field.with_type(kind.value_type)
    if pa.types.is_struct(kind):
        return field.with_type(pa.struct([_plain_field(one) for one in kind.fields]))
    if pa.types.is_map(kind):
        return field.with_type(pa.map_(_plain_field(kind.key_field), _plain_field(kind.item_field), kind.keys_sorted))
    if pa.types.is_fixed_size_list(kind):
        return field.with_type(pa.list_(_plain_field(kind.value_field), kind.list_size))
    if pa.types.is_large_list(kind):
        return field.with_type(pa.large_list(_plain_field(kind.value_field)))
    return field.with_type(pa.list_(_plain_field(kind.value_field))) if pa.types.is_list(kind) else field


def _compression(file: Any) -> str:
    if file.num_row_groups == 0 or file.metadata.num_columns == 0:
        return "NONE"
    named = file.metadata.row_group(0).column(0).compression
    return str(named) if named in _COMPRESSIONS else "NONE"
