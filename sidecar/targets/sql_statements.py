"""Which statements delete a person from one table, and which count what is left of them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    Table,
    Update,
    and_,
    delete,
    false,
    func,
    not_,
    or_,
    select,
    update,
)

from sidecar.targets.sql_comparing import compared
from sidecar.targets.sql_settings import Compare, Match, Mode, SqlTable
from sidecar.targets.template import Values

PSEUDONYM_PREFIX: Final = "erased-"
PSEUDONYM_CHARACTERS: Final = len(PSEUDONYM_PREFIX) + 16
_PSEUDONYMS: Final = PSEUDONYM_PREFIX + 16 * "_"

Statement = Delete | Update | Select[Any]


@dataclass(frozen=True, slots=True)
class BoundTable:
    """A configured table with what the database says of it. ``others``: tables matched through, by their name."""

    form: SqlTable
    table: Table
    others: dict[str, Table]

    @property
    def mode(self) -> Mode:
        return self.form.mode

    def change(self, values: Values, pseudonym: str) -> Delete | Update:
        """Return the statement that erases; run again, it finds nothing. Raises ``ValueUnusable``."""
        wanted = self._wanted(values)
        if self.mode is Mode.DELETE:
            return delete(self.table).where(wanted)
        replacement = None if self.mode is Mode.NULL else pseudonym
        return update(self.table).where(wanted).values(dict.fromkeys(self.form.columns, replacement))

    def left(self, values: Values) -> Select[Any]:
        """Return the query that counts the person's rows which still hold anything of them."""
        return select(func.count()).select_from(self.table).where(self._wanted(values))

    def rehearsals(self) -> list[Statement]:
        """Return statements that change and read nothing, and which fail as the real ones would without the rights."""
        rehearsed: list[Statement] = [
            select(*self._read_columns()).where(false()),
            delete(self.table).where(false())
            if self.mode is Mode.DELETE
            else update(self.table).where(false()).values({name: self.table.c[name] for name in self.form.columns}),
        ]
        for other in self.others.values():
            rehearsed.append(select(*other.c).where(false()))
        return rehearsed

    def _read_columns(self) -> list[ColumnElement[Any]]:
        names = {*(one.column for one in self.form.match), *self.form.columns}
        return [self.table.c[name] for name in sorted(names)]

    def _wanted(self, values: Values) -> ColumnElement[bool]:
        matching = self._all_of(self.table, self.form.match, values)
        if self.mode is Mode.DELETE:
            return matching
        columns = [self.table.c[name] for name in self.form.columns]
        if self.mode is Mode.NULL:
            return and_(matching, or_(*(column.is_not(None) for column in columns)))
        if any(one.value is not None and one.compare is not Compare.CONTAINS for one in self.form.match):
            return matching  # it holds no more once its column has another name, however much the person's is like one
        return and_(matching, or_(*(and_(one.is_not(None), not_(one.like(_PSEUDONYMS))) for one in columns)))

    def _all_of(self, table: Table, match: Sequence[Match], values: Values) -> ColumnElement[bool]:
        return and_(*(self._one(table, one, values) for one in match))

    def _one(self, table: Table, match: Match, values: Values) -> ColumnElement[bool]:
        column = table.c[match.column]
        if match.through is not None:
            other = self.others[match.through.table]
            inner = self._all_of(other, match.through.match, values)
            return column.in_(select(other.c[match.through.column]).where(inner))
        assert match.value is not None  # noqa: S101 - the form allows nothing else
        return compared(column, match.compare, match.value.fill(values))


def new_pseudonym() -> str:
    """Return a random name that nothing is derived from. The rows of one run share it, so that they stay linked."""
    return PSEUDONYM_PREFIX + secrets.token_hex(8)
