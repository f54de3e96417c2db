"""What only databases do: foreign keys, modes, rights, types. The rest is in the contract suite."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine, event, make_url, text

from sidecar.erasure.bodies import status_body
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError
from sidecar.stores.postgresql_silence import ListeningConnection
from sidecar.targets.sql import SqlTarget
from sidecar.targets.sql_connection import open_target_engine
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.erasure.world import CANARY, world
from tests.targets.rig import ANNA, BERT, Person
from tests.targets.sql_rig import (
    BY_EMAIL,
    CUSTOMERS,
    ITEMS,
    OF_CUSTOMER,
    ORDERS,
    TABLES,
    Shop,
    database,
    settings,
    sql_target,
)


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Shop]]:
    with database(request.param, tmp_path) as url:
        shop = Shop(url)
        yield url, shop
        shop.engine.dispose()


@asynccontextmanager
async def started(url: str, tables: list[dict[str, Any]] | None = None, **changes: Any) -> AsyncIterator[SqlTarget]:
    target = sql_target(url, tables, **changes)
    await target.start()
    try:
        yield target
    finally:
        await target.stop()


async def problems(url: str, tables: list[dict[str, Any]], **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        await sql_target(url, tables, **changes).start()
    return str(caught.value)


async def test_E21_a_foreign_key_in_the_way_rolls_the_whole_back_and_is_named(place: tuple[str, Shop]) -> None:
    url, shop = place
    shop.execute(
        "CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer INTEGER,"
        " CONSTRAINT invoices_customer FOREIGN KEY (customer) REFERENCES customers (id))"
    )
    async with started(url) as target:
        number = shop.put(ANNA)
        shop.execute("INSERT INTO invoices (id, customer) VALUES (1, :id)", id=number)
        result = await target.delete(ANNA.identities)
        assert (result.status, result.fault) == (DeleteStatus.FAILED, TargetFault.CONSTRAINT)
        assert result.detail == (None if url.startswith("sqlite") else "invoices_customer")
        assert [shop.count(table) for table in ("items", "orders", "customers")] == [1, 1, 1]
        assert shop.left(ANNA) == 2
        shop.execute("DELETE FROM invoices")
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.DELETED
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE


async def test_E21_deletes_what_points_at_the_person_and_empties_what_stays(place: tuple[str, Shop]) -> None:
    url, shop = place
    async with started(url) as target:
        shop.put(ANNA)
        shop.put(BERT)
        assert (await target.delete(ANNA.identities)).count == 4
        assert [shop.count(table) for table in ("items", "orders", "customers", "visits")] == [1, 1, 1, 2]
        assert shop.execute("SELECT count(*) FROM visits WHERE email IS NULL") == 1


async def test_E21_pseudonymise_is_never_called_erased(place: tuple[str, Shop]) -> None:
    url, shop = place
    renamed = {"table": "visits", "mode": "pseudonymise", "columns": ["email"], "match": BY_EMAIL}
    async with started(url, [ITEMS, ORDERS, CUSTOMERS, renamed]) as target:
        shop.put(ANNA)
        shop.execute("INSERT INTO visits (id, email) VALUES (77, :email)", email=ANNA.email)
        deleted = await target.delete(ANNA.identities)
        assert (deleted.count, deleted.parts) == (5, {"delete": 3, "pseudonymise": 2})
        assert shop.left(ANNA) == 0
        assert shop.execute("SELECT count(DISTINCT email) FROM visits WHERE email LIKE 'erased-%'") == 1
        assert (await target.verify(ANNA.identities)).status is VerifyStatus.RETAINED


@pytest.mark.parametrize("compare", ["exact", "contains"])
async def test_E21_whoever_is_called_like_a_pseudonym_is_renamed_all_the_same(
    place: tuple[str, Shop], compare: str
) -> None:
    url, shop = place
    match = [{"column": "email", "value": "{username}", "compare": compare}]
    renamed = {"table": "visits", "mode": "pseudonymise", "columns": ["email"], "match": match}
    async with started(url, [renamed]) as target:
        shop.execute("INSERT INTO visits (id, email) VALUES (1, 'erased-anna')")
        person = (SubjectIdentity(IdentityType.USERNAME, "erased-anna"),)
        assert (await target.delete(person)).count == 1
        assert shop.execute("SELECT count(*) FROM visits WHERE email LIKE 'erased-anna%'") == 0
        assert (await target.delete(person)).count == 0
        assert (await target.verify(person)).status is VerifyStatus.RETAINED


async def test_E21_the_status_tells_what_was_done_and_what_stands_in_the_way(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        shop = Shop(url)
        shop.execute(
            "CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer INTEGER,"
            " CONSTRAINT invoices_customer FOREIGN KEY (customer) REFERENCES customers (id))"
        )
        number = shop.put(Person(CANARY, "C-1"))
        shop.execute("INSERT INTO invoices (id, customer) VALUES (1, :id)", id=number)
        async with world(tmp_path / "state.db", [sql_target(url)]) as w:
            await w.submit()
            await w.settle()
            task = status_body(await w.view(), w.clock())["targets"][0]  # type: ignore[index]
            assert (task["outcome"], task["fault"], task["detail"], task["claimed_counts"]) == (
                "retryable_failure", "constraint", "invoices_customer", None,
            )  # fmt: skip
            shop.execute("DELETE FROM invoices")
            w.clock.advance(hours=1)
            await w.settle()
            task = status_body(await w.view(), w.clock())["targets"][0]  # type: ignore[index]
            assert (task["outcome"], task["fault"], task["detail"], task["claimed_counts"]) == (
                "verified_erased", None, None, {"delete": 3, "null": 1},
            )  # fmt: skip
        shop.engine.dispose()


async def test_E22_what_is_wrong_with_a_table_is_a_configuration_error(place: tuple[str, Shop]) -> None:
    url, shop = place
    shop.execute("CREATE TABLE log (line VARCHAR(9), email VARCHAR(20) NOT NULL, at DATE)")
    found = await problems(
        url,
        [
            {"table": "log", "match": BY_EMAIL},
            {"table": "nothing", "match": BY_EMAIL},
            {"table": "visits", "match": [{"column": "mail", "value": "{email}"}]},
            {"table": "log", "mode": "null", "columns": ["email", "gone"], "match": BY_EMAIL},
            {"table": "log", "mode": "pseudonymise", "columns": ["email"], "match": BY_EMAIL},
            {"table": "log", "match": [{"column": "at", "value": "{email}"}]},
            {"table": "visits", "match": [{"column": "email", "through": {
                "table": "customers", "column": "email", "match": BY_EMAIL}}]},
        ],
    )  # fmt: skip
    for expected in (
        "tables[0]: has no primary key. Add one",
        "tables[1]: there is no table nothing",
        "tables[2].match[0].column: visits has no column mail",
        "tables[3].columns[0]: can't be null",
        "tables[3].columns[1]: log has no column gone",
        "tables[4].columns[0]: can't hold a text of 23 characters",
        "tables[5].match[0].column: is of type DATE",
        "tables[6].match[0]: follows no foreign key of the database",
    ):
        assert f"erasure.targets[0].{expected}" in found


async def test_E22_an_order_that_foreign_keys_forbid_is_a_configuration_error(place: tuple[str, Shop]) -> None:
    url, _ = place
    found = await problems(url, [CUSTOMERS, ORDERS, ITEMS])
    assert "tables[0]: comes too early: orders points at it" in found
    assert "tables[1]: comes too early: items points at it" in found
    assert "List orders before customers" in found


NOTES = {"table": "notes", "match": OF_CUSTOMER}
EMPTIED = CUSTOMERS | {"mode": "null", "columns": ["email"]}
WITH_NOTE = EMPTIED | {"columns": ["email", "note"]}
LATE = "tables[1]: comes too late: it is matched by what tables[0] takes away. List it before tables[0], customers"


def put_notes(shop: Shop, on_delete: str) -> None:
    shop.execute(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER,"
        f" CONSTRAINT notes_customer FOREIGN KEY (customer) REFERENCES customers (id) ON DELETE {on_delete})"
    )
    shop.execute("INSERT INTO customers (id, email) VALUES (1, :email)", email=ANNA.email)
    shop.execute("INSERT INTO notes (id, customer) VALUES (1, 1)")


async def test_E22_a_step_that_a_former_one_blinds_is_a_configuration_error(place: tuple[str, Shop]) -> None:
    """E28: rows that lost their way to the person are not counted either, and would look erased."""
    url, shop = place
    put_notes(shop, "SET NULL")
    assert LATE in await problems(url, [CUSTOMERS, NOTES])
    async with started(url, [NOTES, CUSTOMERS]) as target:
        assert (await target.delete(ANNA.identities)).count == 2


@pytest.mark.parametrize(
    ("tables", "is_refused"),
    [
        ([CUSTOMERS, NOTES], False),  # the notes go with their customer
        ([EMPTIED, NOTES], True),
        ([EMPTIED | {"mode": "pseudonymise"}, NOTES], True),
        ([EMPTIED, CUSTOMERS], True),
        ([EMPTIED, WITH_NOTE], True),
        ([NOTES, EMPTIED], False),
        ([WITH_NOTE, EMPTIED], False),  # what it would empty is empty
    ],
)
async def test_E22_what_empties_columns_comes_after_what_is_matched_by_them(
    tmp_path: Path, tables: list[dict[str, Any]], is_refused: bool
) -> None:
    with database("sqlite", tmp_path) as url:
        shop = Shop(url)
        put_notes(shop, "CASCADE")
        if is_refused:
            assert LATE in await problems(url, tables)
        else:
            async with started(url, tables) as target:
                await target.delete(ANNA.identities)
                assert shop.left(ANNA) == 0
                assert NOTES not in tables or shop.count("notes") == 0
        shop.engine.dispose()


async def test_tables_that_point_here_and_are_not_listed_are_told(
    place: tuple[str, Shop], caplog: pytest.LogCaptureFixture
) -> None:
    url, _ = place
    async with started(url, [CUSTOMERS]):
        assert "orders points at it" in caplog.text


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_E22_without_the_rights_it_is_a_configuration_error(kind: str, tmp_path: Path) -> None:
    user = f"reader_{secrets.token_hex(4)}"
    with database(kind, tmp_path) as url:
        shop = Shop(url)
        at = "" if kind == "postgresql" else "@'127.0.0.1'"
        word = "PASSWORD" if kind == "postgresql" else "IDENTIFIED BY"
        shop.execute(f"CREATE USER {user}{at} {word} 'pass'")
        try:
            for table in ("items", "orders", "customers", "visits"):
                shop.execute(f"GRANT SELECT ON {table} TO {user}{at}")
            theirs = make_url(url).set(username=user, password="pass").render_as_string(hide_password=False)
            found = await problems(theirs, TABLES)
            assert found.count("can't be changed or read by this database user") == 4
            assert "tables[3]: can't be changed or read by this database user. Grant it SELECT and UPDATE" in found
            for table in ("items", "orders", "customers", "visits"):
                shop.execute(f"GRANT DELETE, UPDATE ON {table} TO {user}{at}")
            async with started(theirs) as target:
                shop.put(ANNA)
                assert (await target.delete(ANNA.identities)).status is DeleteStatus.DELETED
        finally:
            if kind == "postgresql":
                shop.execute(f"DROP OWNED BY {user}")
            shop.execute(f"DROP USER {user}{at}")
            shop.engine.dispose()


async def test_E22_a_read_only_file_is_a_configuration_error(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as url:
        shop = Shop(url)
        shop.execute("PRAGMA journal_mode=WAL")
        shop.engine.dispose()
        only = create_engine(f"sqlite:///file:{tmp_path}/shop.db?mode=ro&uri=true")
        target = sql_target(url)
        target._engine = only  # the tests run as root, whom no file mode stops
        with pytest.raises(ConfigError, match="can't be changed or read"):
            await target.start()


@pytest.mark.parametrize("hiding", ["items", "customers"])  # the second is only matched through
async def test_E22_rows_that_row_security_hides_are_a_configuration_error(tmp_path: Path, hiding: str) -> None:
    user = f"tenant_{secrets.token_hex(4)}"
    with database("postgresql", tmp_path) as url:
        shop = Shop(url)
        shop.put(ANNA)
        shop.execute(f"CREATE USER {user}")
        try:
            shop.execute(f"GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO {user}")
            theirs = make_url(url).set(username=user).render_as_string(hide_password=False)
            async with started(theirs, [ITEMS]) as target:
                shop.execute(f"ALTER TABLE {hiding} ENABLE ROW LEVEL SECURITY")
                assert "tables[0]: is under row-level security" in await problems(theirs, [ITEMS])
                # Turned on while we run, it hides nothing in silence either.
                assert (await target.delete(ANNA.identities)).fault is TargetFault.NOT_PERMITTED
                assert (await target.verify(ANNA.identities)).fault is TargetFault.NOT_PERMITTED
        finally:
            shop.execute(f"DROP OWNED BY {user}", f"DROP USER {user}")
            shop.engine.dispose()


async def test_E21_a_table_without_transactions_is_a_configuration_error(tmp_path: Path) -> None:
    with database("mariadb", tmp_path) as url:
        shop = Shop(url)
        shop.execute("CREATE TABLE old (id INTEGER PRIMARY KEY, email VARCHAR(99)) ENGINE=MyISAM")
        assert "old knows no transactions (myisam)" in await problems(url, [{"table": "old", "match": BY_EMAIL}])
        shop.engine.dispose()


async def test_a_wrong_password_is_a_configuration_error(tmp_path: Path) -> None:
    with database("mariadb", tmp_path) as url:
        wrong = make_url(url).set(username="nobody", password="x").render_as_string(hide_password=False)
        assert "not_permitted" in await problems(wrong, TABLES)


async def test_a_number_column_is_never_compared_with_text(place: tuple[str, Shop]) -> None:
    """MySQL reads the text 'C-1' as the number 0."""
    url, shop = place
    shop.execute("CREATE TABLE points (id INTEGER PRIMARY KEY, customer INTEGER)")
    shop.execute("INSERT INTO points (id, customer) VALUES (1, 0), (2, 7)")
    table = {"table": "points", "match": [{"column": "customer", "value": "{customer_id}"}]}
    async with started(url, [table]) as target:
        for value in ("C-1", "0x7", "07", "7.0", " 7"):
            person = (SubjectIdentity(IdentityType.CUSTOMER_ID, value),)
            assert (await target.delete(person)).fault is TargetFault.IDENTITY_UNUSABLE
            assert (await target.verify(person)).status is VerifyStatus.IMPOSSIBLE
        assert (await target.delete((SubjectIdentity(IdentityType.CUSTOMER_ID, "7"),))).count == 1
        assert shop.count("points") == 1


@pytest.mark.parametrize(
    ("value", "count"),
    [("2147483647", 1), ("12345678901", 0), ("9223372036854775807", 0), ("9223372036854775808", None)],
)
async def test_a_number_that_a_column_is_too_small_for_is_nobodys(
    place: tuple[str, Shop], value: str, count: int | None
) -> None:
    url, shop = place
    shop.execute("CREATE TABLE points (id INTEGER PRIMARY KEY, customer INTEGER)")
    shop.execute("INSERT INTO points (id, customer) VALUES (1, 2147483647)")
    table = {"table": "points", "match": [{"column": "customer", "value": "{customer_id}"}]}
    async with started(url, [table]) as target:
        person = (SubjectIdentity(IdentityType.CUSTOMER_ID, value),)
        assert (await target.delete(person)).count == count
        assert (await target.verify(person)).status is (VerifyStatus.IMPOSSIBLE if count is None else VerifyStatus.GONE)


@pytest.mark.parametrize(
    ("compare", "stored", "goes"),
    [
        ("ignore_case", "Anna.Canary@Example.ORG", True),
        ("contains", "written by anna.canary@example.org today", True),
        ("contains", "written by annaXcanary@example.org today", False),
    ],
)
async def test_compares_as_told(place: tuple[str, Shop], compare: str, stored: str, goes: bool) -> None:
    url, shop = place
    shop.execute("INSERT INTO customers (id, email) VALUES (1, :email)", email=stored)
    match = [{"column": "email", "value": "{email}", "compare": compare}]
    async with started(url, [{"table": "customers", "match": match}]) as target:
        assert ((await target.delete(ANNA.identities)).count or 0) == int(goes)


@pytest.mark.parametrize("compare", ["exact", "ignore_case", "contains"])
async def test_what_a_database_takes_for_equal_is_nobody_elses(place: tuple[str, Shop], compare: str) -> None:
    """MariaDB's usual collations don't tell these apart, and SQLite's LIKE no case."""
    url, shop = place
    shop.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20))")
    for number, name in enumerate(["jose", "JOSE", "josé", "jose "]):
        shop.execute("INSERT INTO users (id, name) VALUES (:id, :name)", id=number, name=name)
    kept = {"exact": {1, 2, 3}, "ignore_case": {2, 3}, "contains": {1, 2}}[compare]
    match = [{"column": "name", "value": "{username}", "compare": compare}]
    async with started(url, [{"table": "users", "match": match}]) as target:
        person = (SubjectIdentity(IdentityType.USERNAME, "jose"),)
        assert (await target.delete(person)).count == 4 - len(kept)
        assert (await target.verify(person)).status is VerifyStatus.GONE
    with shop.engine.connect() as connection:
        assert set(connection.scalars(text("SELECT id FROM users"))) == kept


async def test_identities_are_written_in_any_script_whatever_the_url_says(tmp_path: Path) -> None:
    with database("mariadb", tmp_path) as url:
        shop = Shop(url)
        person = Person("łukasz@example.org", "Ł-1")
        shop.put(person)
        async with started(f"{url}?charset=latin1") as target:
            assert (await target.delete(person.identities)).count == 4
            assert (await target.verify(person.identities)).status is VerifyStatus.GONE
        shop.engine.dispose()


async def test_more_rows_than_one_person_can_have_are_left_alone(place: tuple[str, Shop]) -> None:
    url, shop = place
    async with started(url, max_rows=3) as target:
        shop.put(ANNA)
        assert (await target.delete(ANNA.identities)).fault is TargetFault.TOO_MANY
        assert shop.left(ANNA) == 2


async def test_a_locked_row_is_busy_and_tried_again(place: tuple[str, Shop]) -> None:
    url, shop = place
    shop.put(ANNA)
    async with started(url, statement_timeout_seconds=1) as target:
        with shop.engine.begin() as connection:
            connection.execute(text("UPDATE items SET order_id = order_id"))
            result = await target.delete(ANNA.identities)
            assert result.fault in {TargetFault.BUSY, TargetFault.TIMED_OUT}
        assert (await target.delete(ANNA.identities)).status is DeleteStatus.DELETED


async def test_E22_what_could_not_be_checked_at_start_fails_closed_later(tmp_path: Path) -> None:
    path = tmp_path / "late.db"
    async with started(f"sqlite:///{path}") as target:
        assert (await target.delete(ANNA.identities)).fault is TargetFault.UNREACHABLE
        path.touch()
        assert (await target.delete(ANNA.identities)).fault is TargetFault.MISCONFIGURED
        assert (await target.verify(ANNA.identities)).fault is TargetFault.MISCONFIGURED


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_no_byte_of_the_person_stays_in_a_sqlite_file_or_its_log(tmp_path: Path, mode: str) -> None:
    def held() -> bool:
        return any(ANNA.email.encode() in path.read_bytes() for path in tmp_path.glob("shop.db*"))

    with database("sqlite", tmp_path) as url:
        shop = Shop(url)
        shop.execute(f"PRAGMA journal_mode={mode}")
        shop.put(ANNA)
        async with started(url) as target:
            assert held()
            await target.delete(ANNA.identities)
            assert not held()
        shop.engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "", "oracle://x/y", "sqlite:///relative.db", "postgresql://host", "mysql://h:99999999/x", "nonsense",
        "mysql://db.example.org/x?ssl_disabled=true", "postgresql://localhost/x?hostaddr=198.51.100.7",
        "postgresql://localhost/x?service=elsewhere", "sqlite:////x.db?mode=memory",
    ],
)  # fmt: skip
def test_an_unusable_url_is_a_configuration_error_that_shows_nothing_of_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sql_target(url)
    assert str(caught.value).startswith("erasure.targets[0].url: ")


@pytest.mark.parametrize(
    ("url", "verified"),
    [
        ("postgresql://db.example.org/x", True),
        ("postgresql:///x?host=db.example.org", True),
        ("postgresql://db.example.org/x?sslmode=disable", True),
        ("postgresql://127.0.0.1/x", False),
        ("postgresql:///x?host=/var/run/postgresql", False),
        ("mysql://db.example.org/x", True),
        ("mysql://localhost/x", False),
    ],
)
def test_E18_whatever_leaves_the_machine_is_verified_tls(
    url: str, verified: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_target_engine(settings(), url, ssl.create_default_context(), "t")
    given: dict[str, Any] = {}

    def connect(*_: object, **keywords: Any) -> None:
        given.update(keywords)
        raise ConnectionError

    monkeypatch.setattr(ListeningConnection, "connect", connect)
    event.listen(engine, "do_connect", lambda _dialect, _record, _args, keywords: connect(**keywords))
    with pytest.raises(ConnectionError):
        engine.connect()
    assert (given.get("sslmode") == "verify-full" or "ssl" in given) is verified


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"table": "t", "match": []}, "at least 1 item"),
        ({"table": "t", "match": [{"column": "a", "value": "fixed"}]}, "names no identity"),
        ({"table": "t", "match": [{"column": "a", "value": "{iban}"}]}, "not known"),
        ({"table": "t", "match": [{"column": "a"}]}, "exactly one of value and through"),
        ({"table": "t", "mode": "null", "match": BY_EMAIL}, "columns go with mode"),
        ({"table": "t", "columns": ["email"], "match": BY_EMAIL}, "columns go with mode"),
        ({"table": "t", "mode": "null", "columns": ["name"], "match": BY_EMAIL}, "or it would stay"),
        ({"table": "t", "mode": "erase", "match": OF_CUSTOMER}, "'delete', 'null' or 'pseudonymise'"),
    ],
)
def test_a_form_that_can_not_be_meant_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings([table])


def test_a_time_that_postgresql_would_take_for_no_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.001"):
        settings(statement_timeout_seconds=0.0005)
