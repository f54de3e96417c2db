"""Turns a parsed request into durable work. Nothing is destroyed here; nothing is acknowledged that is not kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sidecar.erasure.attempt import Clock, utc_now
from sidecar.erasure.deadlines import DeadlinePolicy, ExtensionGround, deadlines
from sidecar.erasure.outcomes import RequestState
from sidecar.erasure.plan import Plannable, Side, plan, plan_digest, unused_types
from sidecar.erasure.receipt import receipt_salt, subject_commitment
from sidecar.erasure.request import ErasureRequest, IdentityType, body_digest, subject_pseudonym
from sidecar.errors import ConfigError, Problem
from sidecar.keys import Pseudonymizer
from sidecar.stores.erasure_views import RequestView
from sidecar.stores.erasures import ErasureRequests, NewRequest


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request as kept, whether it is new, the person's own salt, and by when we meant to be done at first."""

    view: RequestView
    new: bool
    salt: str
    internal: datetime


class Intake:
    """Accepts requests for a fixed set of targets. Raises ``IdTaken``, ``PlanTooLarge`` and ``StoreUnavailable``.

    ``former``: of master keys from before a rotation, by which requests may be kept that are sent again.
    """

    def __init__(
        self,
        requests: ErasureRequests,
        targets: Sequence[Plannable],
        pseudonyms: Pseudonymizer,
        deadline_policy: DeadlinePolicy,
        clock: Clock = utc_now,
        former: Sequence[Pseudonymizer] = (),
    ) -> None:
        _check_names([target.name for target in targets])
        self._requests = requests
        self._targets = tuple(targets)
        self._planned_for = plan_digest(self._targets)
        self._pseudonyms = pseudonyms
        self._former = tuple(former)
        self._deadline_policy = deadline_policy
        self._clock = clock

    async def accept(self, request: ErasureRequest) -> Accepted:
        """Keep the request with its full plan, durably; or find it kept already."""
        received = self._clock()
        dates = deadlines(request.regulation, received, request.submitted, self._deadline_policy)
        salt = receipt_salt(request.id, self._pseudonyms)
        state = RequestState.PENDING if request.verified_by else RequestState.AWAITING_VERIFICATION
        view, new = await self._requests.accept(
            NewRequest(
                request=request,
                body_digest=body_digest(request, self._pseudonyms),
                subject=self.subject(request),
                commitment=subject_commitment(salt, request.identities),
                received_at=received,
                internal_at=dates.internal,
                legal_at=dates.legal,
                from_receipt_at=dates.legal,
                clock=self._deadline_policy.clock(request.regulation),
                accepted_state=state.value,
                plan=plan(self._targets, request.identities),
                unused_types=unused_types(self._targets, request.identities),
                planned_for=self._planned_for,
                former_digests=tuple(body_digest(request, one) for one in self._former),
            )
        )
        first = deadlines(request.regulation, view.received_at, request.submitted, self._deadline_policy)
        return Accepted(view, new, self._salt_of(request, view.commitment), first.internal)

    async def kept_of(self, candidates: Sequence[ErasureRequest]) -> ErasureRequest | None:
        """Return that of some requests whose id is taken, if any is. An id that is made by key changes with the key."""
        for one in candidates:
            if await self._requests.find(one.id) is not None:
                return one
        return None

    @property
    def asked_types(self) -> frozenset[IdentityType]:
        """The types of identities that some upstream system is asked about."""
        upstream = [target.required for target in self._targets if target.side is Side.UPSTREAM]
        return frozenset().union(*(required or frozenset(IdentityType) for required in upstream))

    async def confirm(self, request_id: str, verified_by: str) -> RequestView | None:
        """Note how the person was identified. None for an unknown id. Raises ``NotPending`` if it was taken back."""
        return await self._requests.confirm(request_id, verified_by, self._clock(), self._deadline_policy)

    async def extend(self, request_id: str, ground: ExtensionGround) -> RequestView | None:
        """Prolong the legal deadline once, by days as they are counted here. None for an unknown id (E34)."""
        return await self._requests.extend(request_id, ground, self._clock(), self._deadline_policy)

    def subject(self, request: ErasureRequest) -> str:
        """Return the pseudonym of the person, as records call them."""
        return subject_pseudonym(request.identities, self._pseudonyms)

    def _salt_of(self, request: ErasureRequest, commitment: str) -> str:
        """Return the salt that the commitment was made with: one by which the body is known, so one of these."""
        salts = [receipt_salt(request.id, one) for one in (self._pseudonyms, *self._former)]
        return next(one for one in salts if subject_commitment(one, request.identities) == commitment)


def _check_names(names: Sequence[str]) -> None:
    if not names:
        problem = Problem(
            "erasure.targets", "names no system", "An erasure that reaches nothing would look like success"
        )
        raise ConfigError((problem,))
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError((Problem("erasure.targets", f"names {name} twice", "Give every target its own name"),))
