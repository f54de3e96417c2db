"""What every system says of itself, as its settings have it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType
from sidecar.targets.target import TargetLimits


class Description(Protocol):
    """What the settings of every kind hold."""

    @property
    def name(self) -> str: ...

    @property
    def required(self) -> frozenset[IdentityType]: ...

    @property
    def limits(self) -> TargetLimits: ...

    @property
    def max_completion(self) -> timedelta: ...


Settings = TypeVar("Settings", bound=Description)


@dataclass(frozen=True, slots=True)
class Plain:
    """The description of what has no settings of its own."""

    name: str
    max_completion: timedelta
    limits: TargetLimits = field(default_factory=TargetLimits)
    required: frozenset[IdentityType] = frozenset()


class Described(Generic[Settings]):
    """The part of ``Target`` that is the same for every kind. What is opened for each call has no life of its own."""

    def __init__(self, settings: Settings, side: Side = Side.UPSTREAM) -> None:
        self._settings = settings
        self._side = side

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def side(self) -> Side:
        return self._side

    @property
    def required(self) -> frozenset[IdentityType]:
        return self._settings.required

    @property
    def limits(self) -> TargetLimits:
        return self._settings.limits

    @property
    def max_completion(self) -> timedelta:
        return self._settings.max_completion

    async def start(self) -> None:
        """Open nothing, unless a kind says otherwise."""

    async def stop(self) -> None:
        """Close what ``start`` opened."""
