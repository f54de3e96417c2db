"""What every upstream system says of itself, as its settings have it. Pure."""

from __future__ import annotations

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


class Described(Generic[Settings]):
    """The part of ``Target`` that is the same for every kind of upstream system."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def side(self) -> Side:
        return Side.UPSTREAM

    @property
    def required(self) -> frozenset[IdentityType]:
        return self._settings.required

    @property
    def limits(self) -> TargetLimits:
        return self._settings.limits

    @property
    def max_completion(self) -> timedelta:
        return self._settings.max_completion
