"""What the configurations of all targets share: frozen forms, parsed once. Pure.

A form is the target's settings: `sidecar.config` takes it in as it is, and the target is built from it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, PlainValidator, model_validator

from sidecar.targets.backup_settings import BackupForm
from sidecar.targets.canary_settings import CanaryForm
from sidecar.targets.plain_form import Form, SecretSource, TlsFiles, is_loopback
from sidecar.targets.target import TargetLimits
from sidecar.targets.template import TemplateInvalid, Text, parse_text

LONGEST_NAME: Final = 64
"""Of a target in stored state, a backup set's with its system's in front."""

__all__ = ["Form", "PersonTemplate", "SecretSource", "TargetForm", "Template", "TlsFiles", "is_loopback"]


class TargetForm(Form):
    """What every target has. ``per_second``: calls started in a second; None: as they come.

    ``backups``: sets of snapshots of this system. ``canary``: where in it the mark of its epoch stands; ``upstreams``:
    those of the proxy that show its data, and are closed when it went back in time.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")]
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    per_second: Annotated[float, Field(gt=0)] | None = None
    max_completion_days: Annotated[float, Field(gt=0, le=3650)] = 1.0
    backups: tuple[BackupForm, ...] = ()
    canary: CanaryForm | None = None
    upstreams: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _own_names(self) -> TargetForm:
        sets = [one.name for one in self.backups]
        if len(set(sets)) < len(sets):
            raise ValueError("two backup sets have the same name")
        if any(len(self.name) + 1 + len(one) > LONGEST_NAME for one in sets):
            raise ValueError(f"the name and that of a backup set have more than {LONGEST_NAME - 1} characters together")
        return self

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
