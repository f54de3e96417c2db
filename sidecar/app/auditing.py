"""Wires the audit log: its keys, its settings, and what is recorded about the configuration itself."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import islice

from sidecar.app.settings import Settings
from sidecar.audit.appender import LogKeys, Pace
from sidecar.audit.canonical import canonical
from sidecar.audit.log import AuditLog
from sidecar.audit.opening import StartCheck
from sidecar.audit.providers.aws import KmsSettings
from sidecar.audit.providers.vault import VaultSettings
from sidecar.audit.reader import read_segment
from sidecar.audit.recipe import KeyRecipe
from sidecar.audit.record import Action, AuditWriter, Event
from sidecar.audit.remote_writer import RemoteWriter
from sidecar.audit.retention import Hold, Retention
from sidecar.audit.scribe import Rhythm
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import numbers
from sidecar.config.audit import AwsKeyProviderConfig, KeyProviderConfig, VaultKeyProviderConfig
from sidecar.config.model import Config
from sidecar.metrics import Metrics
from sidecar.tls.reload import Change, Look, OnChange

_log = logging.getLogger("sidecar")

_LOOKED_AT = 32  # records at the beginning of a segment, among which that of a start stands


def audit_of(settings: Settings, metrics: Metrics) -> AuditLog:
    """Return the audit log; there is no way to leave it out."""
    recipe, how = key_recipe_of(settings), audit_settings_of(settings.config)
    return AuditLog(how, recipe(), metrics, new_writer=lambda on_broken: RemoteWriter(how, recipe, metrics, on_broken))


def audit_settings_of(config: Config) -> AuditSettings:
    """Return how the log is kept."""
    audit = config.audit
    return AuditSettings(
        audit.folder,
        deadline_seconds=audit.append_timeout_seconds,
        start_check=StartCheck(audit.start_check),
        rhythm=Rhythm(heartbeat_seconds=audit.heartbeat_seconds),
        pace=Pace(
            checkpoint_records=audit.checkpoint.records,
            checkpoint_seconds=audit.checkpoint.seconds,
            segment_records=audit.segment.records,
            segment_bytes=audit.segment.mebibytes << 20,
            segment_seconds=audit.segment.hours * 3600,
        ),
        retention=Retention(audit.retention, tuple(Hold(one.name, one.since, one.until) for one in audit.holds)),
    )


def log_keys_of(settings: Settings) -> LogKeys:
    """Return what the log is written with; earlier master keys open what they sealed, and introduce their successor."""
    return key_recipe_of(settings)()


def key_recipe_of(settings: Settings) -> KeyRecipe:
    """Return of what the keys are made."""
    provider = provider_of(settings.config.audit.key_provider)
    return KeyRecipe(origin_of(settings.config), provider, settings.master, settings.earlier_masters)


def provider_of(config: KeyProviderConfig) -> VaultSettings | KmsSettings | None:
    """Return what wraps the keys of segments; None for the master key."""
    match config:
        case VaultKeyProviderConfig():
            return VaultSettings(
                config.url,
                config.key,
                config.token_file,
                config.mount,
                config.namespace,
                config.ca,
                config.timeout_seconds,
            )
        case AwsKeyProviderConfig():
            return KmsSettings(config.key_arn, config.region, config.endpoint, config.timeout_seconds)
    return None


def origin_of(config: Config) -> str:
    """Return the log's name. Pods of a StatefulSet have a host name that lasts."""
    return config.audit.origin or f"sidecar-audit/{socket.gethostname()}"


def start_event(settings: Settings, config_sha256: str, detector: str) -> Event:
    """Return the record of a start: by which configuration and which policies (A40)."""
    return Event(
        Action.START, config_sha256=config_sha256, policies_sha256=policies_sha256(settings.config), detector=detector
    )


def reload_note(audit: AuditWriter, what: str) -> Callable[[], None]:
    """Return what records that something was taken up while running. Called in the loop; nobody waits for it.

    A record that can't be written now is kept by the log and written when it can be.
    """

    return lambda: _note_soon(audit, Event(Action.RELOAD, what))


def certificates_note(audit: AuditWriter, what: str, upstream: str | None = None) -> OnChange:
    """Return what records which certificates, and which authorities, came in the place of which, or could not.

    ``upstream``: whose they are, if they are those of calls to one. Called in the loop like ``reload_note``.
    """

    def note(change: Change) -> None:
        event = Event(
            Action.RELOAD if change.look is Look.SWAPPED else Action.RELOAD_FAILED,
            what,
            upstream=upstream,
            certificate_sha256=change.found.certificate,
            former_certificate_sha256=change.before.certificate,
            authorities_sha256=change.found.authorities,
            former_authorities_sha256=change.before.authorities,
        )
        _note_soon(audit, event)

    return note


def _note_soon(audit: AuditWriter, event: Event) -> None:
    def told(written: asyncio.Future[None]) -> None:
        if not written.cancelled() and written.exception() is not None:
            _log.error("audit log: that the %s was reloaded is not recorded yet", event.reason)

    asyncio.ensure_future(audit.note(event)).add_done_callback(told)


def policies_sha256(config: Config) -> str:
    """Return a hash over what is redacted where: the policies, and what each route does with its payloads."""
    routes = [_ordered(one.model_dump()) for one in config.routes]
    policies = {
        name: {label: _ordered(one.model_dump()) for label, one in policy.items()}
        for name, policy in config.policies.items()
    }
    return sha256(canonical({"policies": policies, "routes": routes})).hexdigest()


def _ordered(value: object) -> object:
    """Return a value as JSON has it, with sets in an order: what they come in differs from process to process."""
    if isinstance(value, Mapping):
        return {str(name): _ordered(one) for name, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_ordered(one) for one in value), key=str)
    if isinstance(value, tuple | list):
        return [_ordered(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def changes_since(settings: Settings, now: Event) -> Event | None:
    """Return what is to be recorded if configuration or policies are not those of the last start. Blocking."""
    before = _last_start(settings)
    if before is None or (before.get("config_sha256"), before.get("policies_sha256")) == (
        now.config_sha256,
        now.policies_sha256,
    ):
        return None
    is_policy = before.get("policies_sha256") != now.policies_sha256
    _log.warning("the configuration is not that of the last start%s", "; policies differ" if is_policy else "")
    reason = "policies" if is_policy else "other"
    return Event(Action.CONFIG_CHANGED, reason, config_sha256=now.config_sha256, policies_sha256=now.policies_sha256)


def _last_start(settings: Settings) -> Mapping[str, object] | None:
    """Return the record of the last start: it stands near the beginning of a segment, as each start begins one."""
    folder, keys = settings.config.audit.folder, log_keys_of(settings).provider
    for number in reversed(numbers(folder)) if folder.is_dir() else ():
        try:
            records = read_segment(folder, number, keys)
        except FileNotFoundError:  # dropped, like all before it that no hold protects
            break
        for stored in islice(records, _LOOKED_AT):
            if stored.members.get("action") == Action.START:
                return stored.members
    return None
