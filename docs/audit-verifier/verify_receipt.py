#!/usr/bin/env python3
"""Verifies a receipt of an erasure without the sidecar, and its proof that the audit log tells of it.

    verify_receipt.py RECEIPT --public-key KEYS.pem [--proof FILE --key VKEY [--witness-key VKEY]...]
                      [--salt HEX --identities FILE]

Needs Python 3.11, the package ``cryptography``, and ``verify_audit.py`` beside it, which reads what is the log's. It
shares no code with the sidecar. The formats are those of docs/erasure.md (receipts) and docs/audit-format.md (proofs).

KEYS.pem holds the keys that sign receipts, each with the time in which it did (``Not-Before``, ``Not-After``; a key
without them counts for any time). VKEY is the audit log's first public key, noted when the log was begun, or that of a
witness who cosigned the proof (c2sp.org/tlog-cosignature): each that is given must have, and nobody else. With the salt
that was given to the person at submission, and the identities of the request in its order (lines ``type=value``), it
says whether the receipt is about them. One changed byte of RECEIPT or of the proof fails.

Exit code 0: all that was looked at holds. 1: something does not. 2: usage.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

sys.path.insert(0, str(Path(__file__).parent))
from verify_audit import (
    PART,
    Broken,
    Checkpoint,
    Keys,
    canonical,
    decoded,
    fail,
    parsed,
    root_over,
    sha,
)

FORMATS = {f"privacy-sidecar-erasure-receipt/{version}" for version in (1, 2, 3)}
HEADER = "c2sp.org/tlog-proof@v1"
MEMBERS = {"facts", "introductions", "leaf", "salt", "v"}


def keys_of(data: bytes) -> Iterator[tuple[str, Ed25519PublicKey, str, str]]:
    """Give each key of a file with its id and its first and last second."""
    begin, end = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
    for block in data.split(end)[:-1]:
        before, _, encoded = block.rpartition(begin)
        try:
            key = load_pem_public_key(begin + encoded + end + b"\n")
        except ValueError:
            fail("the key file", "malformed: a block is no public key")
        if not isinstance(key, Ed25519PublicKey):
            fail("the key file", "a key is not Ed25519")
        lines = dict(line.partition(": ")[::2] for line in before.decode("utf-8", "replace").splitlines())
        last = lines.get("Not-After", "in use")
        until = "9999-12-31T23:59:59Z" if last == "in use" else last
        name = sha(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hex()[:16]
        yield name, key, moment(lines.get("Not-Before", "0001-01-01T00:00:00Z")), moment(until)


def moment(text: str) -> str:
    """Return a time as it is written, which sorts as it is, or fail."""
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        fail("a time", "malformed: not UTC as 2025-03-01T12:00:00Z")
    return text


def check_receipt(data: bytes, key_file: bytes) -> Any:
    """Return what the receipt says, once it is known that a key in use then signed exactly these bytes."""
    where, envelope = "the receipt", parsed(data, "the receipt")
    body, signature = envelope["receipt"], bytes.fromhex(envelope["signature"])
    if canonical({"receipt": body, "signature": signature.hex()}) != data:
        fail(where, "changed after signing, or not as it was signed")
    mine = [entry for entry in keys_of(key_file) if entry[0] == body["key_id"]]
    if not mine:
        fail(where, "signed with a key that is not among those given")
    try:
        mine[0][1].verify(signature, canonical(body))
    except InvalidSignature:
        fail(where, "the signature does not match: it was changed after signing")
    if body["format"] not in FORMATS:
        fail(where, "of a format that this verifier does not know")
    if not any(first <= moment(body["signed_time"]) <= last for _, _, first, last in mine):
        fail(where, "dated outside the time in which its key was in use")
    return body


def check_proof(receipt: bytes, body: Any, data: bytes, keys: Keys, witnesses: list[str]) -> Checkpoint:
    """Return the checkpoint under which the log tells that this very receipt was signed."""
    where = "the proof"
    head, _, note = data.decode().partition("\n\n")
    header, extra, index, *path = head.split("\n")
    said = parsed(exactly(extra.removeprefix("extra "), where), where)
    if header != HEADER or set(said) != MEMBERS or said["v"] != 1:
        fail(where, "malformed: no tlog-proof of a record")
    introductions = [exactly(one, where) for one in said["introductions"]]
    checkpoints = [Checkpoint(one, "an introduction").believed_by(keys) for one in introductions]
    checkpoint = Checkpoint(note.encode(), "the checkpoint").believed_by(keys)
    for vkey in witnesses:
        check_witness(checkpoint, vkey)
    for one in (*checkpoints, checkpoint):
        require_all_known(one, keys)
    seq = int(index.removeprefix("index "))
    again = [HEADER, f"extra {b64encode(canonical(said)).decode()}", f"index {seq}", *path]
    if ("\n".join(again) + "\n\n" + note).encode() != data:
        fail(where, "changed: it is not written as it must be")
    record = parsed(said["leaf"], where)
    if (record["head"]["seq"], record["head"]["log"]) != (seq, checkpoint.origin) or not seq < checkpoint.size:
        fail(where, "the leaf is that of another record")
    if sha(PART["facts"] + bytes.fromhex(said["salt"]) + canonical(said["facts"])).hex() != record["commitments"][0]:
        fail(where, "the facts are not those that the record commits to")
    steps = [exactly(one, where) for one in path]
    if root_over(seq, checkpoint.size, sha(b"\0" + said["leaf"].encode()), steps) != checkpoint.root:
        fail(where, "it does not lead to the checkpoint")
    names = ("phase", "decision", "exchange_id", "receipt_sha256")
    wanted = ("outcome", "completed", body["audit_exchange"], sha(receipt).hex())
    if body["audit_exchange"] is None or tuple(said["facts"].get(name) for name in names) != wanted:
        fail(where, "it holds, but is of another record than this receipt's")
    return checkpoint


def check_witness(checkpoint: Checkpoint, vkey: str) -> None:
    """See that a witness cosigned, once, and take its line out of those that must be the log's."""
    name, key_id, encoded = vkey.split("+", 2)
    raw = decoded(encoded, "a witness's key")
    if len(raw) != 33 or raw[0] != 4 or sha(name.encode() + b"\n" + raw)[:4].hex() != key_id:
        raise Broken("the key of a witness is no Ed25519 vkey for cosignatures")
    start = bytes.fromhex(key_id)
    lines = [line.removeprefix("— ").partition(" ") for line in checkpoint.signatures]
    made = [exactly(text, checkpoint.where) for who, _, text in lines if who == name]
    made = [one[4:] for one in made if one[:4] == start]
    if len(made) != 1:
        fail(checkpoint.where, f"it is not cosigned, once, by {name}")
    seconds = int.from_bytes(made[0][:8], "big")
    try:
        message = f"cosignature/v1\ntime {seconds}\n{checkpoint.text}".encode()
        Ed25519PublicKey.from_public_bytes(raw[1:]).verify(made[0][8:], message)
    except InvalidSignature:
        fail(checkpoint.where, f"the cosignature of {name} is wrong")
    mine = f"— {name} {b64encode(start + made[0]).decode()}"
    checkpoint.signatures = [line for line in checkpoint.signatures if line != mine]


def require_all_known(one: Checkpoint, keys: Keys) -> None:
    """Leave no signature unchecked: each is by a key of the log, which all are known by now, and written as it must."""
    for line in one.signatures:
        name, _, made = line.removeprefix("— ").partition(" ")
        if (name, exactly(made, one.where)[:4]) not in keys.known:
            fail(one.where, "it bears a signature by a key that is not the log's")
    keys.check(one.text, one.signatures, one.size, one.where)


def exactly(text: str, where: str) -> bytes:
    """Decode base64 that is written in the one way in which it is written."""
    data = decoded(text, where)
    if b64encode(data).decode() != text:
        fail(where, "changed: base64 with bits that mean nothing")
    return data


def check_person(body: Any, salt: str, lines: str) -> None:
    rows = [[part.strip() for part in line.split("=", 1)] for line in lines.splitlines() if line.strip()]
    rows = [row for at, row in enumerate(rows) if row not in rows[:at]]
    made = hmac.new(bytes.fromhex(salt), canonical(rows), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made, str(body["subject_commitment"])):
        fail("the receipt", "it holds, but is about somebody else")


def vkey(text: str) -> str:
    """A key that can't be read is a mistake of the caller's, no verdict about the receipt."""
    try:
        Keys([text])
    except (Broken, ValueError) as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies a receipt of an erasure without the sidecar.")
    parser.add_argument("receipt", type=Path)
    parser.add_argument("--public-key", type=Path, required=True, metavar="FILE", help="keys that sign receipts, PEM")
    parser.add_argument("--proof", type=Path, metavar="FILE", help="that the audit log tells of it")
    parser.add_argument("--key", type=vkey, metavar="VKEY", help="the log's first key; goes with --proof")
    parser.add_argument(
        "--witness-key", action="append", default=[], metavar="VKEY", help="of one who cosigned the proof"
    )
    parser.add_argument("--salt", metavar="HEX", help="as it was given to the person; goes with --identities")
    parser.add_argument("--identities", type=Path, metavar="FILE", help="lines type=value")
    args = parser.parse_args()
    if (args.proof is None) != (args.key is None) or (args.salt is None) != (args.identities is None):
        parser.error("--proof goes with --key, and --salt with --identities")
    if args.salt is not None and not re.fullmatch(r"([0-9a-fA-F]{2})+", args.salt):
        parser.error("--salt is not hexadecimal")
    try:
        return verify(args)
    except Broken as broken:
        print(f"receipt: BROKEN\n  {broken}")
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        print(f"receipt: BROKEN\n  malformed: something is missing, or not what it must be ({type(error).__name__})")
    except OSError as error:
        print(f"{error.filename}: can't be read ({error.strerror})", file=sys.stderr)
        return 2
    return 1


def verify(args: argparse.Namespace) -> int:
    data = args.receipt.read_bytes()
    body = check_receipt(data, args.public_key.read_bytes())
    said = [f"receipt: holds ({body.get('kind', 'final')}, {body['state']}, signed {body['signed_time']})"]
    if args.salt is not None:
        check_person(body, args.salt, args.identities.read_text("utf-8"))
        said.append("person: it is about the one who was given the salt")
    if args.proof is not None:
        head = check_proof(data, body, args.proof.read_bytes(), Keys([args.key]), args.witness_key)
        cosigned = f", cosigned by {len(args.witness_key)} witnesses" if args.witness_key else ""
        said.append(f"proof: the log {head.origin} tells of it, by its first {head.size} records{cosigned}")
    said += [f"  {one['target']}: {one['outcome']}" for one in body["targets"]]
    print("\n".join(said))  # all of it, or nothing: what does not hold whole is not said to hold
    return 0


if __name__ == "__main__":
    sys.exit(main())
