"""The public keys that receipts are checked with, each with the time in which it signed, as a file. Pure.

The file is PEM (RFC 7468); before each key stand lines with its id and its time, which readers of PEM pass over. A key
may stand there twice, with one time each. One without such lines is taken for any time, as in files of PEM alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from sidecar.erasure.receipt import ReceiptInvalid, key_id, timestamp
from sidecar.errors import SidecarError

_BEGIN, _END = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
_ID, _FIRST, _LAST = "Key-Id", "Not-Before", "Not-After"
_STILL: Final = "in use"


class KeyFileInvalid(SidecarError):
    """The file holds no usable public keys. The text says why, in our words."""


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """A key that signed receipts from ``not_before`` to ``not_after``, both included, in whole seconds.

    None: not known where it begins; still in use.
    """

    public: Ed25519PublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def id(self) -> str:
        return key_id(self.public)

    @property
    def pem(self) -> str:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def covers(self, moment: datetime) -> bool:
        """Tell whether the key was in use then."""
        begun = self.not_before is None or _whole(self.not_before) <= moment
        return begun and (self.not_after is None or moment <= self.not_after)


def by_id(keys: Sequence[ReceiptKey]) -> dict[str, Ed25519PublicKey]:
    """Return the keys as signatures are checked with them."""
    return {one.id: one.public for one in keys}


def require_in_use(receipt: Mapping[str, object], keys: Sequence[ReceiptKey]) -> None:
    """Raise ``ReceiptInvalid`` unless a verified receipt was signed while its key was in use, by its own account."""
    signed = _moment(str(receipt.get("signed_time")))
    if signed is None:
        raise ReceiptInvalid("it does not say when it was signed")
    if not any(one.covers(signed) for one in keys if one.id == receipt.get("key_id")):
        raise ReceiptInvalid("dated outside the time in which its key was in use")


def published(key: ReceiptKey) -> dict[str, object]:
    """Return a key as the endpoint gives it."""
    return {
        "key_id": key.id,
        "public_key": key.pem,
        "not_before": timestamp(key.not_before) if key.not_before else None,
        "not_after": timestamp(key.not_after) if key.not_after else None,
    }


def read_published(key: object) -> ReceiptKey:
    """Return a key as the endpoint gave it, or raise ``KeyFileInvalid``. Releases before times were kept gave none."""
    if not isinstance(key, dict) or not isinstance(pem := key.get("public_key"), str):
        raise KeyFileInvalid("holds no public key in PEM")
    times = {name: str(value) for name, value in key.items() if name in ("not_before", "not_after") and value}
    return ReceiptKey(_loaded(pem.encode()), _said(times, "not_before"), _said(times, "not_after"))


def key_file(keys: Sequence[ReceiptKey]) -> str:
    """Return the keys as a file."""
    return "".join(_entry(one) for one in keys)


def read_key_file(data: bytes) -> tuple[ReceiptKey, ...]:
    """Return the keys of a file, or raise ``KeyFileInvalid``: what says a time that can't be read is no key."""
    blocks = data.split(_END)[:-1]
    if not blocks:
        raise KeyFileInvalid("holds no public key in PEM")
    return tuple(_key(block) for block in blocks)


def _entry(key: ReceiptKey) -> str:
    lines = [f"{_ID}: {key.id}"]
    if key.not_before is not None:
        lines.append(f"{_FIRST}: {timestamp(key.not_before)}")
        lines.append(f"{_LAST}: {timestamp(key.not_after) if key.not_after else _STILL}")
    return "\n".join(lines) + "\n" + key.pem


def _key(block: bytes) -> ReceiptKey:
    before, _, encoded = block.rpartition(_BEGIN)
    key = _loaded(_BEGIN + encoded + _END + b"\n")
    said = _lines(before)
    if said.get(_ID, key_id(key)) != key_id(key):
        raise KeyFileInvalid("names a key by another key's id")
    last = None if said.get(_LAST) == _STILL else _said(said, _LAST)
    return ReceiptKey(key, _said(said, _FIRST), last)


def _loaded(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileInvalid("holds something else than Ed25519 public keys")
    return key


def _lines(text: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, _, value in lines if name in {_ID, _FIRST, _LAST}}


def _said(lines: Mapping[str, str], name: str) -> datetime | None:
    if name not in lines:
        return None
    moment = _moment(lines[name])
    if moment is None:
        raise KeyFileInvalid(f"has a {name} that is no time in UTC")
    return moment


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
