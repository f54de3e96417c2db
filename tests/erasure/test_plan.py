"""Plans: every target is in, with every combination of what it needs (E11)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import PlannedTask, PlanTooLarge, Side, plan, unused_types
from sidecar.erasure.request import IdentityType, SubjectIdentity


@dataclass(frozen=True)
class Named:
    name: str
    required: frozenset[IdentityType]
    side: Side = Side.UPSTREAM


def named(name: str, *required: str) -> Named:
    return Named(name, frozenset(IdentityType(kind) for kind in required))


def people(*kinds: str) -> list[SubjectIdentity]:
    return [SubjectIdentity(IdentityType(kind), f"v{index}") for index, kind in enumerate(kinds)]


def test_E11_every_target_has_a_task_and_a_lacking_identity_is_unresolved_not_dropped() -> None:
    targets = [named("all"), named("mail", "email"), named("both", "email", "customer_id"), named("calls", "phone")]
    assert plan(targets, people("email", "customer_id", "email")) == (
        PlannedTask("all", (0, 1, 2)),
        PlannedTask("mail", (0,)),
        PlannedTask("mail", (2,)),
        PlannedTask("both", (1, 0)),
        PlannedTask("both", (1, 2)),
        PlannedTask("calls", (), Outcome.CAPABILITY_UNRESOLVED),
    )


def test_too_many_combinations_are_refused_whole() -> None:
    with pytest.raises(PlanTooLarge):
        plan([named("both", "email", "name")], people(*["email"] * 25, *["name"] * 25))


OWN = Named("sidecar", frozenset(), Side.OWN)


@pytest.mark.parametrize(
    ("targets", "given", "unused"),
    [
        ([named("mail", "email"), OWN], ("email",), ()),
        ([named("mail", "email"), OWN], ("email", "customer_id", "email"), ("customer_id",)),
        ([named("mail", "email"), OWN], ("phone", "name"), ("name", "phone")),  # nobody but us is asked anything
        ([named("mail", "email"), named("calls", "phone"), OWN], ("email", "phone"), ()),
        ([named("both", "email", "phone"), OWN], ("email",), ("email",)),
        ([named("both", "email", "phone"), OWN], ("email", "phone", "name"), ("name",)),
        ([named("all"), OWN], ("email", "name"), ()),
    ],
)
def test_types_that_no_upstream_system_is_asked_about(
    targets: list[Named], given: tuple[str, ...], unused: tuple[str, ...]
) -> None:
    assert unused_types(targets, people(*given)) == unused
