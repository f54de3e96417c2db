"""The verifier for those who have no sidecar, as a process, on sound and changed receipts and proofs (E44, E45)."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.note import Verifier
from sidecar.erasure.proof_api import prove_receipt
from sidecar.erasure.receipt import sign_receipt
from sidecar.erasure.receipt_keys import ReceiptKey, key_file
from tests.audit.samples import entries
from tests.erasure.test_cosigned_proof import OTHER_WITNESS, WITNESS, cosigned_by, newest
from tests.erasure.test_counts import SECOND_FORMAT
from tests.erasure.test_receipt import ANNA, KEY, LATER_KEY, SALT, WHEN
from tests.erasure.test_receipt_proof import LOG_KEY, NAMED, OTHERS, RECEIPT, lookup_in, proven, signing

VERIFIER = Path(__file__).parents[2] / "docs" / "audit-verifier" / "verify_receipt.py"
HOUR = timedelta(hours=1)
PUBLIC = [ReceiptKey(LATER_KEY.public_key(), WHEN + HOUR), ReceiptKey(KEY.public_key(), WHEN - HOUR, WHEN)]


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_receipt", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ALONE = loaded()
NO = (ALONE.Broken, KeyError, TypeError, AttributeError, IndexError, ValueError)  # as its main catches


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = [*entries(5), *signing(RECEIPT), *entries(3)]
    return proven(lookup_in(tmp_path_factory.mktemp("log"), made), RECEIPT)


@pytest.fixture(scope="module")
def cosigned(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = [*entries(5), *signing(RECEIPT), *entries(3)]
    lookup = lookup_in(tmp_path_factory.mktemp("cosigned"), made)
    proof = prove_receipt(lookup, RECEIPT, cosigned_by(newest(lookup), WITNESS, OTHER_WITNESS))
    assert isinstance(proof, bytes)
    return proof


@pytest.fixture
def files(tmp_path: Path, proof: bytes) -> Path:
    (tmp_path / "receipt.json").write_bytes(RECEIPT)
    (tmp_path / "keys.pem").write_text(key_file(PUBLIC))
    (tmp_path / "proof").write_bytes(proof)
    (tmp_path / "anna.txt").write_text(f"email={ANNA[0].value}\n")
    (tmp_path / "bert.txt").write_text("email=bert@example.org\n")
    return tmp_path


def run(folder: Path, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-I", str(VERIFIER), "receipt.json", "--public-key", "keys.pem", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def test_it_depends_on_nothing_but_cryptography_and_the_verifier_of_logs() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography", "verify_audit"}


def test_E44_E45_receipt_proof_and_person_are_checked_on_a_machine_without_the_sidecar(files: Path) -> None:
    with_proof = ("--proof", "proof", "--key", str(LOG_KEY))
    code, said = run(files, *with_proof, "--salt", SALT, "--identities", "anna.txt")
    assert (code, said.splitlines()[1]) == (0, "person: it is about the one who was given the salt")
    assert "by its first 20 records" in said
    assert ANNA[0].value not in said
    assert "about somebody else" in run(files, "--salt", SALT, "--identities", "bert.txt")[1]
    assert run(files, "--proof", "proof")[0] == 2
    assert run(files, "--proof", "nowhere", "--key", str(LOG_KEY))[0] == 2
    (files / "receipt.json").write_bytes(RECEIPT.replace(b"unverified", b"verified_e"))
    assert run(files)[0] == 1


@given(st.integers(0, len(RECEIPT) - 1), st.integers(1, 255))
def test_E44_any_changed_byte_of_the_receipt_fails(place: int, change: int) -> None:
    changed = bytearray(RECEIPT)
    changed[place] ^= change
    with pytest.raises(NO):
        ALONE.check_receipt(bytes(changed), key_file(PUBLIC).encode())


@given(data=st.data())
def test_E44_any_changed_byte_of_the_proof_fails(proof: bytes, data: st.DataObject) -> None:
    changed = bytearray(proof)
    changed[data.draw(st.integers(0, len(proof) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NO):
        check_proof(RECEIPT, bytes(changed))


def check_proof(receipt: bytes, proof: bytes, *witnesses: Verifier) -> None:
    body = ALONE.check_receipt(receipt, key_file(PUBLIC).encode())
    ALONE.check_proof(receipt, body, proof, ALONE.Keys([str(LOG_KEY)]), [str(one) for one in witnesses])


@pytest.mark.parametrize("other", OTHERS)
def test_E44_the_proof_of_another_receipt_is_none(proof: bytes, other: str) -> None:
    with pytest.raises(ALONE.Broken, match="another record"):
        check_proof(sign_receipt(OTHERS[other], KEY), proof)


def test_E44_bits_that_mean_nothing_are_looked_at_too(proof: bytes) -> None:
    head, _, note = proof.decode().partition("\n\n")
    lines = head.split("\n")
    loose = next(at for at, line in enumerate(lines) if at > 2 and line.endswith("="))
    stem = lines[loose].rstrip("=")
    lines[loose] = stem[:-1] + chr(ord(stem[-1]) + 1) + "=" * (len(lines[loose]) - len(stem))
    assert b64encode(b64decode(lines[loose])).decode() != lines[loose]
    with pytest.raises(ALONE.Broken):
        check_proof(RECEIPT, ("\n".join(lines) + "\n\n" + note).encode())


def test_E44_a_date_outside_of_the_keys_time_fails_and_earlier_formats_hold() -> None:
    keys = key_file(PUBLIC).encode()
    assert ALONE.check_receipt(SECOND_FORMAT, keys)["round"] == 1
    for when in (WHEN + HOUR, WHEN - 2 * HOUR):
        late = sign_receipt(replace(NAMED, signed_at=when), KEY)
        with pytest.raises(ALONE.Broken, match="outside"):
            ALONE.check_receipt(late, keys)
        assert ALONE.check_receipt(late, ReceiptKey(KEY.public_key()).pem.encode())
    with pytest.raises(ALONE.Broken, match="not among"):
        ALONE.check_receipt(RECEIPT, key_file(PUBLIC[:1]).encode())


def test_E44_cosignatures_are_checked_each_and_no_other_is_let_through(cosigned: bytes) -> None:
    check_proof(RECEIPT, cosigned, WITNESS.verifier, OTHER_WITNESS.verifier)
    stranger = replace(WITNESS, name="stranger.example/w").verifier
    for witnesses in ((), (WITNESS.verifier,), (WITNESS.verifier, OTHER_WITNESS.verifier, stranger)):
        with pytest.raises(ALONE.Broken):
            check_proof(RECEIPT, cosigned, *witnesses)


@given(data=st.data())
def test_E44_any_changed_byte_of_a_cosigned_proof_fails(cosigned: bytes, data: st.DataObject) -> None:
    changed = bytearray(cosigned)
    note = cosigned.index(b"\n\n")
    changed[data.draw(st.integers(note, len(cosigned) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NO):
        check_proof(RECEIPT, bytes(changed), WITNESS.verifier, OTHER_WITNESS.verifier)


def test_E44_a_key_that_can_not_be_read_is_no_verdict_about_the_receipt(files: Path) -> None:
    code, said = run(files, "--proof", "proof", "--key", "segment {" + str(LOG_KEY))
    assert (code, "BROKEN" in said, "name+id+base64" in said) == (2, False, True)


def test_E44_what_does_not_hold_whole_is_not_said_to_hold(files: Path) -> None:
    (files / "proof").write_bytes((files / "proof").read_bytes()[:-20])
    code, said = run(files, "--proof", "proof", "--key", str(LOG_KEY))
    assert (code, "holds" in said) == (1, False)
