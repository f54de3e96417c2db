"""From configuration to who is told of erasures, and which hosts may be called for it."""

from __future__ import annotations

from sidecar.app.secrets import read_secret
from sidecar.app.tls import client_tls_of
from sidecar.config.erasure import ErasureConfig
from sidecar.config.erasure_life import WebhookConfig
from sidecar.erasure.notices import SenderSettings, Webhook
from sidecar.erasure.processor import Processor
from sidecar.erasure.public_hosts import HostRules
from sidecar.erasure.webhook import parse_webhook_key
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
