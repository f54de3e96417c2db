"""A witness (c2sp.org/tlog-witness): it cosigns a checkpoint only if that continues the last one it saw of this log.

The cosigned notes are kept in a folder beside the log as evidence. The witness itself remembers the size: when it
answers that it knows a larger tree than ours, the log was cut or rolled back.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from sidecar.audit.anchors.anchor import AnchorConflict, AnchorUnavailable, Held, Offer
from sidecar.audit.anchors.file import FileAnchor
from sidecar.audit.note import Note, NoteInvalid, Signature, Verifier, parse_signatures
from sidecar.audit.outbound import Endpoint, Outlet, Reply, Unreachable

PROOF_LIMIT = 63
_SIZE_DIGITS = 20


class WitnessAnchor(Outlet):
    """Implements ``Anchor``. ``key`` verifies the cosignatures; ``evidence`` is where cosigned notes are kept."""

    def __init__(self, name: str, endpoint: Endpoint, key: Verifier, evidence: Path) -> None:
        super().__init__(name, endpoint)
        self._key = key
        self._folder = evidence
        self._evidence = FileAnchor(name, evidence)
        self._seen_size = 0  # what the witness saw last, as far as is known; it says so itself if that is wrong

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        await super().start()

    async def publish(self, offer: Offer) -> None:
        """Ask for a cosignature; once more if the witness names another size than we thought it had seen (A30)."""
        size = offer.checkpoint.size
        reply = await self._submit(offer, min(self._seen_size, size))
        if reply.status == 409:
            self._seen_size = self._size_of(reply)
            if self._seen_size > size:
                raise AnchorConflict(f"witness {self._name} has seen a larger tree: records were cut off")
            reply = await self._submit(offer, self._seen_size)
        if reply.status in (409, 422):
            raise AnchorConflict(f"witness {self._name} does not accept that the log continues what it has seen")
        if reply.status != 200:
            raise AnchorUnavailable(f"witness {self._name} answered {reply.status}")
        cosigned = self._cosigned(offer.note, reply)
        self._seen_size = size
        await self._evidence.publish(Offer(cosigned, offer.prove))

    async def latest(self, origin: str) -> Held | None:
        held = await self._evidence.latest(origin)
        if held is None:
            return None
        try:
            return Held(self._name, held.note, self._seen(held.note))
        except NoteInvalid:
            raise AnchorUnavailable(f"witness {self._name}: what is kept was not cosigned by it") from None

    def _seen(self, note: Note) -> datetime:
        """Return when the witness saw a note. Raises NoteInvalid unless it cosigned it, at a time that there is."""
        cosignature, *_ = note.verified([self._key])
        try:
            return datetime.fromtimestamp(cosignature.seconds, UTC)
        except (ValueError, OverflowError, OSError):  # one that counts milliseconds, say
            raise NoteInvalid("it was cosigned at no time that there is") from None

    async def _submit(self, offer: Offer, old_size: int) -> Reply:
        proof = await offer.prove(old_size)
        if len(proof) > PROOF_LIMIT:
            raise AnchorUnavailable(f"witness {self._name}: the proof is too long")
        lines = [f"old {old_size}", *(_base64(one) for one in proof), "", str(offer.note)]
        try:
            return await self._caller.call("POST", "/add-checkpoint", "\n".join(lines).encode(), "text/plain")
        except Unreachable as trouble:
            raise AnchorUnavailable(f"witness {self._name}: {trouble}") from None

    def _cosigned(self, note: Note, reply: Reply) -> Note:
        """Return the note with the witness's cosignatures, verified."""
        try:
            cosigned = note.signed(*self._ours(parse_signatures(reply.body.decode())))
            self._seen(cosigned)
        except (NoteInvalid, UnicodeDecodeError):
            raise AnchorUnavailable(f"witness {self._name} gave no cosignature of its key") from None
        return cosigned

    def _ours(self, signatures: tuple[Signature, ...]) -> tuple[Signature, ...]:
        return tuple(one for one in signatures if (one.name, one.key_id) == (self._key.name, self._key.id))

    def _size_of(self, reply: Reply) -> int:
        text = reply.body.decode("ascii", "replace").removesuffix("\n")
        if not text.isdecimal() or not text.isascii() or len(text) > _SIZE_DIGITS:
            raise AnchorConflict(f"witness {self._name} has seen another tree of this size")
        return int(text)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
