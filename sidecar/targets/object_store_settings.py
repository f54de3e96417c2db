"""What is configured of a bucket to erase from. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import PersonTemplate, SecretSource, TargetForm, TlsFiles
from sidecar.targets.plain_form import check_server_url
from sidecar.targets.template import Text


def _closed(text: Text) -> Text:
    literal, kind = text.parts[-1]
    if kind is not None or not literal or literal[0].isalnum():
        raise ValueError("must go on with a separator after its last field: users/C-1 begins users/C-10, too")
    return text


Prefix = Annotated[PersonTemplate, AfterValidator(_closed)]


class ObjectStoreSettings(TargetForm):
    """A bucket: all that begins with one of ``prefixes``, and objects of the names in ``keys``, in every version.

    Without ``access_key_id`` the SDK's own chain of credentials is used (environment, workload identity).
    """

    type: Literal["object_store"]
    bucket: Annotated[str, Field(min_length=1)]
    endpoint: str | None = None
    region: str | None = None
    access_key_id: SecretSource | None = None
    secret_access_key: SecretSource | None = None
    tls: TlsFiles = TlsFiles()
    addressing: Literal["auto", "path", "virtual"] = "auto"
    prefixes: tuple[Prefix, ...] = ()
    keys: tuple[PersonTemplate, ...] = ()
    governance: Literal["respect", "bypass"] = "respect"
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _sound(self) -> ObjectStoreSettings:
        if not (self.prefixes or self.keys):
            raise ValueError("name prefixes or keys")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        check_server_url(self.endpoint or "https://s3", "endpoint")
        return self

    @property
    def required(self) -> frozenset[IdentityType]:
        return frozenset[IdentityType]().union(*(one.fields for one in (*self.prefixes, *self.keys)))
