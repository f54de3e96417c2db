"""D19, D20 and E48 on every placeholder store: one contract for the durable ones and the one in memory."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.linking import ask_for, scope_key
from sidecar.redaction.scope import Ask, PlaceholderStore
from sidecar.stores import placeholder_rows as rows
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import MemoryLimits, MemoryPlaceholders, StoredPlaceholders
from tests.services import fresh_postgresql

KEYS = MasterKey(b"k" * 32).pseudonymizer(Purpose.PLACEHOLDER)
SCOPE = scope_key("conversation 1", KEYS)
OTHER_SCOPE = scope_key("conversation 2", KEYS)

Store = StoredPlaceholders | MemoryPlaceholders


def person(name: str) -> Ask:
    return ask_for("PERSON", name, KEYS)


def email(address: str) -> Ask:
    return ask_for("EMAIL", address, KEYS)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryPlaceholders()
    elif request.param == "sqlite":
        database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
        await database.start()
        yield StoredPlaceholders(database)
        await database.stop()
    else:
        with fresh_postgresql() as url:
            database = Database(DatabaseSettings(url))
            await database.start()
            yield StoredPlaceholders(database)
            await database.stop()


async def names(store: PlaceholderStore, *asked: str) -> list[int]:
    return await store.assign(SCOPE, [person(name) for name in asked], [])


async def test_numbers_count_from_one_by_first_appearance(store: Store) -> None:
    assert await names(store, "Ann Lee", "Bob Hay", "Ann Lee") == [1, 2, 1]
    assert await names(store, "Cy Ode", "Bob Hay") == [3, 2]


async def test_nothing_asked_is_nothing_given(store: Store) -> None:
    assert await store.assign(SCOPE, [], []) == []


async def test_types_are_numbered_apart(store: Store) -> None:
    assert await store.assign(SCOPE, [person("Ann Lee"), email("a@b.example"), person("Bob Hay")], []) == [1, 1, 2]


async def test_scopes_are_numbered_apart(store: Store) -> None:
    await names(store, "Ann Lee", "Bob Hay")
    assert await store.assign(OTHER_SCOPE, [person("Bob Hay")], []) == [1]


async def test_one_person_by_many_names(store: Store) -> None:
    """D19: across requests too."""
    assert await names(store, "John Smith") == [1]
    assert await names(store, "john", "Mr Smith", "SMITH, JOHN", "j. smith") == [1, 1, 1, 1]


async def test_a_name_that_grows(store: Store) -> None:
    assert await names(store, "john") == [1]
    assert await names(store, "John Smith") == [1]
    assert await names(store, "John Doe") == [2]
    assert await names(store, "john") == [1]


async def test_an_ambiguous_first_name_is_nobody(store: Store) -> None:
    assert await names(store, "John Smith", "John Doe", "john", "Doe") == [1, 2, 3, 2]


async def test_reserved_numbers_are_never_given(store: Store) -> None:
    """D20."""
    assert await store.assign(SCOPE, [person("Ann Lee"), person("Bob Hay")], [("PERSON", 1), ("PERSON", 3)]) == [2, 4]
    assert await store.assign(SCOPE, [person("Cy Ode")], [("PERSON", 5), ("EMAIL", 1)]) == [6]
    assert await store.assign(SCOPE, [email("a@b.example")], []) == [2]
    assert await store.assign(SCOPE, [person("Ann Lee")], [("PERSON", 2)]) == [2]


async def test_reserving_alone_lasts(store: Store) -> None:
    await store.assign(SCOPE, [], [("PERSON", 1)])
    assert await names(store, "Ann Lee") == [2]


async def test_forgetting_takes_all_rows_of_the_person_and_keeps_the_number_taken(store: Store) -> None:
    """E48: and nobody else is ever given the number that stands in an export."""
    await names(store, "John Smith", "john", "Mr Smith", "Ann Lee")
    await store.assign(OTHER_SCOPE, [person("John Smith")], [])
    keys = [person("John Smith").key]
    assert await store.count(keys) == 2
    assert await store.forget(keys) > 2
    assert await store.count(keys) == 0
    assert await store.forget(keys) == 0
    assert await names(store, "Ann Lee", "Cy Ode", "john") == [2, 3, 4]
    assert await store.assign(OTHER_SCOPE, [person("Bob Hay")], []) == [2]


async def test_forgetting_nobody(store: Store) -> None:
    await names(store, "Ann Lee")
    assert await store.forget([]) == 0
    assert await store.forget([person("Nobody Known").key]) == 0
    assert await names(store, "Ann Lee") == [1]


async def test_forgetting_a_conversation(store: Store) -> None:
    await names(store, "Ann Lee")
    await store.assign(OTHER_SCOPE, [person("Bob Hay")], [])
    assert await store.forget_scope(SCOPE) > 0
    assert await names(store, "Cy Ode") == [1]
    assert await store.assign(OTHER_SCOPE, [person("Ann Lee")], []) == [2]


async def test_tasks_at_once_never_share_a_number(store: Store) -> None:
    """D19, in one process: 20 people named at once, each by five tasks."""
    people = [f"Person{chr(97 + n)} Family{chr(97 + n)}" for n in range(20)]
    answers = await asyncio.gather(*(names(store, name) for name in people * 5))
    numbers: dict[str, set[int]] = {}
    for name, answer in zip(people * 5, answers, strict=True):
        numbers.setdefault(name, set()).update(answer)
    assert all(len(given) == 1 for given in numbers.values())
    assert {number for given in numbers.values() for number in given} == set(range(1, 21))


async def test_stores_at_once_never_share_a_number(database_url: str) -> None:
    """D19, as replicas: each with memory of its own. John is one of the two, never both."""
    databases = [Database(DatabaseSettings(database_url)) for _ in range(4)]
    for database in databases:
        await database.start()
    stores = [StoredPlaceholders(database) for database in databases]
    await names(stores[0], "john")
    people = ["John Smith", "John Doe", "Ann Lee", "Bob Hay", "Cy Ode", "Di Eta"]
    asked = [(store, name) for name in people for store in stores]
    answers = await asyncio.gather(*(names(store, name) for store, name in asked))
    numbers = {name: {n for (_, by), (n,) in zip(asked, answers, strict=True) if by == name} for name in people}
    assert all(len(given) == 1 for given in numbers.values())
    assert len({next(iter(given)) for given in numbers.values()}) == len(people)
    assert 1 in numbers["John Smith"] | numbers["John Doe"]
    for database in databases:
        await database.stop()


REPLICA = """
import asyncio, sys
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.linking import ask_for, scope_key
from sidecar.stores import placeholder_rows as rows
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders

async def main():
    keys = MasterKey(b"k" * 32).pseudonymizer(Purpose.PLACEHOLDER)
    database = Database(DatabaseSettings(sys.argv[1]))
    await database.start()
    store = StoredPlaceholders(database)
    for n in range(15):
        name = f"Person{chr(97 + n)} Family"
        print(n, *await store.assign(scope_key("s", keys), [ask_for("PERSON", name, keys)], []))
    await database.stop()

asyncio.run(main())
"""


async def test_processes_at_once_agree(database_url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    replicas = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", REPLICA, database_url, stdout=asyncio.subprocess.PIPE, env=environment
        )
        for _ in range(3)
    ]
    outputs = [(await replica.communicate())[0].decode().split("\n")[:-1] for replica in replicas]
    assert outputs[0] == outputs[1] == outputs[2]
    assert sorted(int(line.split()[1]) for line in outputs[0]) == list(range(1, 16))


async def test_numbers_outlive_a_restart(database_url: str) -> None:
    for expected in ([1, 2], [1, 2]):
        database = Database(DatabaseSettings(database_url))
        await database.start()
        assert await names(StoredPlaceholders(database), "Ann Lee", "Bob Hay") == expected
        await database.stop()


async def test_a_conversation_read_before_touches_no_database(database: Database) -> None:
    """Append-only rows make the mirror safe."""
    store = StoredPlaceholders(database)
    first = await store.assign(SCOPE, [person("Ann Lee"), email("a@b.example")], [("PERSON", 7)])
    await database.stop()
    assert await store.assign(SCOPE, [person("Ann Lee"), email("a@b.example")], [("PERSON", 7)]) == first


async def test_a_small_mirror_answers_alike(database: Database) -> None:
    store = StoredPlaceholders(database, MemoryLimits(scopes=1, rows=10))
    scopes = [scope_key(str(n), KEYS) for n in range(5)]
    for _ in range(3):
        for scope in scopes:
            assert await store.assign(scope, [person("Ann Lee"), person("Bob Hay")], []) == [1, 2]


async def test_hashes_and_numbers_are_all_that_is_stored(tmp_path: Path) -> None:
    """D19: the files are searched byte by byte."""
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    await database.start()
    await StoredPlaceholders(database).assign(SCOPE, [person("Zebulon Quagmire"), email("zq@canary.example")], [])
    await database.stop()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir()).lower()
    assert b"placeholder_keys" in stored
    for canary in (b"zebulon", b"quagmire", b"canary", b"conversation"):
        assert canary not in stored


async def test_forgotten_hashes_are_overwritten(tmp_path: Path) -> None:
    """E48: deleted rows do not linger in free pages."""
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    await database.start()
    store = StoredPlaceholders(database)
    ask = person("Ann Lee")
    await store.assign(SCOPE, [ask], [])
    await database.stop()
    assert ask.key in (tmp_path / "state.db").read_bytes()
    await database.start()
    await store.forget([ask.key])
    await database.stop()
    assert ask.key not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


async def test_one_write_for_a_payload(tmp_path: Path) -> None:
    """An fsync costs milliseconds: a payload pays once, however many values it holds."""
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    await database.start()
    commits: list[object] = []
    event.listen(database._engine, "commit", commits.append)
    asks = [email(f"user{n}@b.example") for n in range(300)]
    assert await StoredPlaceholders(database).assign(SCOPE, asks, []) == list(range(1, 301))
    assert len(commits) == 1
    stored = await database.read(lambda c: c.scalar(text("SELECT count(*) FROM placeholder_keys")))
    assert stored == 300
    await database.stop()


async def test_a_long_conversation_costs_only_what_is_new(database: Database) -> None:
    """Of thousands of rows in the scope, those that decide the answer are read."""
    store = StoredPlaceholders(database, MemoryLimits(rows=0))
    await store.assign(SCOPE, [email(f"user{n}@b.example") for n in range(3000)], [("EMAIL", 9000)])
    asks = [email("new@b.example"), email("user7@b.example")]
    entries = await database.read(lambda connection: rows.relevant(connection, SCOPE, asks, [("EMAIL", 5)]))
    assert len(entries) == 3  # the known key, the largest number issued, and the reserved one above it
    assert await store.assign(SCOPE, asks, [("EMAIL", 5)]) == [3001, 8]


NAMES = st.sampled_from(
    ["john", "smith", "John Smith", "John Doe", "Mr Smith", "Mrs Smith", "j doe", "Ann", "John A. Doe"]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([SCOPE, OTHER_SCOPE]),
        st.lists(NAMES, max_size=4),
        st.lists(st.tuples(st.just("PERSON"), st.integers(1, 5)), max_size=2),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("limits", [MemoryLimits(), MemoryLimits(scopes=1), MemoryLimits(rows=0)])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS, st.integers(0, 8))
async def test_the_durable_store_answers_like_the_one_in_memory(
    limits: MemoryLimits, tmp_path: Path, steps: list[tuple[bytes, list[str], list[tuple[str, int]]]], forget_at: int
) -> None:
    """Whatever part of the rows it mirrors or reads, and after forgetting."""
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'model.db'}"))
    await database.start()
    stores = (StoredPlaceholders(database, limits), MemoryPlaceholders())
    for step, (scope, called, reserved) in enumerate(steps):
        if step == forget_at:
            john = [person("John Smith").key]
            assert len({await store.forget(john) for store in stores}) == 1
            assert [await store.count(john) for store in stores] == [0, 0]
        asks = [person(name) for name in called]
        durable, memory = [await store.assign(scope, asks, reserved) for store in stores]
        assert durable == memory
    for store in stores:
        await store.forget_scope(SCOPE)
        await store.forget_scope(OTHER_SCOPE)
    await database.stop()
