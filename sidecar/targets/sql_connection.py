"""Opens a foreign database: TLS verified unless it is on this machine, every wait bounded, no values in errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from sidecar.errors import ConfigError, Problem
from sidecar.targets.form import TlsFiles, is_loopback

_DRIVERS: Final[Mapping[str, str]] = {
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}
_EXTRAS: Final[Mapping[str, str]] = {"postgresql+psycopg": "postgresql", "mysql+pymysql": "mysql"}
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "postgresql+psycopg": frozenset({
        "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "target_session_attrs",
    }),
    "mysql+pymysql": frozenset({"charset", "collation", "unix_socket"}),
}  # fmt: skip
"""What a URL may say beside the server. Others lead elsewhere than its host says, or turn TLS off."""
_LATER_THAN_THE_SERVER_S: Final = 5
_URL_REMEDY: Final = "Use postgresql+psycopg://user:password@host/name, mysql+pymysql://… or sqlite:////path"


class SqlAccess(Protocol):
    """What a connection needs to know beside the URL."""

    @property
    def tls(self) -> TlsFiles: ...

    @property
    def statement_timeout_seconds(self) -> float: ...


def open_target_engine(settings: SqlAccess, url: str, tls: ssl.SSLContext, where: str) -> Engine:
    """Return an engine that connects anew for each call. Connects to nothing. Raises ``ConfigError``.

    ``tls`` is the verifying context for MariaDB and MySQL; libpq and SQLite have none of ours.
    """
    parsed = _parsed(url, where)
    try:
        if parsed.drivername == "sqlite":
            return _sqlite_engine(parsed, settings, where)
        leaves, is_postgresql = leaves_the_machine(parsed), parsed.drivername == "postgresql+psycopg"
        arguments = _postgresql(settings, leaves) if is_postgresql else _mysql(settings, tls if leaves else None)
        engine = create_engine(parsed, hide_parameters=True, poolclass=NullPool, connect_args=arguments)
    except ModuleNotFoundError:
        extra = _EXTRAS.get(parsed.drivername, "")
        remedy = f"Run: pip install 'privacy-sidecar[{extra}]'"
        raise ConfigError((Problem(f"{where}.url", "needs a driver that is not installed", remedy),)) from None
    if is_postgresql:
        from sidecar.stores.postgresql_silence import bound_silence

        bound_silence(engine, settings.statement_timeout_seconds + _LATER_THAN_THE_SERVER_S)
    return engine


def _parsed(url: str, where: str) -> URL:
    try:
        parsed = make_url(url)
        port_is_fine = parsed.port is None or 0 < parsed.port < 65536
    except (ArgumentError, ValueError):
        raise ConfigError((Problem(f"{where}.url", "is not a database URL", _URL_REMEDY),)) from None
    if parsed.drivername not in _DRIVERS or not parsed.database or not port_is_fine:
        problem = Problem(f"{where}.url", "names no database of a kind that is known", _URL_REMEDY)
        raise ConfigError((problem,))
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    check_options(parsed, f"{where}.url")
    return parsed


def check_options(url: URL, where: str) -> None:
    """Raise ``ConfigError`` for an option of a URL that could lead elsewhere, or turn verification off."""
    known = _OPTIONS.get(url.drivername, frozenset())
    if not known.issuperset(url.query):
        remedy = f"Give nothing behind ? but {', '.join(sorted(known))}" if known else "Give nothing behind ?"
        raise ConfigError((Problem(where, "has an option that could turn verification off", remedy),))


def leaves_the_machine(url: URL) -> bool:
    """Tell whether the connection does, so that it must be verified TLS. A path is a Unix socket."""
    hosts: list[str] = [url.host] if url.host else []
    named = url.query.get("host", ())
    hosts.extend([named] if isinstance(named, str) else named)
    single = [host for several in hosts for host in several.split(",")]
    return any(not host.startswith("/") and not is_loopback(host) for host in single)


def _postgresql(settings: SqlAccess, leaves: bool) -> dict[str, Any]:
    wait_ms = int(settings.statement_timeout_seconds * 1000)
    # Without row_security a policy that hides rows is an error, where it would look as if nobody's were there.
    options = {"statement_timeout": wait_ms, "lock_timeout": wait_ms, "row_security": "off"}
    arguments: dict[str, Any] = {
        "connect_timeout": 10,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        "application_name": "privacy-sidecar",
    }
    if leaves:
        arguments |= {"sslmode": "verify-full", "sslrootcert": str(settings.tls.ca or "system")}
        arguments |= _pair(settings.tls, ("sslcert", "sslkey"))
    return arguments


def _mysql(settings: SqlAccess, tls: ssl.SSLContext | None) -> dict[str, Any]:
    wait_s = max(1, int(settings.statement_timeout_seconds))
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",  # whatever the URL says: in another some identities can't be written
        "connect_timeout": 10,
        "read_timeout": wait_s + 5,
        "write_timeout": wait_s + 5,
        "init_command": f"SET SESSION innodb_lock_wait_timeout={wait_s}",
    }
    if tls is not None:
        arguments["ssl"] = tls
    return arguments


def _pair(tls: TlsFiles, names: Sequence[str]) -> dict[str, str]:
    if tls.certificate is None or tls.private_key is None:
        return {}
    return dict(zip(names, (str(tls.certificate), str(tls.private_key)), strict=True))


def _sqlite_engine(url: URL, settings: SqlAccess, where: str) -> Engine:
    path = Path(url.database or "")
    if not path.is_absolute():
        problem = Problem(f"{where}.url", "names no absolute path", "Use sqlite:////var/lib/app/data.db")
        raise ConfigError((problem,))
    # mode=rw: a path that is wrong must not become a new, empty database from which everybody is erased already.
    existing = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    engine = create_engine(
        existing,
        hide_parameters=True,
        poolclass=NullPool,
        connect_args={"timeout": settings.statement_timeout_seconds},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        for pragma in ("foreign_keys=ON", "secure_delete=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine
