"""Opening state, its durability, and what its errors may say."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from sidecar.errors import ConfigError, StoreUnavailable
from sidecar.stores.database import Conflict, Database, DatabaseSettings, _postgresql_engine
from sidecar.stores.database_url import checked_url

CANARY = "canary-7781"


def count(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT count(*) FROM schema_version")) or 0)


async def test_starting_twice_keeps_one_schema(database_url: str) -> None:
    for _ in range(2):
        database = Database(DatabaseSettings(database_url))
        await database.start()
        assert await database.read(count) == 1
        await database.stop()


async def test_many_that_start_at_once_agree(database_url: str) -> None:
    databases = [Database(DatabaseSettings(database_url)) for _ in range(6)]
    await asyncio.gather(*(database.start() for database in databases))
    assert [await database.read(count) for database in databases] == [1] * 6
    await asyncio.gather(*(database.stop() for database in databases))


async def test_a_later_schema_is_refused(database_url: str) -> None:
    database = Database(DatabaseSettings(database_url))
    await database.start()
    await database.run(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await database.stop()
    with pytest.raises(ConfigError, match="schema 9999, this program knows"):
        await Database(DatabaseSettings(database_url)).start()


async def test_what_raises_is_rolled_back(database: Database) -> None:
    def insert_and_fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO schema_version VALUES (7)"))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await database.run(insert_and_fail)
    assert await database.read(count) == 1


async def test_errors_carry_no_parameters(database: Database) -> None:
    def twice(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE notes (note varchar(50) PRIMARY KEY)"))
        for _ in range(2):
            connection.execute(text("INSERT INTO notes VALUES (:note)"), {"note": CANARY})

    with pytest.raises(Conflict) as caught:
        await database.run(twice)
    assert CANARY not in repr(caught.value)
    assert caught.value.__suppress_context__


async def test_broken_statements_are_unavailability(database: Database) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await database.run(lambda connection: connection.execute(text("SELECT * FROM nowhere")))
    assert not isinstance(caught.value, Conflict)


async def test_a_store_that_is_not_open_is_unavailable(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    with pytest.raises(StoreUnavailable, match="not open"):
        await database.read(count)
    await database.start()
    await database.stop()
    await database.stop()
    with pytest.raises(StoreUnavailable, match="not open"):
        await database.run(count)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/at/all/state.db", "the folder /nowhere/at/all does not exist"),
        ("sqlite:////proc/state.db", "can't be opened"),
        ("sqlite://", "forgets everything"),
        ("sqlite:///:memory:", "forgets everything"),
        ("mysql://host/db", "mysql is not supported"),
        ("not a url", "is not a database URL"),
        ("postgresql://user:pw@localhost:x/db", "is not a database URL"),
        ("postgresql://user:pw@localhost:99999/db", "is not a database URL"),
        ("postgresql://localhost/db?hostaddr=198.51.100.7", "could turn verification off"),
    ],
)
async def test_a_place_that_can_not_hold_state_is_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"^state\.url: ") as caught:
        await Database(DatabaseSettings(url)).start()
    assert message in str(caught.value)


async def test_a_start_without_the_database_says_which() -> None:
    with pytest.raises(StoreUnavailable, match=r"^state\.url: .*OperationalError") as caught:
        await Database(DatabaseSettings("postgresql://u:hunter2@127.0.0.1:1/db")).start()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sslmode", "roots"),
    [
        ("postgresql://db.example.org/state", "verify-full", "system"),
        ("postgresql://db.example.org/state?sslmode=disable", "verify-full", "system"),
        ("postgresql:///state?host=db.example.org&sslrootcert=/ca.pem", "verify-full", "/ca.pem"),
        ("postgresql://127.0.0.1/state", None, None),
        ("postgresql:///state?host=/var/run/postgresql", None, None),
    ],
)
async def test_E18_state_that_leaves_the_machine_is_verified_tls(
    url: str, sslmode: str | None, roots: str | None
) -> None:
    engine = _postgresql_engine(checked_url(url, "state.url"), DatabaseSettings(url))
    given: dict[str, Any] = {}

    def connect(_dialect: object, _record: object, _args: object, keywords: dict[str, Any]) -> None:
        given.update(keywords)
        raise ConnectionError

    event.listen(engine, "do_connect", connect)
    with pytest.raises(ConnectionError):
        engine.connect()
    assert (given.get("sslmode"), given.get("sslrootcert")) == (sslmode, roots)
    # A server that is gone without a word would be waited for by the system's measure, a quarter of an hour.
    silent_s = given["keepalives_idle"] + given["keepalives_interval"] * given["keepalives_count"]
    assert max(silent_s, given["tcp_user_timeout"] / 1000) <= 30


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_text("something else entirely, long enough to be read as a header " * 20)
    with pytest.raises(StoreUnavailable, match="SQLITE_NOTADB"):
        await Database(DatabaseSettings(f"sqlite:///{path}")).start()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await Database(DatabaseSettings("postgresql+psycopg://nobody:secret@127.0.0.1:1/none")).start()
    assert "secret" not in repr(DatabaseSettings("postgresql+psycopg://nobody:secret@127.0.0.1:1/none"))


async def test_sqlite_files_are_ours_alone_and_fsynced(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch(0o644)
    database = Database(DatabaseSettings(f"sqlite:///{path}"))
    await database.start()
    await database.run(lambda connection: connection.execute(text("UPDATE schema_version SET version = version")))
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert (tmp_path / "state.db-wal").exists()
    assert await database.read(lambda connection: connection.scalar(text("PRAGMA synchronous"))) == 2
    assert await database.read(lambda connection: connection.scalar(text("PRAGMA journal_mode"))) == "wal"
    await database.stop()


WRITER = """
import asyncio, sys
from sqlalchemy import text
from sidecar.stores.database import Database, DatabaseSettings

async def main():
    database = Database(DatabaseSettings(sys.argv[1]))
    await database.start()
    await database.run(lambda c: c.execute(text("CREATE TABLE notes (n integer)")))
    n = 0
    while True:
        n += 1
        await database.run(lambda c: c.execute(text("INSERT INTO notes VALUES (:n)"), {"n": n}))
        print(n, flush=True)

asyncio.run(main())
"""


async def test_what_was_acknowledged_outlives_kill_9(database_url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, database_url, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert writer.stdout is not None
    acknowledged = 0
    while acknowledged < 20:
        acknowledged = int(await writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    rest = (await writer.stdout.read()).split()
    await writer.wait()
    acknowledged = int(rest[-1]) if rest else acknowledged
    database = Database(DatabaseSettings(database_url))
    await database.start()
    stored = await database.read(lambda c: c.scalar(text("SELECT max(n) FROM notes")))
    await database.stop()
    assert stored in (acknowledged, acknowledged + 1)


async def test_a_lock_that_somebody_holds_is_unavailability(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database = Database(DatabaseSettings(f"sqlite:///{path}", busy_timeout_s=0.1))
    await database.start()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
        await database.run(count)
    assert await database.read(count) == 1  # readers never wait for a writer
    holder.execute("ROLLBACK")
    holder.close()
    assert await database.run(count) == 1
    await database.stop()


FULL_DISK = """
import asyncio, resource, sys
from sidecar.errors import StoreUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.linking import ask_for
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders

async def main():
    keys = MasterKey(b"k" * 32).pseudonymizer(Purpose.PLACEHOLDER)
    database = Database(DatabaseSettings(sys.argv[1]))
    await database.start()
    store = StoredPlaceholders(database)
    asks = [ask_for("EMAIL", f"canary-{n}@b.example", keys) for n in range(2000)]
    await store.assign(b"s" * 32, asks[:1], [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        await store.assign(b"s" * 32, asks, [])
    except StoreUnavailable as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(await store.assign(b"s" * 32, asks, []) == list(range(1, 2001)))
    await database.stop()

asyncio.run(main())
"""


async def test_a_full_disk_loses_nothing_and_ends(tmp_path: Path) -> None:
    """Half of a payload's numbers are never stored, and all are once there is room again."""
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FULL_DISK, f"sqlite:///{tmp_path / 'state.db'}", env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode().split("\n")
    assert "SQLITE_" in output[0], output
    assert output[1:] == ["True", ""]
    assert "canary" not in "".join(output)
