"""Brings a database up to the schema of this program, one numbered step after the other (Alembic).

Each file in ``versions`` is one step: ``0003_what_it_adds.py`` with ``revision = "0003"``, ``down_revision = "0002"``.
A step that was released is never changed. The tables as they are now stand in the modules of ``sidecar.stores``, and a
test compares both. There is no way down: a database that a later program has changed is refused, never guessed at.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Integer, column, inspect, select, table

_VERSIONS: Final = Path(__file__).parent / "versions"
_MARK: Final = "alembic_version"
_OLD_MARK: Final = "schema_version"
_OLD_VERSION: Final = 1
"""What databases say that were made before there were steps; the first step takes them over."""


class UnknownSchema(Exception):
    """The database was changed by a later program. ``held`` is what it calls its schema."""

    def __init__(self, held: str) -> None:
        super().__init__(held)
        self.held = held


def known_revisions() -> list[str]:
    """Return the steps that this program knows, first to last."""
    return sorted(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py"))


def bring_up(connection: Connection) -> None:
    """Do the steps that the database lacks, in the caller's transaction: all of them or none.

    Raises ``UnknownSchema``, with nothing changed. The caller lets one process at a time do this.
    """
    known = known_revisions()
    held = _held(connection)
    if held is not None and held not in known:
        raise UnknownSchema(held)
    if held != known[-1]:
        _upgrade(connection)


def _held(connection: Connection) -> str | None:
    tables = inspect(connection).get_table_names()
    if _MARK in tables:
        return connection.scalar(select(column("version_num")).select_from(table(_MARK)))
    if _OLD_MARK in tables:
        version = connection.scalar(select(column("version", Integer)).select_from(table(_OLD_MARK)))
        if version not in (None, _OLD_VERSION):
            raise UnknownSchema(str(version))
    return None


def _upgrade(connection: Connection) -> None:
    # Imported where it is needed: a start with the schema in place, which nearly all are, does without it. What it says
    # of its own plugins is nothing to operators; which steps it takes is.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(_VERSIONS.parent))
    options = {"fn": lambda held, _context: script._upgrade_revs("head", held)}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()
