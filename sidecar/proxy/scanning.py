"""What is read and rewritten of one exchange: the request's body, the answer's body, the answer's header fields."""

from __future__ import annotations

import asyncio
import json
import time

from multidict import CIMultiDict, CIMultiDictProxy

from sidecar.detection.within import within
from sidecar.errors import (
    Direction,
    PayloadFault,
    PayloadRefused,
    RequestFault,
    RequestRefused,
    UpstreamFailed,
    UpstreamFault,
)
from sidecar.payloads.document import PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.formats import format_for
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.marking import SourceTexts
from sidecar.payloads.media_type import MediaType, media_type_of
from sidecar.payloads.pieces import without_pieces
from sidecar.payloads.socketio import SocketioPolling
from sidecar.proxy.account import Account
from sidecar.proxy.body_budget import BodyShare
from sidecar.proxy.codings import uncompress
from sidecar.proxy.earlier_turns import EarlierTurns
from sidecar.proxy.encoding import to_text
from sidecar.proxy.event_stream import EventStream, StreamRules
from sidecar.proxy.header_texts import texts_of, texts_of_target
from sidecar.proxy.headers import drop_fields_with_hits
from sidecar.proxy.meter import Meter
from sidecar.proxy.overhearing import Overhearing
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.rewriter import Rewriter, Rewritten
from sidecar.proxy.routes import BodyMode, Route
from sidecar.proxy.streaming import AnswerStream, kind_of, stream_format_for, stream_limits
from sidecar.proxy.upstream import Answer

_EVERY_STRING = FieldMap()
_ON_THE_LOOP = 64 * 1024  # bytes; longer bodies are decompressed on a thread (decoders let go of the interpreter)
_JSON = JsonBody()
_SENT = Passage(Direction.REQUEST)
_SOCKETIO = SocketioPolling()
_NEVER_JSON = ("text/event-stream", "multipart/")  # may have no end: refused by the head, not waited for
_PARTIAL_CONTENT = 206
_NOT_MODIFIED = 304
_WITHOUT_CONTENT = frozenset({204, 205})


class Scanner:
    """Runs bodies and fields through the rewriter."""

    def __init__(self, rewriter: Rewriter, meter: Meter, overhearing: Overhearing | None = None) -> None:
        self._rewriter = rewriter
        self._meter = meter
        self._overhearing = overhearing

    @property
    def rewriter(self) -> Rewriter:
        return self._rewriter

    async def rewrite_request(
        self, data: bytes, fields: CIMultiDictProxy[str], account: Account, scope: str, passage: Passage = _SENT
    ) -> Rewritten:
        """Return a request body with personal data replaced by the route's policy."""
        route = account.admitted_route
        kind, payload_format = format_of_request(fields, route.body)
        text = await _decode(data, fields, kind, route.limits.request_body_bytes, account.share)
        rewritten = await self._rewrite(text, payload_format, route.fields, account, scope, passage=passage)
        if route.erasure_trigger is not None:
            self._overhear(route, text, payload_format)
        return rewritten

    async def translate_request(
        self, data: bytes, fields: CIMultiDictProxy[str], account: Account, passage: Passage
    ) -> bytes:
        """Return a request body that passes unscanned, with its annotations carried over (X6)."""
        route = account.admitted_route
        kind, payload_format = format_of_request(fields, route.body)
        text = await _decode(data, fields, kind, route.limits.request_body_bytes, account.share)
        return await self._rewriter.translate(text, payload_format, route.fields, passage)

    async def annotated_texts(self, text: str, route: Route, scope: str, annotated: FieldMap) -> SourceTexts:
        """Return the texts that ``annotated`` names in a payload of ``route``, redacted as that route does (X6)."""
        return await self._rewriter.annotated_texts(text, _JSON, route.fields, route.policy, scope, annotated)

    async def check_target(self, target: str, account: Account, scope: str) -> None:
        """Raise ``RequestRefused`` where the path or the query of a request holds personal data by the policy."""
        texts = json.dumps(texts_of_target(target), ensure_ascii=False)
        if (await self._rewrite(texts, _JSON, _EVERY_STRING, account, scope)).entities:
            raise RequestRefused(RequestFault.PERSONAL_DATA)

    def stream_answer(
        self, method: str, answer: Answer, account: Account, scope: str, passage: Passage = PLAIN
    ) -> AnswerStream | None:
        """Return an answer's body as a stream of rewritten events; None where the route reads such an answer in whole.

        Raises as ``rewrite_answer``.
        """
        if not _has_content(method, answer):
            return None
        route, kind = account.admitted_route, kind_of(answer)
        stream_format = stream_format_for(kind, route)
        if stream_format is None:
            return None
        limits = stream_limits(route.limits)
        together = passage._replace(turns=EarlierTurns())
        rules = StreamRules(stream_format, route.fields, route.policy, scope, together, limits)
        events = EventStream(rules, self._rewriter.without_memory(), account.add)
        framing = stream_format.framing(route.limits.response_body_bytes)
        return AnswerStream(answer, framing, events, route, self._meter, account.share)

    async def rewrite_answer(
        self, method: str, answer: Answer, account: Account, scope: str, passage: Passage = PLAIN
    ) -> Rewritten | None:
        """Return an answer's body with personal data replaced; None where there is none to relay.

        On a JSON route a Content-Type that lies changes nothing; on one that chooses by type, a type that nobody here
        can read is refused by the head, and so is what can't be parsed as what it must be (P32, X3). The body of a
        redirect only repeats it, so it is left out.
        """
        if not _has_content(method, answer):
            return None
        route, kind = account.admitted_route, kind_of(answer)
        payload_format = _format_of_answer(kind, route.body)
        began = time.perf_counter()
        data = await answer.read(route.limits.response_body_bytes, account.share)
        account.waited(time.perf_counter() - began)
        if not data:
            return None
        text = await _decode(data, answer.fields, kind, route.limits.response_body_bytes, account.share)
        if route.body is BodyMode.SOCKETIO and route.fields.deltas:
            text = without_pieces(text, route.fields)
        rewritten = await self._rewrite(text, payload_format, route.fields, account, scope, passage=passage)
        if route.erasure_trigger is not None:
            self._overhear(route, text, payload_format)
        return rewritten

    def _overhear(self, route: Route, text: str, payload_format: PayloadFormat) -> None:
        if self._overhearing is not None:
            self._overhearing.offer(route, text, payload_format)

    async def rewrite_message(
        self, text: str, payload_format: PayloadFormat, passage: Passage, account: Account, scope: str
    ) -> Rewritten:
        """Return one message of a connection, on which messages go both ways at the same time."""
        fields = account.admitted_route.fields
        return await self._rewrite(text, payload_format, fields, account, scope, passage.direction, passage)

    async def clean_fields(self, fields: CIMultiDict[str], target: str, account: Account, scope: str) -> None:
        """Take out of ``fields`` what holds personal data by the route's policy (P20).

        ``target`` is what the client asked for: a redirect may repeat it.
        """
        found = texts_of(fields, account.admitted_route.unscanned_headers, target)
        if not found:
            return
        texts = [text for _, text in found]
        rewritten = await self._rewrite(json.dumps(texts, ensure_ascii=False), _JSON, _EVERY_STRING, account, scope)
        cleaned = json.loads(rewritten.body)
        hits = frozenset(name for (name, text), clean in zip(found, cleaned, strict=True) if clean != text)
        drop_fields_with_hits(fields, hits)

    async def _rewrite(
        self,
        text: str,
        payload_format: PayloadFormat,
        fields: FieldMap,
        account: Account,
        scope: str,
        direction: Direction | None = None,
        passage: Passage = PLAIN,
    ) -> Rewritten:
        route = account.admitted_route
        began = time.perf_counter()
        what = (text, payload_format, fields, route.policy, scope, passage)
        try:
            rewritten = self._rewriter.remembered(*what)
            if rewritten is None:
                async with within(route.limits.rewrite_seconds):
                    rewritten = await self._rewriter.rewrite(*what)
        finally:
            self._meter.rewriting(route.name, direction or account.direction, time.perf_counter() - began)
        account.add(rewritten)
        return rewritten


def format_of_request(fields: CIMultiDictProxy[str], mode: BodyMode) -> tuple[MediaType, PayloadFormat]:
    """Return the declared type of a request body and what reads it. Raises ``PayloadRefused`` (415)."""
    kind = media_type_of(fields.get("Content-Type", ""))
    if mode is BodyMode.AUTO:
        return kind, format_for(kind.name, boundary=kind.boundary)
    if mode is BodyMode.SOCKETIO:
        return kind, _SOCKETIO
    if kind.name not in _JSON.media_types and not kind.name.endswith("+json"):
        raise PayloadRefused(PayloadFault.MEDIA_TYPE)
    return kind, _JSON


def _has_content(method: str, answer: Answer) -> bool:
    """Whether there is a body to relay. Raises ``PayloadRefused`` and ``UpstreamFailed`` for what nobody asked for."""
    if answer.status == _PARTIAL_CONTENT or "Content-Range" in answer.fields:
        raise PayloadRefused(PayloadFault.RANGE)
    if answer.status == _NOT_MODIFIED:
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)  # nobody asked conditionally (P25)
    return not (method == "HEAD" or answer.status in _WITHOUT_CONTENT or 300 <= answer.status <= 399)


def _format_of_answer(kind: MediaType, mode: BodyMode) -> PayloadFormat:
    if mode is BodyMode.AUTO:
        return format_for(kind.name, boundary=kind.boundary)
    if mode is BodyMode.SOCKETIO:
        return _SOCKETIO
    if kind.name.startswith(_NEVER_JSON):
        raise PayloadRefused(PayloadFault.MEDIA_TYPE)
    return _JSON


async def _decode(data: bytes, fields: CIMultiDictProxy[str], kind: MediaType, cap: int, share: BodyShare) -> str:
    coding = fields.get("Content-Encoding")
    if coding is not None and len(data) > _ON_THE_LOOP:
        data = await asyncio.to_thread(uncompress, data, coding, cap)
    elif coding is not None:
        data = uncompress(data, coding, cap)
    if coding is not None:
        share.hold(len(data))
    return to_text(data, kind.charset)
