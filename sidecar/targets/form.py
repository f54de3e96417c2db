"""What the configurations of all targets share: frozen forms, parsed once. Pure.

A form is the target's settings: `sidecar.config` takes it in as it is, and the target is built from it.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from sidecar.targets.target import TargetLimits
from sidecar.targets.template import TemplateInvalid, Text, parse_text


class Form(BaseModel):
    """Frozen; a key that is not known is an error; no value shows in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretSource(Form):
    """Where a secret comes from; ``prefix`` goes before it, e.g. ``"Bearer "``."""

    env: str | None = None
    file: Path | None = None
    prefix: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> SecretSource:
        if (self.env is None) == (self.file is None):
            raise ValueError("give exactly one of env and file")
        return self


class TlsFiles(Form):
    """Whom we trust as a server (default: the system's authorities), and who we are to it, if it asks."""

    ca: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @model_validator(mode="after")
    def _whole_pair(self) -> TlsFiles:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        return self


class TargetForm(Form):
    """What every target has. ``per_second``: calls started in a second; None: as they come."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    per_second: Annotated[float, Field(gt=0)] | None = None
    max_completion_days: Annotated[float, Field(gt=0, le=3650)] = 1.0

    @property
    def limits(self) -> TargetLimits:
        return TargetLimits(self.concurrency, self.per_second)

    @property
    def max_completion(self) -> timedelta:
        return timedelta(days=self.max_completion_days)


def _template(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if not isinstance(value, str):
        raise ValueError("must be text")
    try:
        return parse_text(value)
    except TemplateInvalid as invalid:
        raise ValueError(str(invalid)) from None


def person_template(value: object) -> Text:
    """Parse a template that must name an identity, or raise ``ValueError``."""
    text = _template(value)
    if not text.fields:
        raise ValueError("names no identity, so it would be the same for everybody; put in e.g. {customer_id}")
    return text


Template = Annotated[Text, PlainValidator(_template)]
"""Text in which ``{email}`` and the like stand for a person's identities."""

PersonTemplate = Annotated[Text, PlainValidator(person_template)]
"""A template that names at least one identity."""


def is_loopback(host: str) -> bool:
    """Tell whether a host can only be this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
