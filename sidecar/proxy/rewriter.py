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
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import KnownValue
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.keys import Pseudonymizer
from sidecar.payloads.document import Document, Leaf, LeafKind, PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.member_names import keep_unique
from sidecar.payloads.names import ANY_SCORE, CERTAIN, is_data
from sidecar.payloads.selection import Conversation, Piece, Selection, select
from sidecar.redaction.placeholder import literals
from sidecar.redaction.policy import Operator, Policy
from sidecar.redaction.redactor import Redacted, Redactor

_PARSED_IN_THE_LOOP = 32 * 1024
"""Characters. Longer payloads are parsed in a thread, so that other exchanges go on."""
_AT_ONCE = 8
_HASHED = re.compile(r"k[0-9]+:[0-9a-f]{32}")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A payload that may be passed on. ``conversations``: pseudonyms of the ids in it, for the audit record."""

    body: bytes = field(repr=False)
    entities: Mapping[str, int]
    residuals: int
    conversations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    piece: Piece
    redacted: Redacted


class Rewriter:
    """Rewrites payloads of any format by any field map. ``pseudonyms`` name conversations and hashed fields."""

    def __init__(self, redactor: Redactor, pseudonyms: Pseudonymizer) -> None:
        self._redactor = redactor
        self._pseudonyms = pseudonyms

    async def rewrite(
        self, text: str, payload_format: PayloadFormat, fields: FieldMap, policy: Policy, fallback_scope: str
    ) -> Rewritten:
        """Return the payload with everything that policy and field map name replaced, and all else byte-equal (P35).

        Raises ``PayloadRefused``, ``DetectionFailed``, ``StoreUnavailable``; there is no partial answer.
        """
        if len(text) > _PARSED_IN_THE_LOOP:
            document, selection = await asyncio.to_thread(_read, text, payload_format, fields)
        else:
            document, selection = _read(text, payload_format, fields)
        answers = await self._redact_all(selection.conversations, fields.namespace, policy, fallback_scope)
        edits = self._fixed_edits(document.leaves, selection)
        edits.update(_edits(document.leaves, answers))
        ids = dict.fromkeys(one.id for one in selection.conversations if one.id is not None)
        body = document.render(edits) if edits else text.encode()
        return Rewritten(
            body,
            Counter(span.label for one in answers for span in one.redacted.spans for _ in one.piece.leaves),
            sum(one.redacted.residuals for one in answers),
            tuple(self._pseudonyms.label("conversation", id_) for id_ in ids),
        )

    async def _redact_all(
        self, conversations: Sequence[Conversation], namespace: str, policy: Policy, fallback_scope: str
    ) -> list[_Answer]:
        free = asyncio.Semaphore(_AT_ONCE)

        async def one(conversation: Conversation) -> list[_Answer]:
            scope = f"payload:{fallback_scope}"
            if conversation.id is not None:
                scope = f"conversation:{namespace}:{conversation.id}"
            async with free:
                return await self._redact(scope, conversation.pieces, policy)

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


def stricter(policy: Policy, score: float) -> Policy:
    """Return the policy with every threshold at ``score`` or above.

    ``OTHER_ID`` must be all but certain: that a number or a name is some id is what the payload's own ids are.
    """
    labels = {*ENTITY_TYPES, *policy.types}
    floors = {label: CERTAIN if label == "OTHER_ID" else score for label in labels}
    rules = {label: policy.for_type(label) for label in labels}
    raised = {label: replace(rule, threshold=max(rule.threshold, floors[label])) for label, rule in rules.items()}
    return Policy(f"{policy.name}>={score}", raised)


def _read(text: str, payload_format: PayloadFormat, fields: FieldMap) -> tuple[Document, Selection]:
    document = payload_format.parse(text)
    return document, select(document.leaves, fields, without_placeholders)


def without_placeholders(value: str) -> str:
    """Return what is left of a value beside placeholders and masks: nothing, if it was redacted before."""
    rest, read = "", 0
    for literal in literals(value):
        rest, read = rest + value[read : literal.start], literal.end
    rest = (rest + value[read:]).strip()
    return rest if any(char.isalnum() for char in rest) and rest.count("*") * 2 < len(rest) else ""


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
            edits.update(dict.fromkeys(answer.piece.leaves, answer.redacted.text))
    names = {index: new for index, new in edits.items() if leaves[index].kind is LeafKind.KEY and new is not None}
    edits.update(keep_unique(leaves, names))
    return edits


async def _all(work: Sequence[Awaitable[_T]]) -> list[_T]:
    """Await everything at once. The first failure cancels the rest, and nothing outlives this call."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
