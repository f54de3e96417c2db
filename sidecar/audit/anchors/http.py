"""An anchor behind HTTP, run by somebody else.

``PUT <url>/<origin>/<size in 20 digits>.note`` hands a signed note over: 2xx says that it is kept, 409 or 412 that
another one of this size is there. ``GET <url>/<origin>/latest`` gives the largest one back; 404: there is none.
"""

from __future__ import annotations

from sidecar.audit.anchors.anchor import AnchorConflict, AnchorUnavailable, Held, Offer, name_of, place_of
from sidecar.audit.note import Note, NoteInvalid, parse_note
from sidecar.audit.outbound import Outlet, Reply, Unreachable

NOTE_TYPE = "text/plain; charset=utf-8"


class HttpAnchor(Outlet):
    """Implements ``Anchor``."""

    async def publish(self, offer: Offer) -> None:
        checkpoint = offer.checkpoint
        path = f"/{place_of(checkpoint.origin)}/{name_of(checkpoint.size)}"
        reply = await self._call("PUT", path, str(offer.note).encode())
        if reply.status in (409, 412):
            raise AnchorConflict(f"anchor {self._name} holds another checkpoint of this size")
        if not reply.is_success:
            raise AnchorUnavailable(f"anchor {self._name} answered {reply.status}")

    async def latest(self, origin: str) -> Held | None:
        reply = await self._call("GET", f"/{place_of(origin)}/latest")
        if reply.status == 404:
            return None
        if not reply.is_success:
            raise AnchorUnavailable(f"anchor {self._name} answered {reply.status}")
        return Held(self._name, self._note(reply))

    def _note(self, reply: Reply) -> Note:
        try:
            return parse_note(reply.body)
        except NoteInvalid:
            raise AnchorUnavailable(f"anchor {self._name} gave no signed note") from None

    async def _call(self, method: str, path: str, body: bytes | None = None) -> Reply:
        try:
            return await self._caller.call(method, path, body, NOTE_TYPE if body is not None else "")
        except Unreachable as trouble:
            raise AnchorUnavailable(f"anchor {self._name}: {trouble}") from None
