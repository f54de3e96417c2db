"""A time-stamping authority (RFC 3161): it signs that a checkpoint existed at a time. Needs the extra ``rfc3161``.

Its tokens are kept beside the log, ``<size>.tsr`` next to the ``<size>.note`` that they stamp, and are verified without
the authority, also by ``openssl ts -verify -data N.note -in N.tsr -CAfile ca.pem``. The authority remembers nothing:
who deletes the folder deletes this anchor. So it says *when*, and another anchor says *what there was*.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.x509 import Certificate, load_pem_x509_certificates

from sidecar.audit.anchors.anchor import AnchorUnavailable, Held, Offer, name_of, place_of
from sidecar.audit.anchors.file import FileAnchor
from sidecar.audit.note import NoteInvalid
from sidecar.audit.outbound import Endpoint, Outlet, Unreachable
from sidecar.errors import ConfigError, Problem


class TimestampAnchor(Outlet):
    """Implements ``Anchor``. ``roots`` are the authorities (PEM) that a stamp must lead to."""

    def __init__(self, name: str, endpoint: Endpoint, roots: Path, evidence: Path) -> None:
        super().__init__(name, endpoint)
        self._folder = evidence
        self._notes = FileAnchor(name, evidence)
        self._verified = stamp_verifier(name, roots)

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        await super().start()

    async def publish(self, offer: Offer) -> None:
        from rfc3161_client import TimestampRequestBuilder

        if await self._notes.holds(offer):
            return
        data = str(offer.note).encode()
        request = TimestampRequestBuilder().data(data).nonce(nonce=True).cert_request(cert_request=True).build()
        try:
            reply = await self._caller.call("POST", "", request.as_bytes(), "application/timestamp-query")
        except Unreachable as trouble:
            raise AnchorUnavailable(f"anchor {self._name}: {trouble}") from None
        if not reply.is_success:
            raise AnchorUnavailable(f"anchor {self._name} answered {reply.status}")
        self._verified(reply.body, data, request.nonce)
        await self._keep(offer, reply.body)

    async def latest(self, origin: str) -> Held | None:
        held = await self._notes.latest(origin)
        if held is None:
            return None
        try:
            stamp = self._stamp_of(Offer(held.note, _no_proof))
        except NoteInvalid:
            raise AnchorUnavailable(f"anchor {self._name}: what is kept is no checkpoint") from None
        try:
            token = await asyncio.to_thread(stamp.read_bytes)
        except OSError as error:
            raise AnchorUnavailable(f"anchor {self._name}: {stamp.name}: {os.strerror(error.errno or 0)}") from None
        return Held(self._name, held.note, self._verified(token, str(held.note).encode(), None))

    async def _keep(self, offer: Offer, token: bytes) -> None:
        """The stamp before the note: whoever finds the note finds its stamp."""
        stamp = self._stamp_of(offer)
        try:
            await asyncio.to_thread(_write, stamp, token)
        except OSError as error:
            raise AnchorUnavailable(f"anchor {self._name}: {os.strerror(error.errno or 0)}") from None
        await self._notes.publish(offer)

    def _stamp_of(self, offer: Offer) -> Path:
        checkpoint = offer.checkpoint
        return self._folder / place_of(checkpoint.origin) / Path(name_of(checkpoint.size)).with_suffix(".tsr")


def stamp_verifier(name: str, roots: Path) -> Callable[[bytes, bytes, int | None], datetime]:
    """Return what gives the time of a stamp over some data, or raises AnchorUnavailable.

    Certificates are judged as of the stamp's time, so that a stamp outlives the certificate it was made with (A31).
    """
    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
    except ImportError:
        remedy = "Install it: pip install 'privacy-sidecar[rfc3161]'"
        raise ConfigError((Problem(f"audit anchor {name}", "needs rfc3161-client", remedy),)) from None
    authorities = _authorities(name, roots)

    def verified(token: bytes, data: bytes, nonce: int | None) -> datetime:
        try:
            response: Any = decode_timestamp_response(token)
            VerifierBuilder(roots=list(authorities), nonce=nonce).build().verify_message(response, data)
            moment: datetime = response.tst_info.gen_time
        except (VerificationError, ValueError):
            raise AnchorUnavailable(f"anchor {name}: the stamp does not verify") from None
        return moment

    return verified


def _authorities(name: str, roots: Path) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(roots.read_bytes())
    except (OSError, ValueError):
        problem = Problem(f"audit anchor {name}", f"{roots} holds no certificates", "Give the authority's roots as PEM")
        raise ConfigError((problem,)) from None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".half")
    with half.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    half.replace(path)


async def _no_proof(_old_size: int) -> tuple[bytes, ...]:
    return ()
