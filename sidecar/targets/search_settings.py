"""What is configured of an OpenSearch or Elasticsearch cluster to erase from. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import Form, PersonTemplate, SecretSource, TargetForm, TlsFiles
from sidecar.targets.plain_form import check_server_url


class SearchMatch(Form):
    """A field that holds an identity. ``term`` is for keywords and numbers, ``match_phrase`` for analysed text."""

    field: Annotated[str, Field(pattern=r"^[A-Za-z0-9_@][A-Za-z0-9_.@-]*$")]
    value: PersonTemplate
    query: Literal["term", "match_phrase"] = "term"


class SearchIndex(Form):
    """An index, alias, data stream or pattern (``chats-*``). A document goes if any of ``match`` holds."""

    index: Annotated[str, Field(pattern=r"^[a-z0-9.*][a-z0-9._*-]*$")]
    match: Annotated[tuple[SearchMatch, ...], Field(min_length=1)]


class SearchSettings(TargetForm):
    """A cluster by its HTTP API. ``expunge``: deleted documents are merged away at once, which is heavy."""

    type: Literal["search"]
    url: str
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    tls: TlsFiles = TlsFiles()
    indices: Annotated[tuple[SearchIndex, ...], Field(min_length=1)]
    expunge: Literal["later", "at_once"] = "later"
    timeout_seconds: Annotated[float, Field(gt=0, le=200)] = 60.0

    @model_validator(mode="after")
    def _encrypted_or_loopback(self) -> SearchSettings:
        check_server_url(self.url, "url")
        return self

    @property
    def required(self) -> frozenset[IdentityType]:
        return frozenset[IdentityType]().union(*(one.value.fields for index in self.indices for one in index.match))
