"""From configuration to backup sets and to the marks by which a restore is noticed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from sidecar.app.secrets import read_secret
from sidecar.config.erasure import TargetConfig
from sidecar.erasure.attempt import Clock
from sidecar.erasure.plan import backup_name
from sidecar.errors import ConfigError, Problem
from sidecar.metrics import Metrics
from sidecar.targets.backup import BackupTarget, KeyWitness
from sidecar.targets.backup_settings import (
    BackupForm,
    DumpFolder,
    PgBackRestSet,
    RdsSet,
    ResticSet,
    S3BackupSet,
    SearchSnapshotSet,
)
from sidecar.targets.canary import Canary, FileCanary
from sidecar.targets.canary_http import HttpCanary
from sidecar.targets.canary_settings import CanaryForm, FileCanaryForm, HttpCanaryForm, RedisCanaryForm
from sidecar.targets.canary_sql import SqlCanary
from sidecar.targets.plain_form import TlsFiles
from sidecar.targets.snapshot_commands import Command, CommandObserver, pgbackrest_reader, read_restic
from sidecar.targets.snapshot_files import DumpFiles, FileObserver
from sidecar.targets.snapshot_search import SearchObserver
from sidecar.targets.snapshots import Retention, SnapshotObserver
from sidecar.targets.sql_connection import open_target_engine
from sidecar.tls.contexts import ClientTls, client_context


def canary_of(config: CanaryForm, where: str) -> Canary:
    """Return where a system's mark stands. Connects to nothing. Raises ``ConfigError``."""
    if isinstance(config, FileCanaryForm):
        return FileCanary(config.path)
    if isinstance(config, RedisCanaryForm):
        return _redis_canary(config, where)
    tls = _tls(config.tls)
    if isinstance(config, HttpCanaryForm):
        headers = {name: read_secret(one, f"{where}.headers.{name}") for name, one in config.headers.items()}
        return HttpCanary(config.url, headers, tls, config.timeout_seconds)
    engine = open_target_engine(config, read_secret(config.url, f"{where}.url"), tls, where)
    return SqlCanary(engine, config.table)


def observer_of(config: BackupForm, where: str) -> SnapshotObserver:
    """Return what lists a backup set. Raises ``ConfigError`` for a secret that can't be read."""
    if isinstance(config, DumpFolder):
        return FileObserver(DumpFiles(config.folder, config.pattern, config.time_format))
    if isinstance(config, PgBackRestSet):
        return CommandObserver(_pgbackrest(config), pgbackrest_reader(config.stanza))
    if isinstance(config, S3BackupSet | RdsSet):
        return _aws(config, where)
    if isinstance(config, SearchSnapshotSet):
        headers = {name: read_secret(one, f"{where}.headers.{name}") for name, one in config.headers.items()}
        return SearchObserver(config, headers, _tls(config.tls))
    return CommandObserver(_restic(config, where), read_restic)


@dataclass(frozen=True, slots=True)
class Observed:
    """A backup set: what lists it, and what is declared of it. ``encrypted``: with the keys of people."""

    name: str
    observer: SnapshotObserver
    retention: Retention
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Restorable:
    """What of a system can put an older state of it back, and where that would show."""

    target: str
    upstreams: frozenset[str]
    canary: Canary | None
    backups: tuple[Observed, ...]

    def backup_targets(self, metrics: Metrics, keys: KeyWitness | None, clock: Clock) -> list[BackupTarget]:
        """Return each backup set as a target of its own. ``keys``: those of people, where there are any."""
        return [
            BackupTarget(one.name, one.observer, one.retention, metrics, clock, keys if one.encrypted else None)
            for one in self.backups
        ]


def restorable_of(config: TargetConfig, index: int) -> Restorable:
    """Return one system's backups and mark. Connects to nothing. Raises ``ConfigError``."""
    where = f"erasure.targets[{index}]"
    canary = None if config.canary is None else canary_of(config.canary, f"{where}.canary")
    backups = tuple(
        Observed(
            backup_name(config.name, one.name),
            observer_of(one, f"{where}.backups[{number}]"),
            one.retention,
            one.encrypted_by is not None,
        )
        for number, one in enumerate(config.backups)
    )
    return Restorable(config.name, config.upstreams, canary, backups)


def _redis_canary(config: RedisCanaryForm, where: str) -> Canary:
    try:
        from sidecar.targets.canary_redis import RedisCanary
        from sidecar.targets.redis_connection import check_redis_url
    except ModuleNotFoundError:
        raise _lacking(where, "redis") from None
    _tls(config.tls)
    return RedisCanary(config, check_redis_url(read_secret(config.url, f"{where}.url"), where))


def _aws(config: S3BackupSet | RdsSet, where: str) -> SnapshotObserver:
    try:
        from sidecar.targets.snapshot_bucket import BucketObserver
        from sidecar.targets.snapshot_rds import RdsObserver
    except ModuleNotFoundError:
        raise _lacking(where, "s3") from None
    _tls(config.tls)
    keys = None
    if config.access_key_id is not None and config.secret_access_key is not None:
        key = read_secret(config.access_key_id, f"{where}.access_key_id")
        keys = key, read_secret(config.secret_access_key, f"{where}.secret_access_key")
    return RdsObserver(config, keys) if isinstance(config, RdsSet) else BucketObserver(config, keys)


def _lacking(where: str, extra: str) -> ConfigError:
    remedy = f"Run: pip install 'privacy-sidecar[{extra}]'"
    return ConfigError((Problem(f"{where}.type", f"{extra} needs packages that are not installed", remedy),))


def _pgbackrest(config: PgBackRestSet) -> Command:
    options = [f"--stanza={config.stanza}", "--output=json", "--log-level-console=off"]
    if config.config_file is not None:
        options.append(f"--config={config.config_file}")
    return Command((str(config.program), *options, "info"), timeout_s=config.timeout_seconds)


def _restic(config: ResticSet, where: str) -> Command:
    secrets = {name: read_secret(one, f"{where}.environment.{name}") for name, one in config.environment.items()}
    options = [f"--repo={config.repository}", f"--password-file={config.password_file}", "--no-lock", "--json"]
    tags = [f"--tag={','.join(config.tags)}"] if config.tags else []
    return Command((str(config.program), *options, "snapshots", *tags), secrets, config.timeout_seconds)


def _tls(files: TlsFiles) -> ssl.SSLContext:
    return client_context(ClientTls(files.ca, files.certificate, files.private_key))
