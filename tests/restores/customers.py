"""A system with a database of its own: a table of customers to erase from, and ways to put an older copy back."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.canary_sql import SqlCanary
from sidecar.targets.target import NO_LIMITS, DeleteResult, DeleteStatus, TargetLimits, VerifyResult, VerifyStatus
from tests.services import fresh_postgresql


class Restorable(Protocol):
    """A database that can be dumped and restored by the means of its kind."""

    @property
    def url(self) -> str: ...

    def dump(self) -> None: ...

    def restore(self) -> None: ...


@dataclass
class CustomerTable:
    """Implements ``Target``. ``work_mode``: the order is taken, and done when the test says."""

    engine: Engine
    name: str = "crm"
    side: Side = Side.UPSTREAM
    required: frozenset[IdentityType] = frozenset({IdentityType.EMAIL})
    limits: TargetLimits = NO_LIMITS
    max_completion: timedelta = timedelta(days=1)
    slow: bool = False
    ordered: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        email = identities[0].value
        if self.slow:
            self.ordered.append(email)
            return DeleteResult(DeleteStatus.SUBMITTED)
        return await asyncio.to_thread(self._delete, email)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        left = await asyncio.to_thread(self.count, identities[0].value)
        return VerifyResult(VerifyStatus.PRESENT if left else VerifyStatus.GONE, left)

    def work(self) -> None:
        for email in self.ordered:
            self._delete(email)
        self.ordered.clear()

    def add(self, email: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS customers (email VARCHAR(200))"))
            connection.execute(text("INSERT INTO customers VALUES (:email)"), {"email": email})

    def count(self, email: str) -> int:
        with self.engine.connect() as connection:
            query = text("SELECT count(*) FROM customers WHERE email = :email")
            return int(connection.execute(query, {"email": email}).scalar_one())

    def _delete(self, email: str) -> DeleteResult:
        with self.engine.begin() as connection:
            gone = connection.execute(text("DELETE FROM customers WHERE email = :email"), {"email": email}).rowcount
        self.deleted.append(email)
        return DeleteResult(DeleteStatus.DELETED if gone else DeleteStatus.NO_DATA, gone)


@dataclass
class SqliteFile:
    """Dumped by copying the file, while nobody writes."""

    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def dump(self) -> None:
        shutil.copy(self.path, self.path.with_suffix(".dump"))

    def restore(self) -> None:
        shutil.copy(self.path.with_suffix(".dump"), self.path)


@dataclass
class PostgresqlDatabase:
    """Dumped by ``pg_dump`` and restored over what is live by ``psql``."""

    url: str
    file: Path

    def dump(self) -> None:
        subprocess.run(["pg_dump", "--clean", "--if-exists", f"--file={self.file}", self._plain], check=True)

    def restore(self) -> None:
        options = ["--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", f"--file={self.file}"]
        subprocess.run(["psql", *options, self._plain], check=True, stdout=subprocess.DEVNULL)

    @property
    def _plain(self) -> str:
        return make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def restorable(kind: str, folder: Path) -> Iterator[Restorable]:
    if kind == "sqlite":
        yield SqliteFile(folder / "crm.db")
        return
    with fresh_postgresql() as url:
        yield PostgresqlDatabase(url, folder / "crm.sql")


def connected(database: Restorable) -> Engine:
    return create_engine(database.url, poolclass=NullPool)


def canary_in(database: Restorable) -> SqlCanary:
    return SqlCanary(connected(database))
