"""Outside services for tests. Missing ones are skipped, loudly; with ``REQUIRE_SERVICES`` set they fail."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

POSTGRESQL_URL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1/test")
MARIADB_URL = os.environ.get("TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1/mysql")
REQUIRE_SERVICES = bool(os.environ.get("REQUIRE_SERVICES"))


def missing(service: str, why: str) -> None:
    """Fail, or skip with a reason that shows in the summary (``-ra``)."""
    if REQUIRE_SERVICES:
        pytest.fail(f"{service} is required by REQUIRE_SERVICES: {why}")
    pytest.skip(f"{service} is not there: {why}")


@contextmanager
def fresh_postgresql() -> Iterator[str]:
    """Give the URL of a new, empty PostgreSQL database; drop it afterwards."""
    with _fresh("PostgreSQL", POSTGRESQL_URL, 'CREATE DATABASE "{}"', 'DROP DATABASE "{}" WITH (FORCE)') as url:
        yield url


@contextmanager
def fresh_mariadb() -> Iterator[str]:
    """Give the URL of a new, empty MariaDB (or MySQL) database; drop it afterwards."""
    with _fresh("MariaDB", MARIADB_URL, "CREATE DATABASE `{}` CHARACTER SET utf8mb4", "DROP DATABASE `{}`") as url:
        yield url


@contextmanager
def _fresh(service: str, admin_url: str, create: str, drop: str) -> Iterator[str]:
    admin = create_engine(admin_url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    name = f"sidecar_test_{secrets.token_hex(6)}"
    try:
        _execute(admin, create.format(name))
    except OperationalError as error:
        missing(service, f"{admin_url}: {type(error.orig).__name__}")
    try:
        yield make_url(admin_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(admin, drop.format(name))
        admin.dispose()


def _execute(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))
