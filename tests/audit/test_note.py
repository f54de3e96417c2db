"""Signed notes and checkpoints, as C2SP specifies them (A30). The vectors are the specifications' own and Go's."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.note import (
    Checkpoint,
    KeyKind,
    Note,
    NoteInvalid,
    Signer,
    Verifier,
    parse_checkpoint,
    parse_note,
    parse_signatures,
    parse_verifier,
)

# golang.org/x/mod/sumdb/note: a key of the reference tools, and what they sign with it.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
SAYING = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# c2sp.org/tlog-cosignature: a checkpoint with a witness's cosignature.
BEHIND_THE_SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501 - as published

LOG = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("witness.example.com/w", Ed25519PrivateKey.from_private_bytes(bytes(32)), KeyKind.COSIGNATURE)
CHECKPOINT = Checkpoint("example.com/log", 7, bytes(range(32)))


def test_a_note_of_the_reference_tools_verifies_and_is_made_alike_a30() -> None:
    signer = Signer("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PETER_SEED))
    assert str(signer.verifier) == PETER
    made = Note(SAYING).signed(signer.sign(SAYING))
    assert str(made) == f"{SAYING}\n{PETER_LINE}"
    note = parse_note(str(made).encode())
    assert note == made
    assert [one.name for one in note.verified([parse_verifier(PETER)])] == ["PeterNeumann"]


def test_two_signatures_of_the_reference_tools_verify_a30() -> None:
    note = parse_note(f"{SAYING}\n{PETER_LINE}{ENOCH_LINE}".encode())
    peter, enoch = parse_verifier(PETER), parse_verifier(ENOCH)
    assert [one.name for one in note.verified([peter, enoch])] == ["PeterNeumann", "EnochRoot"]
    assert [one.name for one in note.verified([enoch])] == ["EnochRoot"]  # the other is carried, and says nothing
    with pytest.raises(NoteInvalid, match="no signature of a known key"):
        note.verified([])


def test_the_checkpoint_of_the_specification_parses_a30() -> None:
    note = parse_note(BEHIND_THE_SOFA.encode())
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex()[:8] == "0ac5186a"
    assert checkpoint.text == note.text
    assert str(note) == BEHIND_THE_SOFA
    assert note.signatures[1].seconds == 1679315147  # as the specification gives the signed message


def test_a_cosignature_binds_the_time_a30() -> None:
    note = CHECKPOINT.signed_by(LOG)
    cosignature = WITNESS.sign(note.text, 1679315147)
    both = parse_note(str(note.signed(cosignature)).encode())
    assert both.verified([WITNESS.verifier]) == (cosignature,)
    later = type(cosignature)(cosignature.name, cosignature.key_id, bytes(8) + cosignature.made[8:])
    with pytest.raises(NoteInvalid, match="does not verify"):
        note.signed(later).verified([WITNESS.verifier])
    with pytest.raises(NoteInvalid, match="too short"):
        note.signed(type(cosignature)(cosignature.name, cosignature.key_id, bytes(8))).verified([WITNESS.verifier])


def test_a_key_of_one_kind_does_not_pass_for_the_other() -> None:
    plain = Verifier(WITNESS.name, WITNESS.verifier.public)
    assert plain.id != WITNESS.verifier.id
    with pytest.raises(NoteInvalid, match="no signature of a known key"):
        CHECKPOINT.signed_by(WITNESS).verified([plain])


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    note = CHECKPOINT.signed_by(LOG)
    for text in (note.text.replace("7\n", "8\n", 1), note.text + "more\n"):
        with pytest.raises(NoteInvalid, match="does not verify"):
            Note(text, note.signatures).verified([LOG.verifier])


def test_a_later_signature_replaces_that_of_the_same_key() -> None:
    old, new = WITNESS.sign(CHECKPOINT.text, 1), WITNESS.sign(CHECKPOINT.text, 2)
    assert CHECKPOINT.signed_by(LOG).signed(old).signed(new).verified([WITNESS.verifier]) == (new,)


def test_every_piece_and_every_change_of_a_key_is_refused() -> None:
    pieces = {PETER[start:end] for start in range(len(PETER)) for end in range(start + 1, len(PETER) + 1)} - {PETER}
    changed = {PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))}
    strange = {
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # of a wrong length
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # of an unknown kind
    }
    for text in pieces | changed | strange:
        with pytest.raises(NoteInvalid):
            parse_verifier(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SAYING.encode(),
        f"{SAYING}\n".encode(),
        f"{SAYING}\n{PETER_LINE[:-1]}".encode(),
        f"\x01{SAYING}\n{PETER_LINE}".encode(),
        b"\xff" + f"{SAYING}\n{PETER_LINE}".encode(),
        f"{SAYING}\n{PETER_LINE}Unexpected line.\n".encode(),
        f"{SAYING}\n{PETER_LINE.replace('PeterNeumann', 'Peter Neumann')}".encode(),
        f"{SAYING}\n{PETER_LINE.replace('PeterNeumann', 'Peter+Neumann')}".encode(),
        f"{SAYING}\n{PETER_LINE.replace('JnAM=', 'JnAN=')}".encode(),  # unused bits of base64
        f"{SAYING}\n— PeterNeumann x08g\n".encode(),
        f"{SAYING}\n{PETER_LINE * 101}".encode(),
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(NoteInvalid):
        parse_note(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n1\n",
        "a\n1\nAAAA\n",
        *(CHECKPOINT.text.replace("\n7\n", f"\n{one}\n") for one in ("07", "-7", "x", "")),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteInvalid):
        parse_checkpoint(text)


def test_lines_of_a_checkpoint_can_not_be_smuggled_in() -> None:
    for origin, extensions in (("a\n9", ()), ("", ()), ("a", ("",)), ("a", ("b\nc",)), ("a\rb", ())):
        with pytest.raises(NoteInvalid):
            Checkpoint(origin, 1, bytes(32), extensions)


LINE = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=20)


@given(LINE, st.integers(0, 2**62), st.binary(min_size=32, max_size=32), st.lists(LINE, max_size=3))
def test_a_checkpoint_is_read_as_it_was_signed(origin: str, size: int, root: bytes, more: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(more))
    note = parse_note(str(checkpoint.signed_by(LOG)).encode())
    assert parse_checkpoint(note.text) == checkpoint
    note.verified([LOG.verifier])


def test_signature_lines_are_read_alone_as_a_witness_sends_them_a30() -> None:
    made = WITNESS.sign(CHECKPOINT.text, 5)
    assert list(parse_signatures(str(made))) == [made]
