"""What is looked for, and what is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from sidecar.config.scalars import EntityType, Name, Seconds, Section
from sidecar.redaction.policy import Operator


class TypePolicyConfig(Section):
    """What is done with one entity type."""

    operator: Operator = Operator.REPLACE
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    mask_keep_last: Annotated[int, Field(ge=0, le=8)] = 0

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"operator": value} if isinstance(value, str) else value


PolicyConfig = dict[EntityType, TypePolicyConfig]


class IdGrammarConfig(Section):
    """The shape of an organisation's own ids, e.g. order numbers."""

    name: Name
    label: EntityType
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    context: tuple[str, ...] = ()


class CatalogueConfig(Section):
    """A product catalogue: CSV or JSON of names and SKUs."""

    file: Path
    keep_brands: bool = False
    reload_seconds: Seconds = 10.0


class PluginConfig(Section):
    """A recognizer of another package, by the name of its entry point, and what it is told."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    settings: dict[str, Any] = Field(default_factory=dict)


class DetectionConfig(Section):
    """The recognizers, and the processes they run in."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    timeout_seconds: Seconds = 10.0
    start_timeout_seconds: Seconds = 60.0
    max_pending: Annotated[int, Field(ge=1, le=100_000)] = 256
    max_wait_seconds: Seconds = 10.0
    model: Path | None = None
    cache_entries: Annotated[int, Field(ge=0, le=10_000_000)] = 200_000
    rewrite_cache_mebibytes: Annotated[int, Field(ge=0, le=65_536)] = 64
    languages: tuple[str, ...] = ("en", "de", "fr", "es", "it", "nl", "pl", "pt", "da", "nb", "sv")
    phone_regions: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = ("US", "GB", "IN", "DE", "FR", "ES")
    id_countries: tuple[str, ...] = ()
    id_grammars: tuple[IdGrammarConfig, ...] = ()
    catalogue: CatalogueConfig | None = None
    plugins: tuple[PluginConfig, ...] = ()
