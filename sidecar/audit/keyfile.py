"""The keys of a segment as the bytes of its ``.key`` file. Pure. See docs/audit-format.md."""

from __future__ import annotations

import binascii
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.audit.canonical import canonical
from sidecar.audit.keyring import KeyProvider, WrapContext, Wrapped
from sidecar.audit.keytree import DEPTH, NODE_BYTES
from sidecar.audit.leaf import FORMAT_VERSION
from sidecar.audit.sealing import KEY_BYTES, NONCE_BYTES, SegmentKeys
from sidecar.errors import KeyMaterialError


def new_keys() -> SegmentKeys:
    """Return fresh keys for a segment."""
    return SegmentKeys(secrets.token_bytes(KEY_BYTES), {"": secrets.token_bytes(NODE_BYTES)})


def lock_keys(keys: SegmentKeys, provider: KeyProvider, context: WrapContext) -> bytes:
    """Return the bytes of a key file. What it is sealed with is fresh each time: an old file's opens no new one."""
    key = secrets.token_bytes(KEY_BYTES)
    nonce = secrets.token_bytes(NONCE_BYTES)
    links = [[path, node.hex()] for path, node in sorted(keys.links.items())]
    plain = canonical({"facts": keys.facts.hex(), "links": links})
    sealed = nonce + AESGCM(key).encrypt(nonce, plain, _bound(context))
    return _text(provider.wrap(key, context), sealed, context)


def unlock_keys(data: bytes, provider: KeyProvider, context: WrapContext) -> SegmentKeys:
    """Return the keys in a key file. Raises KeyMaterialError, or what the provider raises."""
    wrapped, sealed = _parsed(data, context)
    key = provider.unwrap(wrapped, context)
    try:
        plain = AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(context))
    except (InvalidTag, ValueError):
        raise _spoiled(context) from None
    return _keys(json.loads(plain), context)


def wrapping_key_of(data: bytes, context: WrapContext) -> str:
    """Return the name of the key that a key file is wrapped with."""
    return _parsed(data, context)[0].key_id


def rewrap(data: bytes, provider: KeyProvider, context: WrapContext) -> bytes:
    """Return the key file under the provider's present key. What it seals stays byte for byte (A26)."""
    wrapped, sealed = _parsed(data, context)
    return _text(provider.wrap(provider.unwrap(wrapped, context), context), sealed, context)


def _text(wrapped: Wrapped, sealed: bytes, context: WrapContext) -> bytes:
    members = {
        "key": wrapped.key_id,
        "log": context.log,
        "sealed": b64encode(sealed).decode(),
        "segment": context.segment,
        "v": FORMAT_VERSION,
        "wrapped": b64encode(wrapped.data).decode(),
    }
    return canonical(members) + b"\n"


def _parsed(data: bytes, context: WrapContext) -> tuple[Wrapped, bytes]:
    try:
        outer: Any = json.loads(data)
    except (ValueError, RecursionError):
        outer = None
    match outer:
        case {"v": 2, "log": context.log, "segment": context.segment, "key": str(key_id), "wrapped": str(wrapped),
              "sealed": str(sealed)}:  # fmt: skip
            try:
                return Wrapped(key_id, b64decode(wrapped, validate=True)), b64decode(sealed, validate=True)
            except binascii.Error:
                raise _spoiled(context) from None
    raise _spoiled(context)


def _keys(inner: Mapping[str, Any], context: WrapContext) -> SegmentKeys:
    try:
        links = {path: bytes.fromhex(node) for path, node in inner["links"]}
        keys = SegmentKeys(bytes.fromhex(inner["facts"]), links)
    except (KeyError, TypeError, ValueError):
        raise _spoiled(context) from None
    sizes = {len(keys.facts), *map(len, links.values())}
    if sizes != {KEY_BYTES} or any(len(path) > DEPTH or path.strip("01") for path in links):
        raise _spoiled(context)
    return keys


def _bound(context: WrapContext) -> bytes:
    return b"sidecar-audit/2/keys\x00%b\x00%d" % (context.log.encode(), context.segment)


def _spoiled(context: WrapContext) -> KeyMaterialError:
    return KeyMaterialError(f"the key file of segment {context.segment} was changed, or belongs to another segment")
