"""What is configured of a Redis (or Valkey) to erase from. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import Form, PersonTemplate, SecretSource, TargetForm, Template, TlsFiles
from sidecar.targets.glob import GlobTemplate


class HashField(Form):
    """A field of a hash that holds many people."""

    key: Template
    field: PersonTemplate


class Member(Form):
    """A member of a set, or of a sorted set, that holds many people."""

    key: Template
    member: PersonTemplate


class RedisSettings(TargetForm):
    """Keys by patterns, in every one of ``databases``; fields and members of keys that stay.

    ``url``: ``redis://`` (loopback only), ``rediss://`` or ``unix://``; it may hold a password. A cluster has but
    database 0.
    """

    type: Literal["redis"]
    url: SecretSource
    topology: Literal["single", "cluster"] = "single"
    databases: Annotated[tuple[Annotated[int, Field(ge=0, le=65535)], ...], Field(min_length=1)] = (0,)
    tls: TlsFiles = TlsFiles()
    keys: tuple[GlobTemplate, ...] = ()
    hash_fields: tuple[HashField, ...] = ()
    set_members: tuple[Member, ...] = ()
    sorted_set_members: tuple[Member, ...] = ()
    scan_count: Annotated[int, Field(ge=1, le=100_000)] = 500
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0

    @model_validator(mode="after")
    def _something_of_somebody(self) -> RedisSettings:
        if not (self.keys or self.hash_fields or self.set_members or self.sorted_set_members):
            raise ValueError("name keys, hash_fields, set_members or sorted_set_members")
        if self.topology == "cluster" and self.databases != (0,):
            raise ValueError("a cluster has database 0 only")
        return self

    @property
    def required(self) -> frozenset[IdentityType]:
        kinds: set[IdentityType] = set()
        for glob in self.keys:
            kinds |= glob.fields
        for one in self.hash_fields:
            kinds |= one.key.fields | one.field.fields
        for member in (*self.set_members, *self.sorted_set_members):
            kinds |= member.key.fields | member.member.fields
        return frozenset(kinds)
