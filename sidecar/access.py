"""Who calls, and what they may do. Pure. Default deny: no identity, no role; no role, no entry."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from sidecar.errors import AccessDenied, DenialReason


class Role(StrEnum):
    """What a caller may be."""

    TRAINER = "trainer"
    AUDITOR = "auditor"
    PRIVACY_OFFICER = "privacy_officer"
    INTAKE = "intake"
    CONTROLLER = "controller"  # submits by OpenDSR, and sees and confirms nothing by any other way
    METRICS = "metrics"
    OPERATOR = "operator"  # keeps it running: sees how requests stand together, and none of them
    KEY_USER = "key_user"  # an application that encrypts what it keeps of people


class Proof(StrEnum):
    """How an identity was proven."""

    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - the name of a kind of proof, no secret
    SIGNATURE = "signature"  # over the body, with a secret that both sides hold
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller known from configuration. ``name`` is the operator's word for it, so it may be recorded."""

    name: str
    roles: frozenset[Role]
    proof: Proof = Proof.NONE


ANONYMOUS = Identity(name="anonymous", roles=frozenset())


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller presented.

    ``certificate_names`` are the SANs of a *verified* client certificate: ``DNS:a.b``, ``URI:spiffe://…``.
    """

    certificate_names: tuple[str, ...] = ()
    bearer_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """One configured identity: a certificate name, or the SHA-256 of a token (high-entropy, so unsalted is safe)."""

    identity: Identity
    certificate_name: str | None = None
    token_sha256: bytes | None = field(default=None, repr=False)


def identify(credentials: Credentials, callers: Sequence[KnownCaller]) -> Identity:
    """Return the caller's identity, or raise ``AccessDenied``. A certificate outranks a token.

    Every known token is compared, in constant time, so that timing tells nothing about which exist.
    """
    for caller in callers:
        if caller.certificate_name and caller.certificate_name in credentials.certificate_names:
            return _proven(caller.identity, Proof.CERTIFICATE)
    if credentials.bearer_token is not None:
        presented = sha256(credentials.bearer_token.encode("utf-8", "surrogatepass")).digest()
        matches = [c for c in callers if c.token_sha256 and hmac.compare_digest(c.token_sha256, presented)]
        if matches:
            return _proven(matches[0].identity, Proof.TOKEN)
        raise AccessDenied(DenialReason.UNKNOWN_IDENTITY)
    if credentials.certificate_names:
        raise AccessDenied(DenialReason.UNKNOWN_IDENTITY)
    raise AccessDenied(DenialReason.NO_IDENTITY)


def require_role(identity: Identity, admitted: Collection[Role]) -> None:
    """Raise ``AccessDenied`` unless the caller holds an admitted role. An empty ``admitted`` admits nobody."""
    if not identity.roles.intersection(admitted):
        raise AccessDenied(DenialReason.ROLE)


def _proven(identity: Identity, proof: Proof) -> Identity:
    return Identity(identity.name, identity.roles, proof)
