"""When a column's value is the person's, in every database alike. Values are bound, never written into a statement.

A value is first turned into the column's own type: MySQL takes the text ``'C-1'`` for the number 0 and would match
every row that holds 0. What a database takes for equal beyond that is not: MariaDB's usual collations don't tell josé
from JOSE, and SQLite's LIKE knows no case. Other people's rows would go.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import BINARY, BigInteger, ColumnElement, Integer, String, Uuid, cast, func, literal, true
from sqlalchemy.dialects.mysql import CHAR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from sidecar.targets.sql_settings import Compare
from sidecar.targets.template import ValueUnusable

_MOST: Final = 2**63 - 1


class _Narrowed(FunctionElement[bool]):
    """A comparison, and what must hold besides in MySQL and MariaDB, and in SQLite."""

    inherit_cache = True

    def __init__(self, wide: ColumnElement[bool], mysql: ColumnElement[bool], sqlite: ColumnElement[bool]) -> None:
        super().__init__(wide, mysql, sqlite)


@compiles(_Narrowed)
def _as_it_is(element: _Narrowed, compiler: SQLCompiler, **options: Any) -> str:
    wide, _, _ = element.clauses
    return str(compiler.process(wide, **options))


@compiles(_Narrowed, "mysql", "mariadb")
def _in_mysql(element: _Narrowed, compiler: SQLCompiler, **options: Any) -> str:
    wide, mysql, _ = element.clauses
    return f"({compiler.process(wide, **options)} AND {compiler.process(mysql, **options)})"


@compiles(_Narrowed, "sqlite")
def _in_sqlite(element: _Narrowed, compiler: SQLCompiler, **options: Any) -> str:
    wide, _, sqlite = element.clauses
    return f"({compiler.process(wide, **options)} AND {compiler.process(sqlite, **options)})"


def compared(column: ColumnElement[Any], compare: Compare, text: str) -> ColumnElement[bool]:
    """Return the condition that a column's value is the person's. Raises ``ValueUnusable``."""
    value = literal(text, String())
    if compare is Compare.CONTAINS:
        wide = column.contains(text, autoescape=True)
        in_bytes = func.locate(_bytes_of(value), _bytes_of(column)) > 0
        return _Narrowed(wide, _known(in_bytes), func.instr(column, value) > 0)
    if compare is Compare.IGNORE_CASE:
        lower, wanted = func.lower(column), func.lower(value)
        return _Narrowed(lower == wanted, _known(_bytes_of(lower) == _bytes_of(wanted)), true())
    if not isinstance(column.type, String):
        return column == typed(column, text)
    return _Narrowed(column == text, _known(_bytes_of(column) == _bytes_of(value)), column.collate("BINARY") == value)


def typed(column: ColumnElement[Any], text: str) -> object:
    """Return a value as the column's type. Raises ``ValueUnusable`` for what no such column holds."""
    if isinstance(column.type, Integer):
        if text.isascii() and text.isdecimal() and len(text) < 20 and str(int(text)) == text and int(text) <= _MOST:
            return literal(int(text), BigInteger())  # a small column is compared with a large number, and holds none
        raise ValueUnusable("the column holds whole numbers, and the identity is none")
    if isinstance(column.type, Uuid):
        try:
            return UUID(text)
        except ValueError:
            raise ValueUnusable("the column holds UUIDs, and the identity is none") from None
    return text


def is_comparable(column: ColumnElement[Any], compare: Compare) -> bool:
    """Tell whether identities can be compared with a column's type without guessing."""
    kinds = (String, Integer, Uuid) if compare is Compare.EXACT else (String,)
    return isinstance(column.type, kinds)


def _bytes_of(text: ColumnElement[Any]) -> ColumnElement[bytes]:
    """Return a text of MySQL's as it is in UTF-8, whatever its own character set is."""
    return cast(cast(text, CHAR(charset="utf8mb4")), BINARY())


def _known(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return a condition that holds where nobody can say: a text that is too long to be looked at whole is NULL."""
    return func.coalesce(condition, true())
