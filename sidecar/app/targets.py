"""From configuration to systems to erase from. A kind's packages are imported only where one of it is configured."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from sidecar.app.secrets import read_secret
from sidecar.app.tls import client_tls_of
from sidecar.config.erasure import HttpTargetConfig, OAuthConfig, TargetConfig
from sidecar.erasure.deadlines import Regulation
from sidecar.erasure.feasibility import shortest_period, too_slow_for
from sidecar.errors import ConfigError, Problem
from sidecar.targets.broker import BrokerTarget
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.files import FilesTarget
from sidecar.targets.files_settings import FilesSettings, Format
from sidecar.targets.form import SecretSource, TlsFiles
from sidecar.targets.http import HttpTarget
from sidecar.targets.http_settings import parse_http_target
from sidecar.targets.manual import ManualSettings, ManualTarget
from sidecar.targets.oauth import ClientCredentials, TokenSource
from sidecar.targets.object_store_settings import ObjectStoreSettings
from sidecar.targets.opendsr import OpenDsrTarget
from sidecar.targets.opendsr_settings import OpenDsrSettings
from sidecar.targets.plugins import PluginTarget, PluginTargetSettings
from sidecar.targets.redis_settings import RedisSettings
from sidecar.targets.search import SearchTarget
from sidecar.targets.search_settings import SearchSettings
from sidecar.targets.sql import SqlTarget
from sidecar.targets.target import Target
from sidecar.tls.contexts import ClientTls, client_context

_log = logging.getLogger("sidecar.targets")
_EXTRAS: Final[Mapping[str, str]] = MappingProxyType({"redis": "redis", "files": "parquet", "object_store": "s3"})
"""Which extra of the package a kind of target needs."""


def target_of(config: TargetConfig, index: int) -> Target:
    """Return one system to erase from. Raises ``ConfigError``."""
    where = f"erasure.targets[{index}]"
    _check_in_time(config, where)
    try:
        return _made(config, where)
    except ModuleNotFoundError:
        extra = config.protocol if isinstance(config, BrokerSettings) else _EXTRAS[config.type]
        remedy = f"Run: pip install 'privacy-sidecar[{extra}]'"
        problem = Problem(f"{where}.type", f"{config.type} needs packages that are not installed", remedy)
        raise ConfigError((problem,)) from None


def _check_in_time(config: TargetConfig, where: str) -> None:
    """Refuse a system that is too slow for every law, and warn of one that is for some (E36)."""
    days = config.due_days if isinstance(config, ManualSettings) else config.max_completion_days
    slow = too_slow_for(timedelta(days=days))
    if len(slow) == len(Regulation):
        key = "due_days" if isinstance(config, ManualSettings) else "max_completion_days"
        message = f"{config.name} may take {days:g} days, longer than any law gives"
        raise ConfigError((Problem(f"{where}.{key}", message, "Agree on less with its operator, or take it out"),))
    if slow:
        laws = ", ".join(f"{one} ({shortest_period(one).days} days)" for one in slow)
        _log.warning("%s: %s may take %g days: too long for %s", where, config.name, days, laws)


def _made(config: TargetConfig, where: str) -> Target:
    if isinstance(config, HttpTargetConfig):
        return _http(config, where)
    if isinstance(config, RedisSettings):
        return _redis(config, where)
    if isinstance(config, FilesSettings):
        return _files(config, where)
    if isinstance(config, ObjectStoreSettings):
        return _object_store(config, where)
    if isinstance(config, ManualSettings):
        return ManualTarget(config)
    if isinstance(config, PluginTargetSettings):
        return PluginTarget(config, where)
    if isinstance(config, BrokerSettings):
        return _broker(config, where)
    if isinstance(config, SearchSettings):
        return SearchTarget(config, _headers(config.headers, where), where, _tls(config.tls))
    if isinstance(config, OpenDsrSettings):
        return OpenDsrTarget(config, _headers(config.headers, where), where, _tls(config.tls))
    return SqlTarget(config, read_secret(config.url, f"{where}.url"), _tls(config.tls), where)


def _redis(config: RedisSettings, where: str) -> Target:
    from sidecar.targets.redis import RedisTarget

    _tls(config.tls)  # for what can be wrong with its files
    return RedisTarget(config, read_secret(config.url, f"{where}.url"), where)


def _files(config: FilesSettings, where: str) -> Target:
    if not any(one.format is Format.PARQUET for one in config.datasets):
        return FilesTarget(config, None, where)
    from sidecar.targets import parquet_sets

    return FilesTarget(config, parquet_sets, where)


def _broker(config: BrokerSettings, where: str) -> Target:
    url, tls = read_secret(config.url, f"{where}.url"), _tls(config.tls)
    if config.protocol == "nats":
        from sidecar.targets.nats_messenger import NatsMessenger

        return BrokerTarget(config, NatsMessenger(config, url, tls, where), where)
    from sidecar.targets.rabbitmq_messenger import RabbitMqMessenger

    return BrokerTarget(config, RabbitMqMessenger(config, url, tls, where), where)


def _object_store(config: ObjectStoreSettings, where: str) -> Target:
    from sidecar.targets.object_store import ObjectStoreTarget

    _tls(config.tls)
    if config.access_key_id is None or config.secret_access_key is None:
        return ObjectStoreTarget(config, None, where)
    key = read_secret(config.access_key_id, f"{where}.access_key_id")
    return ObjectStoreTarget(config, (key, read_secret(config.secret_access_key, f"{where}.secret_access_key")), where)


def _headers(config: Mapping[str, SecretSource], where: str) -> dict[str, str]:
    return {name: read_secret(one, f"{where}.headers.{name}") for name, one in config.items()}


def _tls(files: TlsFiles) -> ssl.SSLContext:
    return client_context(ClientTls(files.ca, files.certificate, files.private_key))


def _http(config: HttpTargetConfig, where: str) -> HttpTarget:
    headers = _headers(config.headers, where)
    mapping = config.model_dump(
        include={"delete", "verify", "concurrency", "per_second", "max_completion_days"}, exclude_none=True
    )
    settings = parse_http_target(config.name, mapping, headers, where)
    tokens = _tokens(config.oauth2, f"{where}.oauth2") if config.oauth2 else None
    return HttpTarget(settings, client_context(client_tls_of(config.tls)), authorization=tokens)


def _tokens(config: OAuthConfig, where: str) -> TokenSource:
    return TokenSource(
        ClientCredentials(
            token_url=config.token_url,
            client_id=config.client_id,
            client_secret=read_secret(config.client_secret, f"{where}.client_secret"),
            scope=config.scope,
            audience=config.audience,
            style=config.style,
        )
    )
