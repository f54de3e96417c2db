"""What is configured of a database to erase from. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import Form, PersonTemplate, SecretSource, TargetForm, TlsFiles

_Identifier = Annotated[str, Field(min_length=1, max_length=128)]


class Mode(StrEnum):
    """What is done with a matching row. Only ``delete`` and ``null`` count as erased (E21)."""

    DELETE = "delete"
    NULL = "null"
    PSEUDONYMISE = "pseudonymise"


class Compare(StrEnum):
    """When a column's value is the person's."""

    EXACT = "exact"
    IGNORE_CASE = "ignore_case"
    CONTAINS = "contains"  # anywhere in a text


class Match(Form):
    """A column that holds an identity; or that points ``through`` a foreign key at rows which do."""

    column: _Identifier
    value: PersonTemplate | None = None
    compare: Compare = Compare.EXACT
    through: Through | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Match:
        if (self.value is None) == (self.through is None):
            raise ValueError("give exactly one of value and through")
        return self

    @property
    def fields(self) -> frozenset[IdentityType]:
        if self.through is not None:
            return frozenset[IdentityType]().union(*(one.fields for one in self.through.match))
        return self.value.fields if self.value else frozenset()


class Through(Form):
    """Rows of another table, by which rows of this one are found: ``<its column> in (select column from table …)``."""

    table: _Identifier
    column: _Identifier
    match: Annotated[tuple[Match, ...], Field(min_length=1)]


class SqlTable(Form):
    """One step of the transaction. All of ``match`` must hold; name a table twice for alternatives.

    ``columns``: what is emptied or replaced, for modes other than delete.
    """

    table: _Identifier
    mode: Mode = Mode.DELETE
    columns: tuple[_Identifier, ...] = ()
    match: Annotated[tuple[Match, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _columns_with_mode(self) -> SqlTable:
        if (self.mode is Mode.DELETE) == bool(self.columns):
            raise ValueError("columns go with mode null and pseudonymise, and only with those")
        direct = {one.column for one in self.match if one.value is not None}
        if self.mode is not Mode.DELETE and not direct <= set(self.columns):
            raise ValueError("columns must hold every column that is matched with an identity, or it would stay")
        return self

    @property
    def fields(self) -> frozenset[IdentityType]:
        return frozenset[IdentityType]().union(*(one.fields for one in self.match))


class SqlSettings(TargetForm):
    """A database: PostgreSQL (``postgresql+psycopg://``), MariaDB or MySQL (``mysql+pymysql://``), ``sqlite:///``.

    ``url`` may hold a password, so it comes from a variable or a file. More than ``max_rows`` matching rows in one
    transaction are taken for a mistake, and nothing is done.
    """

    type: Literal["sql"]
    url: SecretSource
    tls: TlsFiles = TlsFiles()
    tables: Annotated[tuple[SqlTable, ...], Field(min_length=1)]
    statement_timeout_seconds: Annotated[float, Field(ge=0.001, le=200)] = 30.0  # less is no limit to PostgreSQL
    max_rows: Annotated[int, Field(ge=1)] = 100_000

    @property
    def required(self) -> frozenset[IdentityType]:
        return frozenset[IdentityType]().union(*(one.fields for one in self.tables))
