"""What is configured of a processor downstream that speaks OpenDSR 2.0. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import SecretSource, TargetForm, TlsFiles
from sidecar.targets.plain_form import check_server_url

OpenDsrType = Literal[
    "controller_customer_id", "android_advertising_id", "android_id", "email", "fire_advertising_id",
    "ios_advertising_id", "ios_vendor_id", "microsoft_advertising_id", "microsoft_publisher_id",
    "roku_publisher_id", "roku_advertising_id",
]  # fmt: skip


class OpenDsrSettings(TargetForm):
    """``url`` goes on with ``/requests``. ``identities``: how the processor calls our types. ``certificate`` is the
    processor's, by which every answer must be signed. ``verify``: a second call of an HTTP target, if there is one."""

    type: Literal["opendsr"]
    url: str
    domain: Annotated[str, Field(min_length=1)]
    certificate: Path
    identities: Annotated[dict[IdentityType, OpenDsrType], Field(min_length=1)]
    regulation: Literal["gdpr", "ccpa"] = "gdpr"
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    tls: TlsFiles = TlsFiles()
    verify: dict[str, Any] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _encrypted_or_loopback(self) -> OpenDsrSettings:
        check_server_url(self.url, "url")
        return self

    @property
    def required(self) -> frozenset[IdentityType]:
        return frozenset(self.identities)
