"""Holds a configuration against the database as it is: tables, keys, types, rights, order (E22). Blocks.

Whatever would make a deletion impossible, partial or blind is a problem here, and never a "complete" later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Executable, Inspector, MetaData, String, Table, inspect, text
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from sidecar.errors import ConfigError, Problem
from sidecar.targets.sql_comparing import is_comparable
from sidecar.targets.sql_faults import is_refusal
from sidecar.targets.sql_settings import Match, Mode, SqlSettings, SqlTable, Through
from sidecar.targets.sql_statements import PSEUDONYM_CHARACTERS, BoundTable

_log = logging.getLogger("sidecar.targets")
_CASCADE: Final = "CASCADE"
_HARMLESS: Final = frozenset({_CASCADE, "SET NULL", "SET DEFAULT"})
_TRANSACTIONAL: Final = frozenset({"innodb", "rocksdb", "ndbcluster"})
_Qualified = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Rows of ``child`` point at rows of ``parent``. ``on_delete``: what the database does with them by itself."""

    name: str | None
    child: _Qualified
    columns: tuple[str, ...]
    parent: _Qualified
    parent_columns: tuple[str, ...]
    on_delete: str

    @property
    def harmless(self) -> bool:
        return self.on_delete in _HARMLESS


@dataclass(frozen=True, slots=True)
class _Sight:
    """A column by which a step finds rows, in its own table or in one that it is matched through."""

    table: _Qualified
    column: str
    cascades: bool


@dataclass(frozen=True, slots=True)
class BoundSchema:
    """The tables in order, and every constraint name that an error may quote."""

    tables: tuple[BoundTable, ...]
    constraints: frozenset[str]


def bind_schema(connection: Connection, settings: SqlSettings, where: str) -> BoundSchema:
    """Return the configured tables as the database knows them. Raises ``ConfigError`` with every problem."""
    reader = _SchemaReader(connection, settings, where)
    tables = [reader.bind(form, f"tables[{index}]") for index, form in enumerate(settings.tables)]
    bound = tuple(one for one in tables if one is not None)
    if not reader.problems:
        reader.check_order()
        reader.check_rights(bound)
    if not reader.problems:
        reader.check_sight()
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return BoundSchema(bound, frozenset(key.name for key in reader.keys if key.name))


class _SchemaReader:
    def __init__(self, connection: Connection, settings: SqlSettings, where: str) -> None:
        self._connection = connection
        self._settings = settings
        self._where = where
        self._inspector: Inspector = inspect(connection)
        self._metadata = MetaData()
        self._schemas = {_split(name)[0] for name in _names(settings.tables)}
        self.keys = tuple(key for schema in self._schemas for key in self._foreign_keys(schema))
        self.problems: list[Problem] = []

    def bind(self, form: SqlTable, part: str) -> BoundTable | None:
        table = self._table(form.table, part)
        if table is None:
            return None
        others: dict[str, Table] = {}
        sound = self._check_match(table, form.match, part, others)
        sound &= self._check_columns(table, form, part)
        if not table.primary_key.columns:
            self._add(part, "has no primary key", "Add one, so that every row can be told from every other")
        return BoundTable(form, table, others) if sound else None

    def check_order(self) -> None:
        """Rows that point at others must go first; the rest of the transaction would be in vain."""
        names = [self._qualified(form.table) for form in self._settings.tables]
        for place, form in enumerate(self._settings.tables):
            if form.mode is not Mode.DELETE:
                continue
            for key in self.keys:
                if key.parent != names[place] or key.child == key.parent or key.harmless:
                    continue
                if key.child not in names:
                    shown = _shown(key)
                    _log.warning("%s.tables[%d]: %s and is not listed; its rows can stop deletions",
                                 self._where, place, shown)  # fmt: skip
                elif names.index(key.child) > place:
                    remedy = f"List {key.child[1]} before {form.table}"
                    self._add(f"tables[{place}]", f"comes too early: {_shown(key)}", remedy)

    def check_sight(self) -> None:
        """Nothing may go that a later step is matched by: it would find nobody, and so would looking again."""
        forms = self._settings.tables
        for place, later in enumerate(forms):
            for number, earlier in enumerate(forms[:place]):
                if self._blinds(earlier, later):
                    message = f"comes too late: it is matched by what tables[{number}] takes away"
                    self._add(f"tables[{place}]", message, f"List it before tables[{number}], {earlier.table}")

    def _blinds(self, earlier: SqlTable, later: SqlTable) -> bool:
        taken = self._qualified(earlier.table)
        if earlier.mode is Mode.DELETE:
            return any(one.table == taken and not one.cascades for one in self._sights(later.table, later.match))
        emptied, is_same = set(earlier.columns), self._qualified(later.table) == taken
        if is_same and later.mode is not Mode.DELETE and emptied.issuperset(later.columns):
            return False  # the rows that it finds no more are emptied already
        return any(one.table == taken and one.column in emptied for one in self._sights(later.table, later.match))

    def _sights(self, name: str, match: Sequence[Match], *, cascades: bool = True) -> Iterator[_Sight]:
        """Yield every column by which rows are found. ``cascades``: rows go with those whose column it is."""
        for one in match:
            yield _Sight(self._qualified(name), one.column, cascades)
            if one.through is not None:
                key = self._key_of(name, one.column, one.through)
                goes_along = cascades and key is not None and key.on_delete == _CASCADE
                yield _Sight(self._qualified(one.through.table), one.through.column, goes_along)
                yield from self._sights(one.through.table, one.through.match, cascades=goes_along)

    def check_rights(self, tables: Sequence[BoundTable]) -> None:
        for place, bound in enumerate(tables):
            part = f"tables[{place}]"
            if all(self._is_allowed(statement) for statement in bound.rehearsals()):
                continue
            if any(self._hides_rows(table) for table in (bound.table, *bound.others.values())):
                remedy = "Give this database user BYPASSRLS: it can't delete what it does not see"
                self._add(part, "is under row-level security that hides rows from this database user", remedy)
                continue
            remedy = f"Grant it SELECT and {_right(bound.mode)}, and SELECT on tables it is matched through"
            self._add(part, "can't be changed or read by this database user", remedy)

    def _is_allowed(self, statement: Executable) -> bool:
        try:
            with self._connection.begin_nested():
                self._connection.execute(statement)
        except DBAPIError as error:
            if not is_refusal(error):
                raise
            return False
        return True

    def _hides_rows(self, table: Table) -> bool:
        """Tell whether PostgreSQL refuses because of a policy. Its own word for that is one for all refusals."""
        if self._connection.dialect.name != "postgresql":
            return False
        name = self._connection.dialect.identifier_preparer.format_table(table)
        asked = text("SELECT row_security_active(:name)").bindparams(name=name)
        return self._is_allowed(asked) and bool(self._connection.scalar(asked))

    def _table(self, name: str, part: str) -> Table | None:
        schema, bare = _split(name)
        try:
            table = Table(bare, self._metadata, schema=schema, autoload_with=self._connection, resolve_fks=False)
        except NoSuchTableError:
            remedy = "Check its spelling, and the rights of the database user"
            self._add(part, f"there is no table {name}", remedy)
            return None
        if self._connection.dialect.name == "mysql":
            engine = str(self._inspector.get_table_options(bare, schema).get("mysql_engine", "")).lower()
            if engine not in _TRANSACTIONAL:
                self._add(part, f"{name} knows no transactions ({engine or 'a view'})", "Convert it to InnoDB")
        return table

    def _check_match(self, table: Table, match: Sequence[Match], part: str, others: dict[str, Table]) -> bool:
        sound = True
        for index, one in enumerate(match):
            here = f"{part}.match[{index}]"
            if one.column not in table.c:
                self._add(f"{here}.column", f"{table.name} has no column {one.column}", "Check its spelling")
                sound = False
            elif one.through is not None:
                sound &= self._check_through(table, one.column, one.through, here, others)
            elif not is_comparable(table.c[one.column], one.compare):
                kind = type(table.c[one.column].type).__name__
                remedy = "Identities are compared with text, whole numbers and UUIDs; anything but exact with text only"
                self._add(f"{here}.column", f"is of type {kind}", remedy)
        return sound

    def _check_through(self, table: Table, column: str, through: Through, part: str, others: dict[str, Table]) -> bool:
        other = self._table(through.table, f"{part}.through.table")
        if other is None:
            return False
        others[through.table] = other
        if through.column not in other.c:
            self._add(f"{part}.through.column", f"{other.name} has no column {through.column}", "Check its spelling")
            return False
        if self._key_of(f"{table.schema}.{table.name}" if table.schema else table.name, column, through) is None:
            # Without it rows may outlive what they point at, and no query by the person would ever find them again.
            remedy = "Add the foreign key, or match by a column of the table itself"
            self._add(part, "follows no foreign key of the database", remedy)
        return self._check_match(other, through.match, f"{part}.through", others)

    def _check_columns(self, table: Table, form: SqlTable, part: str) -> bool:
        sound = True
        for index, name in enumerate(form.columns):
            here = f"{part}.columns[{index}]"
            if name not in table.c:
                self._add(here, f"{table.name} has no column {name}", "Check its spelling")
                sound = False
            elif form.mode is Mode.NULL and not table.c[name].nullable:
                self._add(here, "can't be null", "Make it nullable, or delete the row")
            elif form.mode is Mode.PSEUDONYMISE and not _holds_pseudonym(table.c[name].type):
                self._add(here, f"can't hold a text of {PSEUDONYM_CHARACTERS} characters", "Widen it, or use null")
        return sound

    def _foreign_keys(self, schema: str | None) -> Iterator[ForeignKey]:
        for (_, child), keys in self._inspector.get_multi_foreign_keys(schema=schema).items():
            for key in keys:
                yield ForeignKey(
                    name=key["name"],
                    child=(schema or self._inspector.default_schema_name, child),
                    columns=tuple(key["constrained_columns"]),
                    parent=(key["referred_schema"] or self._inspector.default_schema_name, key["referred_table"]),
                    parent_columns=tuple(key["referred_columns"]),
                    on_delete=str(key.get("options", {}).get("ondelete", "")).upper(),
                )

    def _key_of(self, name: str, column: str, through: Through) -> ForeignKey | None:
        """Return the foreign key that a match follows."""
        wanted = (self._qualified(name), (column,), self._qualified(through.table), (through.column,))
        followed = (one for one in self.keys if (one.child, one.columns, one.parent, one.parent_columns) == wanted)
        return next(followed, None)

    def _qualified(self, name: str) -> _Qualified:
        schema, bare = _split(name)
        return (schema or self._inspector.default_schema_name, bare)

    def _add(self, part: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(f"{self._where}.{part}", message, remedy))


def _names(forms: Sequence[SqlTable]) -> Iterator[str]:
    for form in forms:
        yield form.table
        yield from _through_names(form.match)


def _through_names(match: Sequence[Match]) -> Iterator[str]:
    for one in match:
        if one.through is not None:
            yield one.through.table
            yield from _through_names(one.through.match)


def _split(name: str) -> _Qualified:
    schema, _, bare = name.rpartition(".")
    return (schema or None, bare)


def _holds_pseudonym(kind: Any) -> bool:
    return isinstance(kind, String) and (kind.length is None or kind.length >= PSEUDONYM_CHARACTERS)


def _right(mode: Mode) -> str:
    return "DELETE" if mode is Mode.DELETE else "UPDATE"


def _shown(key: ForeignKey) -> str:
    return f"{key.child[1]} points at it ({key.name or ', '.join(key.columns)})"
