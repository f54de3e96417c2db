"""What is configured of a folder to erase from. Pure."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import Form, PersonTemplate, TargetForm
from sidecar.targets.glob import GlobTemplate, check_sets


class Format(StrEnum):
    """How records stand in a file. The first two may be compressed (``.gz``)."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class FieldCompare(StrEnum):
    """When a field's value is the person's."""

    EXACT = "exact"
    IGNORE_CASE = "ignore_case"
    CONTAINS = "contains"


class FieldMatch(Form):
    """A field of a record: a JSON Pointer (``/user/email``; ``""`` is all of it), or the name of a column."""

    field: str
    value: PersonTemplate
    compare: FieldCompare = FieldCompare.EXACT


class DataSet(Form):
    """Files of records. A record is removed if any of ``match`` holds. ``files``: a pattern below the folder."""

    files: Annotated[str, Field(min_length=1)]
    format: Format
    match: Annotated[tuple[FieldMatch, ...], Field(min_length=1)]
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","

    @model_validator(mode="after")
    def _fields_of_the_format(self) -> DataSet:
        for one in self.match:
            if self.format is Format.JSONL and one.field and not one.field.startswith("/"):
                raise ValueError('fields of jsonl are JSON Pointers: /email, or "" for the whole record')
            if self.format is not Format.JSONL and not one.field:
                raise ValueError("fields of csv and parquet are names of columns")
        _check_below(self.files)
        check_sets(self.files)
        return self


class FilesSettings(TargetForm):
    """A folder: files that are the person's by their name, and data sets that hold many people.

    ``marker``: a file that is always in the folder. Without it nobody is erased from there: an empty mount point must
    not look like a folder in which nobody's data is.
    """

    type: Literal["files"]
    folder: Path
    marker: Annotated[str, Field(min_length=1, pattern=r"^[^/]+$")] | None = None
    remove: tuple[GlobTemplate, ...] = ()
    datasets: tuple[DataSet, ...] = ()
    concurrency: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _something_to_do(self) -> FilesSettings:
        if not (self.remove or self.datasets):
            raise ValueError("name remove or datasets")
        if not self.folder.is_absolute():
            raise ValueError("folder must be an absolute path")
        for glob in self.remove:
            _check_below(glob.sample(dict.fromkeys(glob.fields, "x")))
        return self

    @property
    def required(self) -> frozenset[IdentityType]:
        kinds: set[IdentityType] = set()
        for glob in self.remove:
            kinds |= glob.fields
        for dataset in self.datasets:
            kinds = kinds.union(*(one.value.fields for one in dataset.match))
        return frozenset(kinds)


def _check_below(pattern: str) -> None:
    """Refuse a pattern that no path below the folder can match: it would do nothing, and look like nobody's data."""
    if not {"", ".", ".."}.isdisjoint(pattern.split("/")):
        raise ValueError(
            "patterns are of paths below the folder: no / at either end, no . or .. in them; folder/** is all of one"
        )
