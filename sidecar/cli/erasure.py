"""``sidecar erasure submit | confirm | status | receipt | keys | replay | verify-receipt``, and those for officers.

All but ``verify-receipt`` call the admin listener of a running sidecar. Identities are read from a file or standard
input, one ``type=value`` a line: arguments can be seen by every user of the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sidecar.audit.note import KeyKind, NoteInvalid, Verifier, parse_verifier
from sidecar.audit.tlog_proof import ProvenRecord
from sidecar.cli.erasure_calls import (
    CHECK_FAILED,
    DONE,
    PATH,
    USAGE,
    add_command,
    add_identities,
    connect,
    id_of,
    parse,
    path_of,
    print_json,
    run,
    usage_error,
)
from sidecar.cli.erasure_officer import add_officers
from sidecar.cli.identities import STANDARD_INPUT, read_identities
from sidecar.erasure.client import NoAnswer
from sidecar.erasure.deadlines import Regulation
from sidecar.erasure.receipt import ReceiptInvalid, is_about, verify_receipt
from sidecar.erasure.receipt_keys import (
    KeyFileInvalid,
    ReceiptKey,
    by_id,
    key_file,
    read_key_file,
    read_published,
    require_in_use,
)
from sidecar.erasure.receipt_proof import verify_receipt_proof
from sidecar.errors import UpstreamFault


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``erasure`` and its kinds."""
    erasure = commands.add_parser("erasure", help="submit an erasure, follow it, check its receipt")
    kinds = erasure.add_subparsers(dest="kind", required=True)
    submit = add_command(kinds, "submit", _submit, "have a person erased everywhere (role intake)")
    submit.add_argument("--regulation", choices=[one.value for one in Regulation], default=Regulation.GDPR.value)
    submit.add_argument("--id", help="the id of an earlier try, to send it again (default: a new one)")
    submit.add_argument("--verified-by", metavar="WORD", help="how the person was identified; without it, it waits")
    submit.add_argument("--submitted-time", metavar="RFC3339", help="when the person asked, if earlier than now")
    add_identities(submit, default=STANDARD_INPUT)
    confirm = add_command(
        kinds, "confirm", _confirm, "say that the person was identified (role intake, privacy_officer)"
    )
    confirm.add_argument("id", metavar="ID")
    confirm.add_argument("--verified-by", metavar="WORD", required=True)
    add_command(kinds, "status", _status, "show how a request stands").add_argument("id", metavar="ID")
    receipt = add_command(kinds, "receipt", _receipt, "fetch the signed receipt of a request that has ended")
    receipt.add_argument("id", metavar="ID")
    receipt.add_argument("--output", metavar="FILE", type=Path, help="(default: standard output)")
    receipt.add_argument("--proof", metavar="FILE", type=Path, help="write here as well that the audit log holds it")
    receipt.add_argument(
        "--cosigned", action="store_true", help="a proof under what witnesses of the log have cosigned"
    )
    add_command(kinds, "keys", _keys, "print the public keys that receipts are checked with, PEM")
    add_command(kinds, "replay", _replay, "erase everybody again whose identities are still kept, e.g. after a restore")
    add_officers(kinds)
    check = kinds.add_parser("verify-receipt", help="check a receipt offline (exit 1: it does not hold)")
    check.add_argument("file", metavar="FILE", type=Path, help="the receipt")
    check.add_argument("--public-key", metavar="FILE", type=Path, required=True, help="PEM, one or more")
    check.add_argument("--proof", metavar="FILE", type=Path, help="check as well that the audit log holds it")
    check.add_argument(
        "--log-key", metavar="VKEY", type=_log_key, help="the log's first public key, as noted elsewhere"
    )
    check.add_argument(
        "--witness-key",
        metavar="VKEY",
        type=_witness_key,
        action="append",
        default=[],
        help="a witness that cosigned it",
    )
    check.add_argument("--salt", metavar="HEX", help="check as well that it is about the person who was given this")
    add_identities(check, default=None)
    check.set_defaults(run=run, act=_verify_receipt)


def _submit(args: argparse.Namespace) -> int:
    request_id = id_of(args, "--id") if args.id else str(uuid4())
    fields = {
        "id": request_id,
        "regulation": args.regulation,
        "subject": {
            "identities": [
                {"type": one.type.value, "value": one.value} for one in read_identities(args.identities, "--identities")
            ]
        },
        "submitted_time": args.submitted_time,
        "verified_by": args.verified_by,
    }
    # Known before it is sent: if the answer is lost, the same id sent again does no harm (E1).
    print(f"submitting as {request_id}", file=sys.stderr)
    body = {name: value for name, value in fields.items() if value is not None}
    print_json(connect(args).call("POST", PATH, json.dumps(body).encode()))
    return DONE


def _confirm(args: argparse.Namespace) -> int:
    body = json.dumps({"verified_by": args.verified_by}).encode()
    print_json(connect(args).call("POST", f"{path_of(args)}/verification", body))
    return DONE


def _status(args: argparse.Namespace) -> int:
    print_json(connect(args).call("GET", path_of(args)))
    return DONE


def _receipt(args: argparse.Namespace) -> int:
    connection = connect(args)
    data = connection.call("GET", f"{path_of(args)}/receipt")
    if args.proof is not None:
        args.proof.write_bytes(
            connection.call("GET", f"{path_of(args)}/receipt-proof{'?cosigned=true' * args.cosigned}")
        )
    if args.output is not None:
        args.output.write_bytes(data)
    else:
        sys.stdout.buffer.write(data)  # byte for byte: not even a newline may be added
        sys.stdout.flush()
    return DONE


def _keys(args: argparse.Namespace) -> int:
    keys = parse(connect(args).call("GET", "/v1/erasure-receipt-keys")).get("keys")
    try:
        print(key_file([read_published(key) for key in keys or ()]), end="")
    except (KeyFileInvalid, TypeError):
        raise NoAnswer(UpstreamFault.BAD_RESPONSE) from None
    return DONE


def _replay(args: argparse.Namespace) -> int:
    print_json(connect(args).call("POST", "/v1/erasure-replays", b""))
    return DONE


def _verify_receipt(args: argparse.Namespace) -> int:
    if (args.salt is None) != (args.identities is None):
        print("--salt and --identities go together", file=sys.stderr)
        return USAGE
    if (args.proof is None) != (args.log_key is None) or (args.witness_key and args.proof is None):
        print("--proof and --log-key go together, and --witness-key goes with them", file=sys.stderr)
        return USAGE
    keys, data = _public_keys(args.public_key), args.file.read_bytes()
    try:
        said = verify_receipt(data, by_id(keys))
        require_in_use(said, keys)
        proven = _proven(args, data) if args.proof else None
    except ReceiptInvalid as error:
        print(f"{args.file}: {error}")
        return CHECK_FAILED
    print(json.dumps(said, indent=2))
    if args.salt is not None and not is_about(said, _salt(args.salt), read_identities(args.identities, "--identities")):
        print(f"{args.file}: holds, but is about somebody else")
        return CHECK_FAILED
    if proven is not None:
        print(f"{args.proof}: record {proven.index} of {proven.log}, signed over {proven.size} records ({proven.time})")
        for name, seconds in proven.seen.items():
            print(f"{args.proof}: cosigned by {name} ({datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ})")
    print(f"{args.file}: holds")
    return DONE


def _proven(args: argparse.Namespace, receipt: bytes) -> ProvenRecord:
    return verify_receipt_proof(receipt, args.proof.read_bytes(), args.log_key, args.witness_key)


def _public_keys(path: Path) -> tuple[ReceiptKey, ...]:
    try:
        return read_key_file(path.read_bytes())
    except KeyFileInvalid as invalid:
        raise usage_error(str(path), str(invalid), "Fetch it with: sidecar erasure keys --url …") from None


def _log_key(text: str) -> Verifier:
    try:
        return parse_verifier(text)
    except NoteInvalid as error:
        raise argparse.ArgumentTypeError(f"no public key: {error}") from None


def _witness_key(text: str) -> Verifier:
    key = _log_key(text)
    if key.kind is not KeyKind.COSIGNATURE:
        raise argparse.ArgumentTypeError("no key of a witness (Ed25519 cosignatures, type 0x04)")
    return key


def _salt(text: str) -> str:
    try:
        return bytes.fromhex(text).hex()
    except ValueError:
        raise usage_error("--salt", "is not hexadecimal", "Give receipt_salt as it was printed at submission") from None
