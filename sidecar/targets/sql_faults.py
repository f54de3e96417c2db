"""Errors of foreign databases as closed words. Their texts hold values and statements, and go no further."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from sidecar.targets.target import TargetFault

_MYSQL_CONSTRAINT: Final = re.compile(r"CONSTRAINT `([^`]+)`")
_TURNED_AWAY: Final = re.compile(r"FATAL:.*(authentication failed|does not exist|pg_hba)")

_BY_CODE: Final[dict[str | int, TargetFault]] = {
    # PostgreSQL, by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html)
    "57014": TargetFault.TIMED_OUT,
    "40001": TargetFault.BUSY, "40P01": TargetFault.BUSY, "55P03": TargetFault.BUSY,
    "42501": TargetFault.NOT_PERMITTED, "28000": TargetFault.NOT_PERMITTED, "28P01": TargetFault.NOT_PERMITTED,
    "3D000": TargetFault.MISCONFIGURED, "42P01": TargetFault.MISCONFIGURED, "42703": TargetFault.MISCONFIGURED,
    "57P01": TargetFault.CLOSED_EARLY, "57P02": TargetFault.CLOSED_EARLY, "57P03": TargetFault.UNREACHABLE,
    # MariaDB and MySQL, by number (mariadb.com/kb/en/mariadb-error-code-reference)
    1205: TargetFault.BUSY, 1213: TargetFault.BUSY,
    1044: TargetFault.NOT_PERMITTED, 1045: TargetFault.NOT_PERMITTED, 1142: TargetFault.NOT_PERMITTED,
    1143: TargetFault.NOT_PERMITTED, 1698: TargetFault.NOT_PERMITTED, 1290: TargetFault.NOT_PERMITTED,
    1049: TargetFault.MISCONFIGURED, 1146: TargetFault.MISCONFIGURED, 1054: TargetFault.MISCONFIGURED,
    1969: TargetFault.TIMED_OUT, 3024: TargetFault.TIMED_OUT,
    2002: TargetFault.UNREACHABLE, 2003: TargetFault.UNREACHABLE,
    2006: TargetFault.CLOSED_EARLY, 2013: TargetFault.CLOSED_EARLY,
    # SQLite, by name (sqlite.org/rescode.html)
    "SQLITE_BUSY": TargetFault.BUSY, "SQLITE_LOCKED": TargetFault.BUSY,
    "SQLITE_READONLY": TargetFault.NOT_PERMITTED, "SQLITE_CANTOPEN": TargetFault.UNREACHABLE,
}  # fmt: skip


def fault_of(error: SQLAlchemyError) -> TargetFault:
    """Return why a call failed."""
    if isinstance(error, IntegrityError):
        return TargetFault.CONSTRAINT
    if not isinstance(error, DBAPIError):
        return TargetFault.TARGET_ERROR
    code = _code(error)
    if isinstance(code, str) and code.startswith("SQLITE_READONLY"):
        return TargetFault.NOT_PERMITTED
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code is None and type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}:
        # libpq gives no code for a connection that was never made, only the server's words, if it had any.
        return TargetFault.NOT_PERMITTED if _TURNED_AWAY.search(str(error.orig)) else TargetFault.UNREACHABLE
    return TargetFault.TARGET_ERROR


def is_refusal(error: SQLAlchemyError) -> bool:
    """Tell whether the database user may not do this."""
    return fault_of(error) is TargetFault.NOT_PERMITTED


def constraint_of(error: SQLAlchemyError, known: Collection[str]) -> str | None:
    """Return the name of the constraint that an error is about, if it is one of the schema's own. SQLite names none."""
    origin = getattr(error, "orig", None)
    name = getattr(getattr(origin, "diag", None), "constraint_name", None)
    if name is None and origin is not None and len(origin.args) > 1:
        found = _MYSQL_CONSTRAINT.search(str(origin.args[1]))
        name = found[1] if found else None
    return name if name in known else None


def _code(error: DBAPIError) -> str | int | None:
    origin = error.orig
    number = origin.args[0] if origin is not None and origin.args else None
    if isinstance(number, int):  # MariaDB and MySQL, whose SQLSTATEs say less
        return number
    state = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return None if state is None else str(state)
