"""What is peculiar to each kind of anchor (A30, A31)."""

from __future__ import annotations

import asyncio
import subprocess
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.audit.anchors.anchor import AnchorConflict, AnchorUnavailable, Offer
from sidecar.audit.anchors.file import FileAnchor
from sidecar.audit.anchors.http import HttpAnchor
from sidecar.audit.anchors.timestamp import TimestampAnchor
from sidecar.audit.anchors.witness import WitnessAnchor
from sidecar.audit.note import Note
from sidecar.audit.outbound import Endpoint
from sidecar.errors import ConfigError
from tests.audit.anchors.authority import TimestampAuthority
from tests.audit.anchors.stands import LOG, ORIGIN, SEEN_SECONDS, WITNESS, Notary, Witness, offer, served

NAME = "00000000000000000003.note"
FOLDER = "sidecar.example%2Fpod-1"


async def test_a_file_is_a_note_that_any_tool_reads_and_nobody_writes_again(tmp_path: Path) -> None:
    await FileAnchor("disk", tmp_path).publish(offer(3))
    path = tmp_path / FOLDER / NAME
    assert path.read_text() == str(offer(3).note)
    assert path.stat().st_mode & 0o222 == 0
    assert [one.name for one in path.parent.iterdir()] == [NAME]  # nothing half-written is left


async def test_a_file_that_was_tampered_with_is_not_taken_for_nothing(tmp_path: Path) -> None:
    anchor = FileAnchor("disk", tmp_path)
    await anchor.publish(offer(3))
    (tmp_path / FOLDER / NAME).chmod(0o644)
    (tmp_path / FOLDER / NAME).write_bytes(b"")
    with pytest.raises(AnchorUnavailable, match="no signed note"):
        await anchor.latest(ORIGIN)


async def test_an_http_anchor_says_what_it_was_answered(tmp_path: Path) -> None:
    notary = Notary(down=[500, 302, 404])
    async with served(notary.handle) as url:
        anchor = HttpAnchor("notary", Endpoint(url))
        await anchor.start()
        for status in (500, 302, 404):
            with pytest.raises(AnchorUnavailable, match=str(status)):
                await anchor.publish(offer(3))
        notary.kept[f"/{FOLDER}/x"] = b"no note"
        with pytest.raises(AnchorUnavailable, match="no signed note"):
            await anchor.latest(ORIGIN)
        await anchor.stop()


async def test_a_witness_cosigns_what_continues_what_it_saw_a30(tmp_path: Path) -> None:
    witness = Witness()
    async with served(witness.handle) as url:
        anchor = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
        await anchor.start()
        for size in (3, 9, 64, 100):
            await anchor.publish(offer(size))
        held = await anchor.latest(ORIGIN)
        await anchor.stop()
    assert witness.statuses == [200] * 4
    assert held is not None
    assert held.seen == datetime.fromtimestamp(SEEN_SECONDS, UTC)
    assert [one.name for one in held.note.verified([LOG.verifier, WITNESS.verifier])] == [ORIGIN, WITNESS.name]


async def test_a_witness_that_saw_more_than_we_knew_is_asked_again_from_there_a30(tmp_path: Path) -> None:
    witness = Witness()
    async with served(witness.handle) as url:
        for size in (7, 20):  # as two runs of the sidecar would: the second knows nothing of the first
            anchor = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
            await anchor.start()
            await anchor.publish(offer(size))
            await anchor.stop()
    assert witness.statuses == [200, 409, 200]


async def test_a_witness_that_saw_a_longer_or_another_log_is_a_conflict_a10_a11(tmp_path: Path) -> None:
    async with served(Witness().handle) as url:
        anchor = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
        await anchor.start()
        await anchor.publish(offer(20))
        fresh = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
        await fresh.start()
        with pytest.raises(AnchorConflict, match="cut off"):
            await fresh.publish(offer(7))
        with pytest.raises(AnchorConflict, match="does not accept"):
            await anchor.publish(offer(30, b"rewritten"))
        await anchor.stop()
        await fresh.stop()


async def test_a_cosignature_of_another_key_is_none(tmp_path: Path) -> None:
    class Impostor(Witness):
        def cosign(self, note: Note) -> str:
            return str(LOG.sign(note.text))

    async with served(Impostor().handle) as url:
        anchor = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
        await anchor.start()
        with pytest.raises(AnchorUnavailable, match="no cosignature"):
            await anchor.publish(offer(3))
        assert await anchor.latest(ORIGIN) is None
        await anchor.stop()


@pytest.mark.parametrize("seconds", [SEEN_SECONDS * 1000, 2**63, 2**64 - 1])
async def test_a_cosignature_of_no_time_that_there_is_is_none_a30(tmp_path: Path, seconds: int) -> None:
    """A witness that counts milliseconds must not keep the sidecar from starting."""

    class Hasty(Witness):
        def cosign(self, note: Note) -> str:
            return str(WITNESS.sign(note.text, seconds))

    async with served(Hasty().handle) as url:
        anchor = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
        await anchor.start()
        with pytest.raises(AnchorUnavailable, match="no cosignature"):
            await anchor.publish(offer(3))
        assert await anchor.latest(ORIGIN) is None
        await FileAnchor("w", tmp_path).publish(
            Offer(offer(3).note.signed(WITNESS.sign(offer(3).note.text, seconds)), offer(3).prove)
        )
        with pytest.raises(AnchorUnavailable, match="was not cosigned"):
            await anchor.latest(ORIGIN)
        await anchor.stop()


async def test_a_proof_is_sent_as_the_specification_says_a30(tmp_path: Path) -> None:
    """The old size, hashes in base64, an empty line, the note."""
    bodies = []

    class Listening(Witness):
        def _judge(self, body: bytes):  # type: ignore[no-untyped-def]
            bodies.append(body.decode())
            return super()._judge(body)

    async with served(Listening().handle) as url:
        anchor = WitnessAnchor("w", Endpoint(url), WITNESS.verifier, tmp_path)
        await anchor.start()
        await anchor.publish(offer(2))
        await anchor.publish(offer(5))
        await anchor.stop()
    proof = "".join(f"{b64encode(one).decode()}\n" for one in await offer(5).prove(2))
    assert bodies[0] == f"old 0\n\n{offer(2).note}"
    assert bodies[1] == f"old 2\n{proof}\n{offer(5).note}"


async def test_a_stamp_verifies_offline_also_by_openssl_a31(tmp_path: Path) -> None:
    authority = TimestampAuthority(tmp_path / "tsa")
    before = datetime.now(UTC) - timedelta(seconds=2)
    async with served(authority.handle) as url:
        anchor = TimestampAnchor("tsa", Endpoint(url), authority.roots, tmp_path / "stamps")
        await anchor.start()
        await anchor.publish(offer(3))
        await anchor.stop()
    held = await anchor.latest(ORIGIN)  # the authority is gone by now
    assert held is not None
    assert held.seen is not None
    assert before <= held.seen <= datetime.now(UTC) + timedelta(seconds=2)
    folder = tmp_path / "stamps" / FOLDER
    stamp = str(folder / NAME.replace(".note", ".tsr"))
    command = ["openssl", "ts", "-verify", "-data", str(folder / NAME), "-in", stamp, "-CAfile", str(authority.roots)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 0


async def test_a_stamp_of_something_else_or_by_somebody_else_is_none_a31(tmp_path: Path) -> None:
    ours, other = TimestampAuthority(tmp_path / "tsa"), TimestampAuthority(tmp_path / "other")
    async with served(ours.handle) as url, served(other.handle) as strange:
        stranger = TimestampAnchor("tsa", Endpoint(strange), ours.roots, tmp_path / "stamps")
        await stranger.start()
        with pytest.raises(AnchorUnavailable, match="does not verify"):
            await stranger.publish(offer(3))
        await stranger.stop()
        anchor = TimestampAnchor("tsa", Endpoint(url), ours.roots, tmp_path / "stamps")
        await anchor.start()
        await anchor.publish(offer(3))
        await anchor.stop()
    note = tmp_path / "stamps" / FOLDER / NAME
    note.chmod(0o644)
    note.write_text(str(offer(3, b"rewritten").note))
    with pytest.raises(AnchorUnavailable, match="does not verify"):
        await anchor.latest(ORIGIN)


async def test_evidence_that_is_no_checkpoint_is_none_a31(tmp_path: Path) -> None:
    authority = TimestampAuthority(tmp_path / "tsa")
    anchor = TimestampAnchor("tsa", Endpoint("http://127.0.0.1:9"), authority.roots, tmp_path / "stamps")
    note = tmp_path / "stamps" / FOLDER / NAME
    note.parent.mkdir(parents=True)
    note.write_text(str(Note("nothing\n").signed(LOG.sign("nothing\n"))))
    with pytest.raises(AnchorUnavailable, match="what is kept is no checkpoint"):
        await anchor.latest(ORIGIN)


async def test_an_authority_that_is_down_is_unavailable_a31(tmp_path: Path) -> None:
    authority = TimestampAuthority(tmp_path / "tsa")
    authority.down = [503]
    async with served(authority.handle) as url:
        anchor = TimestampAnchor("tsa", Endpoint(url), authority.roots, tmp_path / "stamps")
        await anchor.start()
        with pytest.raises(AnchorUnavailable, match="503"):
            await anchor.publish(offer(3))
        await anchor.publish(offer(3))
        await anchor.stop()


def test_roots_that_are_no_certificates_are_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"ca\.pem holds no certificates"):
        TimestampAnchor("tsa", Endpoint("http://127.0.0.1:9"), tmp_path / "ca.pem", tmp_path)
