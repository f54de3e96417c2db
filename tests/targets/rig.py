"""What the contract suite needs of a kind of target: a real system, people in it, and a look past the target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.target import Target


@dataclass(frozen=True)
class Person:
    """Somebody by two identifiers."""

    email: str
    customer_id: str

    @property
    def identities(self) -> tuple[SubjectIdentity, ...]:
        return (
            SubjectIdentity(IdentityType.EMAIL, self.email),
            SubjectIdentity(IdentityType.CUSTOMER_ID, self.customer_id),
        )


ANNA = Person("anna.canary@example.org", "C-1007-canary")
BERT = Person("bert@example.org", "C-10")
HOSTILE = (
    Person("a*?[x]'%_\\@example.org", "*"),
    Person("%@example.org", "[a-z]*'--"),
    Person('";x\\"@example.org', "C-1007-canary}{hash"),
    Person("émile+ß@exämple.org", "ключ\U0001f511"),
)


@dataclass(frozen=True)
class Rig:
    """``put`` stores data of a person, ``left`` counts it without the target. ``absent``: as configured, but the
    system is not there."""

    target: Target
    absent: Target
    put: Callable[[Person], Awaitable[None]]
    left: Callable[[Person], Awaitable[int]]


MakeRig = Callable[[Path], AbstractAsyncContextManager[Rig]]
