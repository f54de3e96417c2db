"""From configuration to who is told of erasures, which hosts may be called for it, and who tells us."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.app.secrets import read_secret
from sidecar.app.tls import client_tls_of
from sidecar.config.erasure import ErasureConfig
from sidecar.config.erasure_life import HoldsConfig, TriggerWebhookConfig, WebhookConfig
from sidecar.erasure.hold_sources import FileHolds, HoldSource, HttpHolds, NoHolds
from sidecar.erasure.notices import SenderSettings, Webhook
from sidecar.erasure.processor import Processor
from sidecar.erasure.public_hosts import HostRules
from sidecar.erasure.webhook import WebhookKey, parse_webhook_key
from sidecar.errors import ConfigError, Problem
from sidecar.tls.contexts import client_context


def sender_of(config: ErasureConfig, processor: Processor | None) -> SenderSettings:
    """Return whom notices are sent to. Raises ``ConfigError``."""
    webhooks = [_webhook(one, f"erasure.notify[{index}]") for index, one in enumerate(config.notify)]
    rules = HostRules(
        frozenset(host.lower() for host in config.callbacks.hosts), tuple(config.callbacks.private_networks)
    )
    return SenderSettings(
        webhooks={one.name: one for one in webhooks},
        processor=processor,
        hosts=rules,
        controllers_tls=client_context(client_tls_of(config.callbacks.tls)),
    )


def _webhook(config: WebhookConfig, where: str) -> Webhook:
    key = parse_webhook_key(read_secret(config.secret, f"{where}.secret"), f"{where}.secret")
    return Webhook(config.name, config.url, key, client_context(client_tls_of(config.tls)))


def trigger_senders_of(config: Sequence[TriggerWebhookConfig]) -> dict[str, WebhookKey]:
    """Return who signs messages to look at, by name. Raises ``ConfigError``."""
    return {one.name: _shared_key(one, f"erasure.trigger_webhooks[{i}].secret") for i, one in enumerate(config)}


def _shared_key(config: TriggerWebhookConfig, where: str) -> WebhookKey:
    key = parse_webhook_key(read_secret(config.secret, where), where)
    if key.shared is None:
        raise ConfigError(
            (Problem(where, "is a private key, which only its sender may hold", "Share a whsec_… secret"),)
        )
    return key


def hold_source_of(config: HoldsConfig | None) -> HoldSource:
    """Return who lists legal holds. Raises ``ConfigError``."""
    if config is None:
        return NoHolds()
    if config.file is not None:
        return FileHolds(config.file)
    where = "erasure.holds.headers"
    headers = {name: read_secret(one, f"{where}.{name}") for name, one in config.headers.items()}
    return HttpHolds(config.url or "", headers, client_context(client_tls_of(config.tls)))
