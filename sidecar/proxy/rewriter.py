"""One payload: parse, gather conversations, redact, write back. The straight line between the formats and redaction.

Scopes: placeholders are numbered by the conversation's id together with the field map's namespace, whatever route,
path or caller it was read by. So one conversation reads alike everywhere, and conversations with the same id on two
platforms don't mix. What belongs to no conversation with an id is numbered by the fallback scope that the caller gives.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import KnownValue, Turn
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.keys import Pseudonymizer
from sidecar.payloads.annotation_rules import AnnotationRule
from sidecar.payloads.annotations import Text, Texts
from sidecar.payloads.document import Edit, Leaf, LeafKind, PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.joined import Change, Reworded
from sidecar.payloads.marking import SourceTexts
from sidecar.payloads.member_names import keep_unique
from sidecar.payloads.names import ANY_SCORE, CERTAIN, is_data
from sidecar.payloads.selection import Conversation, Piece, Selection
from sidecar.proxy.amending import Shifts, own_url_edits
from sidecar.proxy.earlier_turns import EarlierTurns, told
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.reading import Reading, at_leisure, mark_annotations, read_payload
from sidecar.proxy.scopes import scope_of, scope_of_none
from sidecar.redaction.policy import Operator, Policy
from sidecar.redaction.redactor import Redacted, Redactor

_AT_ONCE = 8
_ROUNDING = 1e-9  # 0.7 * 10 is a little less than 7
_HASHED = re.compile(r"k[0-9]+:[0-9a-f]{32}")
_T = TypeVar("_T")
_NOTHING: Mapping[str, int] = MappingProxyType({})


class Rewritten(NamedTuple):
    """A payload that may be passed on. ``conversations``: pseudonyms of the ids in it, for the audit record.

    ``scope``: that of its conversation, where it names exactly one. What follows on the same connection without naming
    any may be given it as the fallback.
    """

    body: bytes
    entities: Mapping[str, int]
    residuals: int
    conversations: tuple[str, ...]
    scope: str | None = None
    confidence: Mapping[str, int] = _NOTHING
    """How many entities by score, in tenths rounded down: ``p80`` is 0.8 up to 0.9."""

    def __repr__(self) -> str:
        return f"Rewritten({len(self.body)} bytes, entities={dict(self.entities)}, residuals={self.residuals})"


@dataclass(frozen=True, slots=True)
class _Answer:
    piece: Piece
    redacted: Redacted


class Rewriter:
    """Rewrites payloads of any format by any field map. ``pseudonyms`` name conversations and hashed fields."""

    def __init__(self, redactor: Redactor, pseudonyms: Pseudonymizer) -> None:
        self._redactor = redactor
        self._pseudonyms = pseudonyms

    @property
    def redactor(self) -> Redactor:
        """What redacts the texts that are found here, for those that are found in pieces."""
        return self._redactor

    def without_memory(self) -> Rewriter:
        """Return a rewriter that keeps nothing of what it rewrote, for payloads that don't come again."""
        return Rewriter(self._redactor, self._pseudonyms)

    async def rewrite(
        self,
        text: str,
        payload_format: PayloadFormat,
        fields: FieldMap,
        policy: Policy,
        fallback_scope: str,
        passage: Passage = PLAIN,
    ) -> Rewritten:
        """Return the payload with everything that policy and field map name replaced, and all else byte-equal (P35).

        Raises ``PayloadRefused``, ``DetectionFailed``, ``StoreUnavailable``; there is no partial answer.
        """
        read = await read_payload(text, payload_format, fields, passage)
        selection = read.selection
        answers = await self._redact_all(
            selection.conversations, fields.namespace, policy, fallback_scope, passage.turns
        )
        body = await at_leisure(text, lambda: self._written(text, read, fields, answers, passage))
        ids = dict.fromkeys(one.id for one in selection.conversations if one.id is not None)
        return Rewritten(
            body,
            Counter(span.label for one in answers for span in one.redacted.spans for _ in one.piece.leaves),
            sum(one.redacted.residuals for one in answers),
            tuple(self._pseudonyms.label("conversation", id_) for id_ in ids),
            scope_of(fields.namespace, next(iter(ids))) if len(ids) == 1 else None,
            confidence_of(span for one in answers for span in one.redacted.spans for _ in one.piece.leaves),
        )

    def _written(
        self, text: str, read: Reading, fields: FieldMap, answers: Sequence[_Answer], passage: Passage
    ) -> bytes:
        document = read.document
        edits: dict[int, Edit] = {**_edits(document.leaves, answers)}
        edits.update(read.marking.edits(Shifts(document.leaves, fields, lambda: _by_leaf(answers)).of))
        edits.update(self._fixed_edits(document.leaves, read.selection))
        if passage.urls is not None:
            edits.update(own_url_edits(document.leaves, edits, fields, passage.urls))
        return document.render(edits) if edits else text.encode()

    def remembered(
        self,
        text: str,  # noqa: ARG002 - the signature of ``rewrite``
        payload_format: PayloadFormat,  # noqa: ARG002
        fields: FieldMap,  # noqa: ARG002
        policy: Policy,  # noqa: ARG002
        fallback_scope: str,  # noqa: ARG002
        passage: Passage = PLAIN,  # noqa: ARG002
    ) -> Rewritten | None:
        """Return what ``rewrite`` would, where that is known at once and without waiting; None where it is not."""
        return None

    async def translate(self, text: str, payload_format: PayloadFormat, fields: FieldMap, passage: Passage) -> bytes:
        """Return the payload as it is, but for its annotations: for what a route passes unscanned (X6)."""
        document = await at_leisure(text, lambda: payload_format.parse(text))
        found = await at_leisure(text, lambda: fields.finder.find(document.leaves))
        marking = await mark_annotations(document.leaves, found, passage)

        def written() -> bytes:
            edits = marking.edits(Shifts(document.leaves, fields, dict).of)
            return document.render(edits) if edits else text.encode()

        return await at_leisure(text, written)

    async def annotated_texts(
        self,
        text: str,
        payload_format: PayloadFormat,
        fields: FieldMap,
        policy: Policy,
        fallback_scope: str,
        annotated: FieldMap,
    ) -> SourceTexts:
        """Return the texts of a payload that ``annotated`` names, each with what ``rewrite`` makes of it (X6).

        Placeholders and detections are those that a reader of the payload is shown: it is redacted in whole, as then.
        """
        read = await read_payload(text, payload_format, fields, PLAIN)
        answers = await self._redact_all(read.selection.conversations, fields.namespace, policy, fallback_scope)
        shifts = Shifts(read.document.leaves, fields, lambda: _by_leaf(answers))
        found = annotated.finder.find(read.document.leaves)
        texts: dict[AnnotationRule, list[Texts]] = {}
        for (rule, _), groups in found.texts.items():
            for group in groups:
                shown = {index: (one, shifts.of(one)) for index, one in group.items()}
                texts.setdefault(rule, []).append(
                    {index: Text(one.given, shift=shift) for index, (one, shift) in shown.items() if shift is not None}
                )
        return {rule: tuple(groups) for rule, groups in texts.items()}

    async def _redact_all(
        self,
        conversations: Sequence[Conversation],
        namespace: str,
        policy: Policy,
        fallback_scope: str,
        turns: EarlierTurns | None = None,
    ) -> list[_Answer]:
        free = asyncio.Semaphore(_AT_ONCE)

        async def one(conversation: Conversation) -> list[_Answer]:
            scope = scope_of_none(fallback_scope)
            if conversation.id is not None:
                scope = scope_of(namespace, conversation.id)
            async with free:
                if turns is None:
                    return await self._redact(scope, conversation.pieces, policy)
                answers = await self._redact(scope, told(conversation.pieces, turns.of(scope)), policy)
                said = (piece.message for piece in conversation.pieces if piece.is_said)
                turns.add(scope, [Turn(message.speaker, message.text) for message in said])
                return answers

        answers = await _all([one(conversation) for conversation in conversations])
        return [answer for some in answers for answer in some]

    async def _redact(self, scope: str, pieces: Sequence[Piece], policy: Policy) -> list[_Answer]:
        """Texts first; then, with what was found in them, the numbers and names in which a finding must be surer."""
        texts = [piece for piece in pieces if piece.minimum_score == ANY_SCORE]
        answers = await self._redact_alike(scope, texts, policy)
        found = tuple(dict.fromkeys(_found_with_digits(answers)))
        for score in sorted({piece.minimum_score for piece in pieces} - {ANY_SCORE}):
            alike = _knowing([piece for piece in pieces if piece.minimum_score == score], found)
            answers += await self._redact_alike(scope, alike, stricter(policy, score))
        return answers

    async def _redact_alike(self, scope: str, pieces: Sequence[Piece], policy: Policy) -> list[_Answer]:
        if not pieces:
            return []
        results = await self._redactor.redact(scope, [piece.message for piece in pieces], policy)
        answers = [_Answer(piece, redacted) for piece, redacted in zip(pieces, results, strict=True)]
        for answer in answers:
            label = answer.piece.message.label
            if label and not answer.redacted.spans and policy.for_type(label).operator is not Operator.KEEP:
                raise DetectionFailed(DetectionFault.INVALID, "a value that a field names was not found")
        return answers

    def _fixed_edits(self, leaves: Sequence[Leaf], selection: Selection) -> dict[int, str | None]:
        """What is done whatever detection says: nulls, and keyed hashes. A hash is not hashed again (P42)."""
        edits: dict[int, str | None] = dict.fromkeys(selection.dropped)
        for index in selection.hashed:
            if not _HASHED.fullmatch(leaves[index].text):
                edits[index] = self._pseudonyms.label("field", leaves[index].text)
        return edits


def confidence_of(spans: Iterable[Span]) -> Mapping[str, int]:
    """Return how many spans there are of each tenth of score, for the audit record (A23)."""
    return Counter(f"p{int(span.score * 10 + _ROUNDING)}0" for span in spans)


def stricter(policy: Policy, score: float) -> Policy:
    """Return the policy with every threshold at ``score`` or above.

    ``OTHER_ID`` must be all but certain: that a number or a name is some id is what the payload's own ids are.
    """
    labels = {*ENTITY_TYPES, *policy.types}
    floors = {label: CERTAIN if label == "OTHER_ID" else score for label in labels}
    rules = {label: policy.for_type(label) for label in labels}
    raised = {label: replace(rule, threshold=max(rule.threshold, floors[label])) for label, rule in rules.items()}
    return Policy(f"{policy.name}>={score}", raised)


def _by_leaf(answers: Sequence[_Answer]) -> dict[int, Redacted]:
    return {index: answer.redacted for answer in answers for index in answer.piece.leaves}


def _found_with_digits(answers: Iterable[_Answer]) -> Iterable[KnownValue]:
    for answer in answers:
        for span in answer.redacted.spans:
            value = answer.piece.message.text[span.start : span.end]
            if is_data(value):
                yield KnownValue(span.label, value)


def _knowing(pieces: Sequence[Piece], found: tuple[KnownValue, ...]) -> list[Piece]:
    """The pieces with ``found`` among what is known. Pieces share few tuples of known values: each is joined once."""
    joined = {id(piece.message.known): piece.message.known for piece in pieces}
    joined = {key: tuple(dict.fromkeys((*known, *found))) for key, known in joined.items()}
    return [replace(p, message=replace(p.message, known=joined[id(p.message.known)])) for p in pieces]


def _edits(leaves: Sequence[Leaf], answers: Sequence[_Answer]) -> dict[int, str | None]:
    """One edit for each leaf whose text came out changed. Unchanged ones stay as they are written."""
    edits: dict[int, str | None] = {}
    for answer in answers:
        if answer.redacted.text != answer.piece.message.text:
            edits.update(dict.fromkeys(answer.piece.leaves, _reworded(answer.redacted)))
    names = {index: new for index, new in edits.items() if leaves[index].kind is LeafKind.KEY and new is not None}
    edits.update(keep_unique(leaves, names))
    return edits


def _reworded(redacted: Redacted) -> Reworded:
    pairs = zip(redacted.spans, redacted.places, strict=True)
    changes = [Change(span.start, span.end, redacted.text[begin:end]) for span, (begin, end) in pairs]
    return Reworded(redacted.text, changes)


async def _all(work: Sequence[Awaitable[_T]]) -> list[_T]:
    """Await everything at once. The first failure cancels the rest, and nothing outlives this call."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
