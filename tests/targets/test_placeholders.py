"""The sidecar forgets a person like any other system does (E48)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.linking import ask_for, scope_key
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.targets.placeholders import ALL_TYPES, PlaceholderTarget
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus

KEYS = MasterKey(bytes(32)).pseudonymizer(Purpose.PLACEHOLDER)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    await database.start()
    yield database
    await database.stop()


async def put(store: StoredPlaceholders, scope: str, label: str, value: str) -> int:
    return (await store.assign(scope_key(scope, KEYS), [ask_for(label, value, KEYS)], []))[0]


def person(*identities: tuple[str, str]) -> list[SubjectIdentity]:
    return [SubjectIdentity(IdentityType(kind), value) for kind, value in identities]


async def test_E48_forgets_every_spelling_in_every_conversation_and_nobody_else(database: Database) -> None:
    store = StoredPlaceholders(database)
    target = PlaceholderTarget(store, KEYS)
    await put(store, "one", "EMAIL", "Anna.Canary@Example.org")
    await put(store, "two", "EMAIL", "anna.canary@example.org")
    await put(store, "two", "PERSON", "anna canary")
    await put(store, "two", "ORDER_ID", "C-100 7")  # her customer id, taken for an order
    await put(store, "two", "EMAIL", "bert@example.org")
    anna = person(("email", "anna.canary@example.org"), ("name", "Anna Canary"), ("customer_id", "C-1007"))
    assert (await target.verify(anna)).status is VerifyStatus.PRESENT
    deleted = await target.delete(anna)
    assert deleted.status is DeleteStatus.DELETED
    assert deleted.count is not None
    assert deleted.count >= 4
    assert (await target.verify(anna)).status is VerifyStatus.GONE
    assert (await target.verify(person(("email", "bert@example.org")))).status is VerifyStatus.PRESENT
    assert (await target.delete(anna)).status is DeleteStatus.NO_DATA


async def test_E48_a_forgotten_value_gets_a_number_that_nobody_had(database: Database) -> None:
    store = StoredPlaceholders(database)
    first = await put(store, "one", "EMAIL", "anna@example.org")
    await PlaceholderTarget(store, KEYS).delete(person(("email", "anna@example.org")))
    assert await put(store, "one", "EMAIL", "anna@example.org") != first


async def test_a_store_that_is_gone_is_a_fault(database: Database) -> None:
    target = PlaceholderTarget(StoredPlaceholders(database), KEYS)
    await database.stop()
    anna = person(("email", "anna@example.org"))
    assert (await target.delete(anna)).fault is TargetFault.STORE
    assert (await target.verify(anna)).status is VerifyStatus.FAILED


def keys_on_disk(folder: Path, keys: list[bytes]) -> list[str]:
    """Return the database files that hold any of the keys, write-ahead log included."""
    files = sorted(folder.glob("state.db*"))
    return [file.name for file in files if any(key in file.read_bytes() for key in keys)]


def hash_of(address: str) -> bytes:
    return ask_for("EMAIL", address, KEYS).key


async def test_E48_no_byte_of_a_forgotten_hash_stays_in_database_or_log(database: Database, tmp_path: Path) -> None:
    store = StoredPlaceholders(database)
    target = PlaceholderTarget(store, KEYS)
    for number in range(200):  # pages split and their cells move
        await put(store, f"chat {number % 7}", "EMAIL", f"a{number}@example.org")
    erased, kept = [f"a{number}@example.org" for number in range(0, 200, 3)], "a1@example.org"
    hashes = [hash_of(address) for address in erased]
    assert keys_on_disk(tmp_path, hashes)
    assert (await target.delete(person(*(("email", address) for address in erased)))).status is DeleteStatus.DELETED
    assert keys_on_disk(tmp_path, hashes) == []
    assert keys_on_disk(tmp_path, [hash_of(kept)]) == ["state.db"]


async def test_E48_a_forgotten_conversation_leaves_no_byte_either(database: Database, tmp_path: Path) -> None:
    store = StoredPlaceholders(database)
    await put(store, "one", "EMAIL", "anna@example.org")
    assert await store.forget_scope(scope_key("one", KEYS)) > 0
    assert keys_on_disk(tmp_path, [hash_of("anna@example.org"), scope_key("one", KEYS)]) == []


async def test_E48_a_reader_that_keeps_old_pages_in_the_log_keeps_it_from_being_verified(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}", busy_timeout_s=0.1))
    await database.start()
    store = StoredPlaceholders(database)
    target = PlaceholderTarget(store, KEYS)
    await put(store, "one", "EMAIL", "anna@example.org")
    anna = person(("email", "anna@example.org"))
    reader = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM placeholder_keys").fetchone()
    assert (await target.delete(anna)).status is DeleteStatus.DELETED
    assert keys_on_disk(tmp_path, [hash_of("anna@example.org")])
    looked = await target.verify(anna)
    assert (looked.status, looked.fault) == (VerifyStatus.FAILED, TargetFault.STORE)
    reader.close()
    assert (await target.verify(anna)).status is VerifyStatus.GONE
    assert keys_on_disk(tmp_path, [hash_of("anna@example.org")]) == []
    await database.stop()


def test_no_entity_type_is_left_out() -> None:
    assert set(ALL_TYPES) == set(ENTITY_TYPES)


async def test_E48_hashes_from_before_a_rotation_of_the_master_key_are_forgotten_too(database: Database) -> None:
    store = StoredPlaceholders(database)
    await put(store, "chat", "EMAIL", "a@b.example")
    later = MasterKey(b"l" * 32).pseudonymizer(Purpose.PLACEHOLDER)
    anna = person(("email", "a@b.example"))
    assert (await PlaceholderTarget(store, later).verify(anna)).status is VerifyStatus.GONE  # it can't know
    target = PlaceholderTarget(store, later, former_keys=[KEYS])
    assert (await target.verify(anna)).status is VerifyStatus.PRESENT
    assert (await target.delete(anna)).count == 1
    assert (await target.verify(anna)).status is VerifyStatus.GONE
