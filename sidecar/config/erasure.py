"""Which systems an erasure is driven through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from sidecar.config.erasure_life import (
    CallbacksConfig,
    DeadlinesConfig,
    HoldsConfig,
    OpenDsrConfig,
    TriggerWebhookConfig,
    WebhookConfig,
)
from sidecar.config.scalars import HttpUrl, Name, Section, is_loopback
from sidecar.config.traffic import UpstreamTlsConfig
from sidecar.erasure.request import IdentityType
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.files_settings import FilesSettings
from sidecar.targets.form import SecretSource, TargetForm
from sidecar.targets.manual import ManualSettings
from sidecar.targets.object_store_settings import ObjectStoreSettings
from sidecar.targets.opendsr_settings import OpenDsrSettings
from sidecar.targets.plugins import PluginTargetSettings
from sidecar.targets.redis_settings import RedisSettings
from sidecar.targets.search_settings import SearchSettings
from sidecar.targets.sql_settings import SqlSettings


class OAuthConfig(Section):
    """A bearer token by client credentials (OAuth 2.0), fetched when needed, and anew when it ends or is refused."""

    token_url: HttpUrl
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretSource
    scope: str | None = None
    audience: str | None = None
    style: Literal["basic", "body"] = "basic"

    @model_validator(mode="after")
    def _encrypted_or_loopback(self) -> OAuthConfig:
        parts = urlsplit(self.token_url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("plain http would carry the secret over the network in clear; use https")
        return self


class HttpTargetConfig(TargetForm):
    """A system with an HTTP API to erase from, and how one sees that it is gone. See docs/erasure.md.

    ``delete`` and ``verify`` are read by the target's own parser, which knows their keys.
    """

    type: Literal["http"]
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    oauth2: OAuthConfig | None = None
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    delete: dict[str, Any]
    verify: dict[str, Any] | None = None


TargetConfig = Annotated[
    HttpTargetConfig
    | SqlSettings
    | RedisSettings
    | FilesSettings
    | ObjectStoreSettings
    | ManualSettings
    | PluginTargetSettings
    | BrokerSettings
    | SearchSettings
    | OpenDsrSettings,
    Field(discriminator="type"),
]
"""One system to erase from. Kinds other than http are read straight into the settings of their target."""


class SuppressionConfig(Section):
    """Data of erased people that turn up in traffic are not shown, and are looked for again in the systems.

    ``kept_days_after_horizon``: how long people are compared with traffic once their identities are destroyed.
    """

    kept_days_after_horizon: Annotated[float, Field(ge=0, le=3650)] = 0.0
    look_again_hours: Annotated[float, Field(ge=1, le=8760)] = 24.0
    max_keys: Annotated[int, Field(ge=1000, le=10_000_000)] = 1_000_000


class SubjectKeysConfig(Section):
    """A key for each person, which applications encrypt with and erasures destroy. See docs/erasure.md.

    ``folder`` holds the wrapping keys: on a volume of its own, in no backup of the database. ``pending_days``: how long
    their destruction can be taken back. ``identity``: by which people have their keys.
    """

    folder: Path
    pending_days: Annotated[float, Field(ge=0, le=30)] = 0.0
    identity: IdentityType = IdentityType.CUSTOMER_ID


class ErasureConfig(Section):
    """Erasure requests and the systems they are driven through. Without targets no request is taken.

    ``journal``: requests once more, outside the database; by default beside the folder of the audit log.
    ``horizon_days``: how long after its end a request's identities stay sealed, for deleting again after a restore.
    ``count_before``: whether the verification of a target counts before anything is deleted there, too.
    ``canary_seconds``: how often each system is looked at for one.
    """

    targets: tuple[TargetConfig, ...] = ()
    horizon_days: Annotated[float, Field(ge=0, le=3650)] = 35.0
    journal: Path | None = None
    second_look_hours: Annotated[float, Field(ge=0, le=720)] = 24.0
    deadlines: DeadlinesConfig = DeadlinesConfig()
    opendsr: OpenDsrConfig | None = None
    subject_keys: SubjectKeysConfig | None = None
    suppression: SuppressionConfig = SuppressionConfig()
    chat_intents: frozenset[Name] = frozenset()
    trigger_webhooks: tuple[TriggerWebhookConfig, ...] = ()
    holds: HoldsConfig | None = None
    notify: tuple[WebhookConfig, ...] = ()
    callbacks: CallbacksConfig = CallbacksConfig()
    count_before: bool = True
    canary_seconds: Annotated[float, Field(ge=1, le=3600)] = 10.0
