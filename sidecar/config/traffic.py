"""What passes through: callers, upstreams, routes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sidecar.access import Role
from sidecar.config.scalars import Bytes, HttpUrl, Name, Seconds, Section, is_loopback
from sidecar.erasure.deadlines import Regulation
from sidecar.erasure.recognition import PHRASES
from sidecar.erasure.request import IdentityType
from sidecar.proxy.routes import BodyMode, MessageKind, RequestPolicy, SuppressionPolicy, TargetPolicy, UrlPolicy


class CertificateIdentity(Section):
    """An exact SAN: ``URI:spiffe://…`` or ``DNS:…``."""

    san: Annotated[str, Field(pattern=r"^(URI:|DNS:).+$")]


class IdentityConfig(Section):
    """A caller: proven by a client certificate's SAN, or by a bearer token of which only the SHA-256 is kept."""

    name: Name
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    certificate: CertificateIdentity | None = None
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> IdentityConfig:
        if (self.certificate is None) == (self.token_sha256 is None):
            raise ValueError("give exactly one of certificate and token_sha256")
        return self


class UpstreamTlsConfig(Section):
    """How an https upstream is verified, and who we are to it."""

    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    reload_seconds: Seconds = 10.0

    @model_validator(mode="after")
    def _whole_pair(self) -> UpstreamTlsConfig:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self


class UpstreamConfig(Section):
    """A server behind the sidecar. Plain HTTP is for loopback only."""

    url: HttpUrl
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    connect_timeout_seconds: Seconds = 5.0
    read_timeout_seconds: Seconds = 60.0
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 100
    unsafe_allow_plaintext: bool = False

    @model_validator(mode="after")
    def _encrypted_or_loopback(self) -> UpstreamConfig:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not self.unsafe_allow_plaintext:
            raise ValueError("plain http would carry chats over the network in clear; use https, or a loopback address")
        return self


class WebsocketConfig(Section):
    """What may pass over the WebSockets of a route. Without this section upgrades are refused."""

    messages: MessageKind = MessageKind.JSON
    binary: Literal["refuse", "pass"] = "refuse"
    max_message_bytes: Bytes = 1024 * 1024
    origins: frozenset[Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+$")]] = frozenset()


def _phrases(value: Any) -> Any:
    return frozenset() if value == "none" else value


def _language(value: str) -> str:
    if value not in PHRASES:
        raise ValueError("has no phrases here; known are " + ", ".join(PHRASES))
    return value


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class TriggerIntentConfig(Section):
    """Where the chatbot says what it made of a message, and by which words it says "wants to be forgotten"."""

    path: str
    values: Annotated[frozenset[str], Field(min_length=1)]


Paths = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]


class ErasureTriggerConfig(Section):
    """How a request to be forgotten is known in the bodies of a route, and where they say who asks."""

    phrases: Annotated[frozenset[Annotated[str, AfterValidator(_language)]], BeforeValidator(_phrases)] = frozenset(
        PHRASES
    )
    intent: TriggerIntentConfig | None = None
    identities: Annotated[dict[IdentityType, Paths], Field(min_length=1)]
    regulation: Regulation = Regulation.GDPR

    @model_validator(mode="after")
    def _some_sign(self) -> ErasureTriggerConfig:
        if not self.phrases and self.intent is None:
            raise ValueError("nothing would ever be recognised; give phrases, or an intent")
        return self


class RouteConfig(Section):
    """A path prefix, who may use it, where it leads, and what its payloads look like."""

    name: Name
    path_prefix: Annotated[str, Field(pattern=r"^/[^?#\s]*$")]
    methods: Annotated[
        frozenset[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]], Field(min_length=1)
    ]
    upstream: Name
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    body: BodyMode = BodyMode.JSON
    request: RequestPolicy = RequestPolicy.REDACT
    preset: str | None = None
    fields: dict[str, Any] | None = None
    policy: Name = "default"
    host: Annotated[
        str, Field(pattern=r"^(keep|rewrite|[A-Za-z0-9.-]+\.[A-Za-z0-9.-]+(:[0-9]+)?|localhost(:[0-9]+)?)$")
    ] = "rewrite"
    forward_authorization: bool = False
    absolute_urls: UrlPolicy = UrlPolicy.REWRITE
    target: TargetPolicy = TargetPolicy.PASS
    unscanned_headers: frozenset[str] = frozenset({"set-cookie"})
    max_request_bytes: Bytes = 1024 * 1024
    max_response_bytes: Bytes = 16 * 1024 * 1024
    hold_back_characters: Annotated[int, Field(ge=64, le=2_000)] = 160
    suppression: SuppressionPolicy = SuppressionPolicy.REDACT
    websocket: WebsocketConfig | None = None
    erasure_trigger: ErasureTriggerConfig | None = None

    @model_validator(mode="after")
    def _opened_by_get(self) -> RouteConfig:
        if self.websocket is not None and "GET" not in self.methods:
            raise ValueError("a WebSocket is opened by GET; add it to methods")
        return self
