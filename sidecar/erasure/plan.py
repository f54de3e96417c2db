"""The full list of what must be done for a request, made before anything is (E11). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from itertools import product
from typing import Final, Protocol

from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import SidecarError

MAX_TASKS_PER_TARGET: Final = 200
OWN_NAME: Final = "sidecar"
"""How the sidecar itself is called as a target. No configured target may be."""


class Side(StrEnum):
    """Whose state a target holds.

    The sidecar's own goes last: while any other system still has the person, traffic writes it anew. And it is no
    system that was asked: it takes whatever identities there are. A backup is looked at once its live system is done.
    """

    UPSTREAM = "upstream"
    OWN = "own"
    BACKUP = "backup"


def backup_name(live: str, backup_set: str) -> str:
    """Return the name of a backup set as a target. No configured name has a slash, so it can't be another's."""
    return f"{live}/{backup_set}"


def live_name(target: str) -> str:
    """Return the name of the live system that a backup set belongs to; any other target is its own."""
    return target.partition("/")[0]


@dataclass(frozen=True, slots=True)
class LiveErasure:
    """How a live system stands: since when nothing of the person was found there, or that something is kept there."""

    ended_at: datetime
    retained: bool = False


class Plannable(Protocol):
    """What a plan needs to know of a target."""

    @property
    def name(self) -> str: ...

    @property
    def side(self) -> Side: ...

    @property
    def required(self) -> frozenset[IdentityType]: ...


class PlanTooLarge(SidecarError):
    """The identities make more calls for one target than a request may have."""

    def __init__(self, target: str) -> None:
        super().__init__(f"more than {MAX_TASKS_PER_TARGET} combinations of identities for target {target}")
        self.target = target


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One target with the identities (by index) of one call. ``outcome`` says at once if it can't be done."""

    target: str
    identities: tuple[int, ...]
    outcome: Outcome = Outcome.PENDING


def plan(targets: Sequence[Plannable], identities: Sequence[SubjectIdentity]) -> tuple[PlannedTask, ...]:
    """Return at least one task for every target; a target that lacks an identity is unresolved, never dropped."""
    return tuple(task for target in targets for task in _tasks(target, identities))


def plan_digest(targets: Sequence[Plannable]) -> str:
    """Return what changes whenever the same identities could make another plan."""
    said = sorted([target.name, target.side.value, sorted(target.required)] for target in targets)
    return sha256(json.dumps(said).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Configured:
    """The targets that there are, the sidecar's own and backup sets among them, and the digest of plans for them."""

    names: frozenset[str]
    digest: str

    @classmethod
    def of(cls, targets: Sequence[Plannable]) -> Configured:
        return cls(frozenset(target.name for target in targets), plan_digest(targets))


def unused_types(targets: Sequence[Plannable], identities: Sequence[SubjectIdentity]) -> tuple[IdentityType, ...]:
    """Return the types of identities that no upstream system is asked about, sorted.

    A system that lacks another identity for its call is not asked either: its task is unresolved.
    """
    upstream = [target for target in targets if target.side is Side.UPSTREAM]
    given = {identity.type for identity in identities}
    asked: set[IdentityType] = set()
    for target in upstream:
        if target.required <= given:
            asked |= target.required or given
    return tuple(sorted(given - asked))


def _tasks(target: Plannable, identities: Sequence[SubjectIdentity]) -> list[PlannedTask]:
    if not target.required:
        return [PlannedTask(target.name, tuple(range(len(identities))))]
    choices = [
        [index for index, identity in enumerate(identities) if identity.type is wanted]
        for wanted in sorted(target.required)
    ]
    if not all(choices):
        return [PlannedTask(target.name, (), Outcome.CAPABILITY_UNRESOLVED)]
    size = 1
    for choice in choices:
        size *= len(choice)
    if size > MAX_TASKS_PER_TARGET:
        raise PlanTooLarge(target.name)
    return [PlannedTask(target.name, combination) for combination in product(*choices)]
