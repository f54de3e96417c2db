"""Opens a Redis: TLS verified unless it is on this machine, every wait bounded, errors as closed words."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from sidecar.errors import ConfigError, Problem
from sidecar.targets.form import TlsFiles, is_loopback
from sidecar.targets.target import TargetFault

REDIS_ERRORS: Final = (RedisError, RedisClusterException, OSError)
"""Everything that its client raises for a server that is not there, refuses or answers nonsense."""

_FAULTS: Final[tuple[tuple[type[Exception], TargetFault], ...]] = (
    (AuthenticationError, TargetFault.NOT_PERMITTED),
    (AuthorizationError, TargetFault.NOT_PERMITTED),
    (NoPermissionError, TargetFault.NOT_PERMITTED),
    (ReadOnlyError, TargetFault.MISCONFIGURED),
    (BusyLoadingError, TargetFault.BUSY),
    (ClusterDownError, TargetFault.UNREACHABLE),
    (ResponseError, TargetFault.MISCONFIGURED),
    (RedisTimeoutError, TargetFault.TIMED_OUT),
    (TimeoutError, TargetFault.TIMED_OUT),
    (RedisConnectionError, TargetFault.UNREACHABLE),
    (RedisClusterException, TargetFault.UNREACHABLE),
    (OSError, TargetFault.UNREACHABLE),
)
_REMEDY: Final = (
    "Use rediss://user:password@host:port, redis:// on loopback, or unix:///path; options have keys of their own"
)


def check_redis_url(url: str, where: str) -> SplitResult:
    """Return the parts of a URL, or raise ``ConfigError``. Its query could turn verification off, so there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(where, "is no URL") from None
    sound = (parts.path if parts.scheme == "unix" else parts.hostname) and port != 0
    if parts.scheme not in {"redis", "rediss", "unix"} or not sound or parts.query or parts.fragment:
        raise _refused(where, "is no URL of a Redis")
    if parts.scheme != "unix" and parts.path.strip("/"):
        raise ConfigError((Problem(f"{where}.url", "names a database", "Name databases by their key"),))
    if parts.scheme == "redis" and not is_loopback(parts.hostname or ""):
        raise _refused(where, "is not encrypted and leaves this machine")
    return parts


class RedisAccess(Protocol):
    """What a connection needs to know beside the URL."""

    @property
    def timeout_seconds(self) -> float: ...

    @property
    def topology(self) -> str: ...

    @property
    def tls(self) -> TlsFiles: ...


def open_redis(settings: RedisAccess, url: SplitResult, database: int) -> Any:
    """Return a ``Redis`` or ``RedisCluster``, to be closed after use. Connects to nothing."""
    options: dict[str, Any] = {
        "username": unquote(url.username) if url.username else None,
        "password": unquote(url.password) if url.password else None,
        "socket_timeout": settings.timeout_seconds,
        "socket_connect_timeout": settings.timeout_seconds,
        "protocol": 2,
        "decode_responses": False,
    }
    if url.scheme == "unix":
        options["unix_socket_path"] = unquote(url.path)
    else:
        options |= {"host": url.hostname, "port": url.port or 6379}
    if url.scheme == "rediss":
        options |= _tls(settings)
    if settings.topology == "cluster":
        return RedisCluster(**options, require_full_coverage=True)
    return Redis(**options, db=database, retry=Retry(NoBackoff(), 0))


def fault_of(error: Exception) -> TargetFault:
    """Return why a call failed."""
    if _is_tls(error):
        return TargetFault.TLS
    return next((fault for kind, fault in _FAULTS if isinstance(error, kind)), TargetFault.TARGET_ERROR)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _tls(settings: RedisAccess) -> Mapping[str, Any]:
    files = settings.tls
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        "ssl_ca_certs": str(files.ca) if files.ca else None,
        "ssl_certfile": str(files.certificate) if files.certificate else None,
        "ssl_keyfile": str(files.private_key) if files.private_key else None,
    }


def _refused(where: str, message: str) -> ConfigError:
    return ConfigError((Problem(f"{where}.url", message, _REMEDY),))
