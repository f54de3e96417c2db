"""What is done with which entity type. Pure and frozen; its version is part of every cache key and audit record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

from sidecar.detection.entity_types import DEFAULT_TYPES, ENTITY_TYPES


class Operator(StrEnum):
    """How a found entity is replaced (D18)."""

    REPLACE = "replace"  # [PERSON_1]
    MASK = "mask"  # ********1234
    HASH = "hash"  # [PERSON#3f9a…], keyed
    SURROGATE = "surrogate"  # a realistic stand-in, the same for the same value
    DROP = "drop"  # nothing stays
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class TypePolicy:
    """One entity type: the operator, the score from which a span counts, and how much a mask keeps."""

    operator: Operator = Operator.REPLACE
    threshold: float = 0.35
    mask_keep_last: int = 0


def _default_types() -> Mapping[str, TypePolicy]:
    keep = TypePolicy(operator=Operator.KEEP)
    return MappingProxyType({name: TypePolicy() if name in DEFAULT_TYPES else keep for name in ENTITY_TYPES})


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of a route. Types not named are replaced: a type that nobody thought of is not a leak."""

    name: str = "default"
    types: Mapping[str, TypePolicy] = field(default_factory=_default_types)

    def for_type(self, label: str) -> TypePolicy:
        return self.types.get(label, TypePolicy())

    @property
    def version(self) -> str:
        """``<name>:<12 hex digits>`` of everything in it."""
        rows = [(k, v.operator.value, v.threshold, v.mask_keep_last) for k, v in sorted(self.types.items())]
        return f"{self.name}:{sha256(json.dumps([self.name, rows]).encode()).hexdigest()[:12]}"
