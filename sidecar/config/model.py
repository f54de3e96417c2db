"""The typed configuration: frozen, parsed once, read by ``sidecar.app`` alone. See ``config.example.yaml``."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from sidecar.access import Role
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.redaction.policy import Operator


class _Section(BaseModel):
    """Frozen; a key that is not known is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can't leave this machine (or pod)."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an absolute http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("must hold no user name or password")
    if parts.query or parts.fragment:
        raise ValueError("must hold no query and no fragment")
    return value


def _entity_type(value: str) -> str:
    if value not in ENTITY_TYPES:
        raise ValueError("is no entity type; one of " + ", ".join(ENTITY_TYPES))
    return value


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Bytes = Annotated[int, Field(gt=0, le=1024 * 1024 * 1024)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
EntityType = Annotated[str, AfterValidator(_entity_type)]


class ClientAuth(StrEnum):
    """Whether a client must show a certificate."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


class ServerTlsConfig(_Section):
    """The certificate a listener shows, and which clients' certificates it trusts."""

    certificate: Path
    private_key: Path
    client_ca: Path | None = None
    client_auth: ClientAuth = ClientAuth.REQUIRED
    reload_seconds: Seconds = 10.0

    @model_validator(mode="after")
    def _client_ca_given(self) -> ServerTlsConfig:
        if self.client_auth is not ClientAuth.NONE and self.client_ca is None:
            raise ValueError(f"client_auth is {self.client_auth.value}, but client_ca names no CA file")
        return self


class DataListenerConfig(_Section):
    """Where trainer tools connect. TLS only."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod's listener; Service and NetworkPolicy bound it
    port: Port = 8443
    tls: ServerTlsConfig
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    drain_delay_seconds: Annotated[float, Field(ge=0, le=600)] = 5.0
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 25.0


class AdminListenerConfig(_Section):
    """Where probes, Prometheus, auditors and intake connect. Plain HTTP is for loopback only."""

    host: str = "127.0.0.1"
    port: Port = 9443
    tls: ServerTlsConfig | None = None

    @model_validator(mode="after")
    def _plain_on_loopback_only(self) -> AdminListenerConfig:
        if self.tls is None and not is_loopback(self.host):
            raise ValueError("without tls the admin listener must be on a loopback address such as 127.0.0.1")
        return self


class KeysConfig(_Section):
    """The master secret from which every other key is derived: 32 random bytes, as 64 hex digits."""

    master_file: Path | None = None
    master_env: str | None = None
    version: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_source(self) -> KeysConfig:
        if (self.master_file is None) == (self.master_env is None):
            raise ValueError("give exactly one of master_file and master_env")
        return self


class StateConfig(_Section):
    """Where durable state is kept: placeholders' keyed hashes and erasure requests."""

    url: SecretStr = SecretStr("sqlite:////var/lib/sidecar/state.db")


class AuditConfig(_Section):
    """The audit log. It can't be turned off."""

    file: Path = Path("/var/lib/sidecar/audit.jsonl")
    append_timeout_seconds: Seconds = 5.0


class CertificateIdentity(_Section):
    """An exact SAN: ``URI:spiffe://…`` or ``DNS:…``."""

    san: Annotated[str, Field(pattern=r"^(URI:|DNS:).+$")]


class IdentityConfig(_Section):
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


class UpstreamTlsConfig(_Section):
    """How an https upstream is verified, and who we are to it."""

    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @model_validator(mode="after")
    def _whole_pair(self) -> UpstreamTlsConfig:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self


class UpstreamConfig(_Section):
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


class TypePolicyConfig(_Section):
    """What is done with one entity type."""

    operator: Operator = Operator.REPLACE
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    mask_keep_last: Annotated[int, Field(ge=0, le=8)] = 0

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"operator": value} if isinstance(value, str) else value


PolicyConfig = dict[EntityType, TypePolicyConfig]


class IdGrammarConfig(_Section):
    """The shape of an organisation's own ids, e.g. order numbers."""

    name: Name
    label: EntityType
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    context: tuple[str, ...] = ()


class CatalogueConfig(_Section):
    """A product catalogue: CSV or JSON of names and SKUs."""

    file: Path
    keep_brands: bool = False


class DetectionConfig(_Section):
    """The recognizers, and the processes they run in."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    timeout_seconds: Seconds = 10.0
    start_timeout_seconds: Seconds = 60.0
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = 256
    model: Path | None = None
    cache_entries: Annotated[int, Field(ge=0, le=10_000_000)] = 200_000
    phone_regions: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ("US", "GB", "IN", "DE", "FR", "ES")
    id_grammars: tuple[IdGrammarConfig, ...] = ()
    catalogue: CatalogueConfig | None = None


class BodyConfig(StrEnum):
    """How a route's bodies are understood."""

    JSON = "json"
    OPAQUE = "opaque"


class RequestBodyConfig(StrEnum):
    """What is done with what trainers send."""

    REDACT = "redact"
    PASS = "pass"  # noqa: S105 - a policy, no password
    REFUSE = "refuse"


class RouteConfig(_Section):
    """A path prefix, who may use it, where it leads, and what its payloads look like."""

    name: Name
    path_prefix: Annotated[str, Field(pattern=r"^/[^?#\s]*$")]
    methods: Annotated[
        frozenset[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]], Field(min_length=1)
    ]
    upstream: Name
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    body: BodyConfig = BodyConfig.JSON
    request: RequestBodyConfig = RequestBodyConfig.REDACT
    preset: str | None = None
    fields: dict[str, Any] | None = None
    policy: Name = "default"
    host: str = "rewrite"
    max_request_bytes: Bytes = 1024 * 1024
    max_response_bytes: Bytes = 16 * 1024 * 1024


class HttpSuccessConfig(_Section):
    """What an answer must look like to count."""

    status: Annotated[tuple[int, ...], Field(min_length=1)] = (200, 202, 204)
    pointer: str | None = None
    at_least: int | None = None
    equals: Any = None


class HttpCallConfig(_Section):
    """One templated call to a target."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: str
    body: Any = None
    success: HttpSuccessConfig = HttpSuccessConfig()


class ErasureTargetConfig(_Section):
    """A system that personal data must be deleted from, and how one sees that it is gone."""

    name: Name
    type: Literal["http"]
    delete: dict[str, Any]
    verify: dict[str, Any] | None = None


class ErasureConfig(_Section):
    """Erasure requests and the systems they are driven through."""

    targets: tuple[ErasureTargetConfig, ...] = ()


class ListenersConfig(_Section):
    """The two listeners. Nothing of ``admin`` can be reached through ``data``."""

    data: DataListenerConfig
    admin: AdminListenerConfig = AdminListenerConfig()


class Config(_Section):
    """Everything the sidecar is told."""

    listeners: ListenersConfig
    keys: KeysConfig
    state: StateConfig = StateConfig()
    audit: AuditConfig = AuditConfig()
    identities: tuple[IdentityConfig, ...]
    upstreams: dict[Name, UpstreamConfig]
    policies: dict[Name, PolicyConfig] = {}
    detection: DetectionConfig = DetectionConfig()
    routes: tuple[RouteConfig, ...]
    erasure: ErasureConfig = ErasureConfig()
