"""Default deny: who is let in, and by which proof."""

from __future__ import annotations

from hashlib import sha256

import pytest

from sidecar.access import Credentials, Identity, KnownCaller, Proof, Role, identify, require_role
from sidecar.errors import AccessDenied, DenialReason

TRAINER = Identity("tool", frozenset({Role.TRAINER}))
INTAKE = Identity("portal", frozenset({Role.INTAKE}))
CALLERS = (
    KnownCaller(TRAINER, certificate_name="URI:spiffe://x/tool"),
    KnownCaller(INTAKE, token_sha256=sha256(b"let-me-in").digest()),
)


@pytest.mark.parametrize(
    ("credentials", "name", "proof"),
    [
        (Credentials(certificate_names=("URI:spiffe://x/tool",)), "tool", Proof.CERTIFICATE),
        (Credentials(bearer_token="let-me-in"), "portal", Proof.TOKEN),
        (Credentials(("URI:spiffe://x/tool",), "let-me-in"), "tool", Proof.CERTIFICATE),
        (Credentials(("URI:spiffe://x/other",), "let-me-in"), "portal", Proof.TOKEN),
    ],
)
def test_known_callers_are_identified(credentials: Credentials, name: str, proof: Proof) -> None:
    identity = identify(credentials, CALLERS)
    assert (identity.name, identity.proof) == (name, proof)


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        (Credentials(), DenialReason.NO_IDENTITY),
        (Credentials(bearer_token=""), DenialReason.UNKNOWN_IDENTITY),
        (Credentials(bearer_token="let-me-in "), DenialReason.UNKNOWN_IDENTITY),
        (Credentials(bearer_token="\udcff"), DenialReason.UNKNOWN_IDENTITY),
        (Credentials(("DNS:spiffe://x/tool",)), DenialReason.UNKNOWN_IDENTITY),
    ],
)
def test_everybody_else_is_denied(credentials: Credentials, reason: DenialReason) -> None:
    with pytest.raises(AccessDenied) as caught:
        identify(credentials, CALLERS)
    assert caught.value.reason is reason


def test_a_role_must_be_admitted_by_name() -> None:
    require_role(TRAINER, {Role.TRAINER, Role.AUDITOR})
    for admitted in ({Role.INTAKE}, set()):
        with pytest.raises(AccessDenied):
            require_role(TRAINER, admitted)


def test_tokens_show_in_no_repr() -> None:
    assert "let-me-in" not in repr(Credentials(bearer_token="let-me-in"))
