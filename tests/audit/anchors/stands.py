"""What stands behind anchors in tests: a notary and a witness as servers of their own, with real sockets."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.audit.anchors.anchor import Offer
from sidecar.audit.merkle import (
    Frontier,
    ProofInvalid,
    consistency_proof,
    hash_leaf,
    nodes_over,
    verify_consistency,
)
from sidecar.audit.note import Checkpoint, KeyKind, Note, Signer, parse_checkpoint, parse_note

ORIGIN = "sidecar.example/pod-1"
LOG = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(sha256(b"log").digest()))
WITNESS = Signer("witness.example/w", Ed25519PrivateKey.from_private_bytes(sha256(b"w").digest()), KeyKind.COSIGNATURE)
SEEN_SECONDS = 1_772_355_600

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def leaves(count: int, salt: bytes = b"") -> list[bytes]:
    return [hash_leaf(salt + number.to_bytes(4)) for number in range(count)]


def checkpoint(count: int, salt: bytes = b"", origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, count, Frontier().extended(leaves(count, salt)).root())


def offer(count: int, salt: bytes = b"", origin: str = ORIGIN) -> Offer:
    async def prove(old_size: int) -> tuple[bytes, ...]:
        return consistency_proof(old_size, count, nodes_over(leaves(count, salt)))

    return Offer(checkpoint(count, salt, origin).signed_by(LOG), prove)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Serve on a free port of loopback; give the URL."""
    serving = web.Server(handler)
    server = await asyncio.get_running_loop().create_server(serving, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await serving.shutdown()


@dataclass
class Notary:
    """The other side of ``HttpAnchor``: keeps what it is given, never writes over it."""

    kept: dict[str, bytes] = field(default_factory=dict)
    calls: int = 0
    down: list[int] = field(default_factory=list)  # statuses to answer with before anything else

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls += 1
        if self.down:
            return web.Response(status=self.down.pop(0))
        folder, _, name = request.rel_url.raw_path.rpartition("/")
        if request.method == "PUT":
            data = await request.read()
            if self.kept.setdefault(request.rel_url.raw_path, data) != data:
                return web.Response(status=409)
            return web.Response(status=201)
        names = sorted(one for one in self.kept if one.startswith(f"{folder}/"))
        return web.Response(body=self.kept[names[-1]]) if names and name == "latest" else web.Response(status=404)


@dataclass
class Witness:
    """add-checkpoint of c2sp.org/tlog-witness, check by check."""

    seen: dict[str, Checkpoint] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = self._judge(await request.read()) if request.path == "/add-checkpoint" else web.Response(status=404)
        self.statuses.append(answer.status)
        return answer

    def _judge(self, body: bytes) -> web.Response:
        head, _, rest = body.partition(b"\n\n")
        first, *proof = head.decode().split("\n")
        note = parse_note(rest)
        asked = parse_checkpoint(note.text)
        old_size = int(first.removeprefix("old "))
        if asked.origin != ORIGIN:
            return web.Response(status=404)
        note.verified([LOG.verifier])
        if old_size > asked.size:
            return web.Response(status=400)
        before = self.seen.get(asked.origin, Checkpoint(ORIGIN, 0, Frontier().root()))
        if old_size != before.size:
            headers = {"Content-Type": "text/x.tlog.size"}
            return web.Response(status=409, body=f"{before.size}\n".encode(), headers=headers)
        if before.size == asked.size and before.root != asked.root:
            return web.Response(status=409)
        try:
            hashes = [b64decode(one) for one in proof]
            verify_consistency(before.size, before.root, asked.size, asked.root, hashes)
        except ProofInvalid:
            return web.Response(status=422)
        self.seen[asked.origin] = asked
        return web.Response(body=self.cosign(note).encode())

    def cosign(self, note: Note) -> str:
        return str(WITNESS.sign(note.text, SEEN_SECONDS))
