"""A signed counter that is kept in each restorable system, and what it says when it is read again. Pure.

The counter of a system is raised after every deletion in it and before that is verified. So a copy of the system that
was made while it still held the person has an older counter, or none: when that copy is put back, it shows (E39).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sidecar.erasure.request import canonical_json
from sidecar.errors import SidecarError

FORMAT: Final = "privacy-sidecar-epoch/1"
MAX_MARK_BYTES: Final = 4096


class MarkInvalid(SidecarError):
    """What stands where the mark should is not one of ours for this system."""


@dataclass(frozen=True, slots=True)
class EpochMark:
    """The counter as it stands in a system."""

    target: str
    epoch: int
    written_at: datetime


@dataclass(frozen=True, slots=True)
class KnownEpoch:
    """The counter as we know it. ``writing``: one that was begun, so that it may stand there or not."""

    epoch: int
    writing: int | None = None


class Reading(StrEnum):
    """What a mark says. A closed set: it is a metric label and the reason of a record."""

    FIRST = "first"  # nothing was ever written there
    CURRENT = "current"
    OLDER = "older"  # the system went back in time
    MISSING = "missing"  # to before we knew it, or it was emptied
    INVALID = "invalid"  # tampered with, or of another deployment
    NEWER = "newer"  # our own ledger went back in time


WENT_BACK: Final = frozenset({Reading.OLDER, Reading.MISSING, Reading.INVALID})


def sign_mark(mark: EpochMark, key: Ed25519PrivateKey) -> bytes:
    """Return what is kept in the system: printable ASCII, canonical JSON."""
    body = _body(mark)
    return canonical_json({"mark": body, "signature": key.sign(canonical_json(body)).hex()})


def read_mark(data: bytes, target: str, keys: Sequence[Ed25519PublicKey]) -> EpochMark:
    """Return the mark, or raise ``MarkInvalid`` unless one of ``keys`` signed it.

    The name is bound in: a mark is of one system only.
    """
    try:
        if len(data) > MAX_MARK_BYTES:
            raise ValueError
        envelope = json.loads(data)
        body, signature = envelope["mark"], bytes.fromhex(envelope["signature"])
        _require_signed(keys, signature, canonical_json(body))
        mark = EpochMark(str(body["target"]), body["epoch"], datetime.fromisoformat(body["written_time"]))
        if type(mark.epoch) is not int or _body(mark) != body:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError, InvalidSignature):
        raise MarkInvalid("the mark of an epoch is not one of ours") from None
    if mark.target != target:
        raise MarkInvalid("the mark of an epoch is that of another system")
    return mark


def judge(found: EpochMark | None, known: KnownEpoch | None) -> Reading:
    """Return what the mark that was found says, by what we know."""
    if known is None:
        return Reading.FIRST if found is None else Reading.NEWER
    if found is None:
        # The first one may have been begun and not have arrived.
        return Reading.FIRST if known.epoch == 0 else Reading.MISSING
    if found.epoch in {known.epoch, known.writing}:
        return Reading.CURRENT
    return Reading.OLDER if found.epoch < known.epoch else Reading.NEWER


def _require_signed(keys: Sequence[Ed25519PublicKey], signature: bytes, data: bytes) -> None:
    for key in keys:
        with suppress(InvalidSignature):
            return key.verify(signature, data)
    raise InvalidSignature


def _body(mark: EpochMark) -> dict[str, object]:
    written = mark.written_at.astimezone(UTC).isoformat(timespec="microseconds")
    return {"format": FORMAT, "target": mark.target, "epoch": mark.epoch, "written_time": written}
