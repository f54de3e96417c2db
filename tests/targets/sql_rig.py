"""Shops in three databases: customers, their orders by a foreign key, the orders' items by another."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, text

from sidecar.targets.sql import SqlTarget
from sidecar.targets.sql_settings import SqlSettings
from tests.services import fresh_mariadb, fresh_postgresql
from tests.targets.rig import MakeRig, Person, Rig

DDL = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, email VARCHAR(200) UNIQUE, customer_id VARCHAR(200), note TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL,"
    " CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id))",
    "CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER,"
    " CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders (id))",
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, email VARCHAR(200), page VARCHAR(20))",
)
BY_EMAIL = [{"column": "email", "value": "{email}"}]
OF_CUSTOMER = [{"column": "customer", "through": {"table": "customers", "column": "id", "match": BY_EMAIL}}]
ITEMS = {
    "table": "items",
    "match": [{"column": "order_id", "through": {"table": "orders", "column": "id", "match": OF_CUSTOMER}}],
}
ORDERS = {"table": "orders", "match": OF_CUSTOMER}
CUSTOMERS = {"table": "customers", "match": BY_EMAIL}
VISITS = {"table": "visits", "mode": "null", "columns": ["email"], "match": BY_EMAIL}
TABLES: list[dict[str, Any]] = [ITEMS, ORDERS, CUSTOMERS, VISITS]


@contextmanager
def sqlite_shop(folder: Path) -> Iterator[str]:
    path = folder / "shop.db"
    path.touch()
    yield f"sqlite:///{path}"


def database(kind: str, folder: Path) -> AbstractContextManager[str]:
    """A fresh database of a kind, by its URL."""
    if kind == "postgresql":
        return fresh_postgresql()
    return fresh_mariadb() if kind == "mariadb" else sqlite_shop(folder)


def settings(tables: list[dict[str, Any]] | None = None, **changes: Any) -> SqlSettings:
    mapping = {"name": "shop", "type": "sql", "url": {"env": "SHOP"}, "tables": TABLES if tables is None else tables}
    return SqlSettings.model_validate(mapping | changes)


def sql_target(url: str, tables: list[dict[str, Any]] | None = None, **changes: Any) -> SqlTarget:
    return SqlTarget(settings(tables, **changes), url, ssl.create_default_context(), "erasure.targets[0]")


class Shop:
    """A look at the database past the target."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url)
        self._id = 0
        self.execute(*DDL)

    def execute(self, *statements: str, **values: Any) -> Any:
        with self.engine.begin() as connection:
            results = [connection.execute(text(one), values if values else {}) for one in statements]
            return results[-1].scalar() if results[-1].returns_rows else None

    def put(self, person: Person) -> int:
        self._id += 1
        row = {"id": self._id, "email": person.email, "customer_id": person.customer_id}
        self.execute(
            "INSERT INTO customers (id, email, customer_id, note) VALUES (:id, :email, :customer_id, 'kept')", **row
        )
        self.execute("INSERT INTO orders (id, customer) VALUES (:id, :id)", id=self._id)
        self.execute("INSERT INTO items (id, order_id) VALUES (:id, :id)", id=self._id)
        self.execute(
            "INSERT INTO visits (id, email, page) VALUES (:id, :email, 'home')", id=row["id"], email=row["email"]
        )
        return self._id

    def left(self, person: Person) -> int:
        found = [
            self.execute(f"SELECT count(*) FROM {table} WHERE email = :email", email=person.email)
            for table in ("customers", "visits")
        ]
        return int(sum(found))

    def count(self, table: str) -> int:
        return int(self.execute(f"SELECT count(*) FROM {table}"))


def sql_rig(kind: str) -> MakeRig:
    absent = {
        "postgresql": "postgresql+psycopg://postgres@127.0.0.1:1/shop",
        "mariadb": "mysql+pymysql://root@127.0.0.1:1/shop",
        "sqlite": "sqlite:////nowhere/shop.db",
    }[kind]

    @asynccontextmanager
    async def make(folder: Path) -> AsyncIterator[Rig]:
        with database(kind, folder) as url:
            shop = Shop(url)
            yield Rig(
                target=sql_target(url),
                absent=sql_target(absent),
                put=lambda person: asyncio.to_thread(lambda: (shop.put(person), None)[1]),
                left=lambda person: asyncio.to_thread(shop.left, person),
            )
            shop.engine.dispose()

    return make
