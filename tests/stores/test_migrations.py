"""The steps of the schema: they make what the stores declare, take old databases over, and form one line."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from sidecar import stores
from sidecar.errors import ConfigError
from sidecar.stores import migrations
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.migrations import known_revisions
from sidecar.stores.schema import metadata
from sidecar.stores.subject_keys import SubjectKeyTable

for one in iter_modules(stores.__path__):
    import_module(f"sidecar.stores.{one.name}")  # those that declare tables add them to ``metadata``
VERSIONS = Path(migrations.__file__).parent / "versions"


def test_the_steps_form_one_line_and_are_named_by_their_number() -> None:
    script = ScriptDirectory(str(VERSIONS.parent))
    steps = list(script.walk_revisions())[::-1]
    assert [step.revision for step in steps] == known_revisions()
    assert [step.down_revision for step in steps] == [None, *known_revisions()[:-1]]
    assert known_revisions() == [f"{number:04}" for number in range(1, len(steps) + 1)]
    assert all(re.fullmatch(r"[0-9]{4}_[a-z0-9_]+\.py", Path(step.path).name) for step in steps)


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def test_the_steps_make_what_the_stores_declare(database: Database) -> None:
    assert await database.read(_differences) == []


def _as_before_steps(connection: Connection) -> None:
    connection.execute(text("DROP TABLE alembic_version"))
    connection.execute(text("UPDATE schema_version SET version = 1"))


async def test_a_database_from_before_the_steps_is_taken_over_with_what_it_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO schema_version VALUES (1)"))
        connection.execute(text(_PLACEHOLDERS_BEFORE))
        connection.execute(text("INSERT INTO placeholder_numbers VALUES (x'01', 'EMAIL', 7, 'named')"))
    engine.dispose()
    database = Database(DatabaseSettings(url))
    await database.start()
    assert await database.read(lambda c: c.scalar(text("SELECT number FROM placeholder_numbers"))) == 7
    assert await database.read(lambda c: c.scalar(text("SELECT version FROM schema_version"))) == 2
    await database.stop()


_PLACEHOLDERS_BEFORE = (
    "CREATE TABLE placeholder_numbers (scope BLOB NOT NULL, label VARCHAR(32) NOT NULL, number INTEGER NOT NULL,"
    " use VARCHAR(8) NOT NULL, PRIMARY KEY (scope, label, number))"
)


async def test_an_unknown_version_from_before_the_steps_is_refused(tmp_path: Path) -> None:
    settings = DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}")
    database = Database(settings)
    await database.start()
    await database.run(_as_before_steps)
    await database.run(lambda connection: connection.execute(text("UPDATE schema_version SET version = 99")))
    await database.stop()
    with pytest.raises(ConfigError, match=r"^state\.url: the database holds schema 99"):
        await Database(settings).start()


def test_a_step_that_fails_leaves_nothing_behind(database_url: str) -> None:
    """All steps are one transaction: a start that is killed half-way begins anew."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrations.bring_up(connection)
        assert "alembic_version" in inspect(connection).get_table_names()
        connection.rollback()
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


async def test_names_of_keys_tell_by_which_master_key_they_were_made(database_url: str) -> None:
    """Step 13: a key from before it is looked for, and missed, by the version in its name."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        upgrade_to(connection, "0012")
        for number, name in enumerate(("k1:aa", "k2:bb", "k40:cc")):
            row = {"name": name, "epoch": number}
            connection.execute(
                text("INSERT INTO subject_keys (subject, epoch, created_at) VALUES (:name, :epoch, 0)"), row
            )
    engine.dispose()
    database = Database(DatabaseSettings(database_url))
    await database.start()
    assert await SubjectKeyTable(database).versions() == [1, 2, 40]
    assert await database.read(_differences) == []
    await database.stop()


def upgrade_to(connection: Connection, revision: str) -> None:
    """Bring a database up to an earlier step."""
    script = ScriptDirectory(str(VERSIONS.parent))
    options = {"fn": lambda held, _context: script._upgrade_revs(revision, held)}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()
