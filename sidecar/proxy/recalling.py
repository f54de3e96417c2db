"""A rewriter that remembers what it made of payloads."""

from __future__ import annotations

import asyncio

from sidecar.keys import Pseudonymizer
from sidecar.payloads.document import PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.rewrite_memory import RewriteMemory
from sidecar.proxy.rewriter import Rewriter, Rewritten
from sidecar.redaction.policy import Policy
from sidecar.redaction.redactor import Redactor

_ON_THE_LOOP = 256 * 1024  # characters; longer payloads are hashed and unsealed on a thread


class RecallingRewriter(Rewriter):
    """Rewrites what it has no memory of; else answers from it. The answer is the same, byte for byte."""

    def __init__(self, redactor: Redactor, pseudonyms: Pseudonymizer, memory: RewriteMemory) -> None:
        super().__init__(redactor, pseudonyms)
        self._memory = memory

    async def rewrite(
        self,
        text: str,
        payload_format: PayloadFormat,
        fields: FieldMap,
        policy: Policy,
        fallback_scope: str,
        passage: Passage = PLAIN,
    ) -> Rewritten:
        """As ``Rewriter.rewrite``."""
        if _depends_on_others(fields, passage):
            return await super().rewrite(text, payload_format, fields, policy, fallback_scope, passage)
        memory = self._memory
        decisive = _decisive(payload_format, fields, policy, fallback_scope, passage)
        is_long = len(text) > _ON_THE_LOOP
        place = await asyncio.to_thread(memory.place, text, *decisive) if is_long else memory.place(text, *decisive)
        known = memory.recall(place)
        if known is None:
            memory.miss()
            known = await super().rewrite(text, payload_format, fields, policy, fallback_scope, passage)
            memory.keep(place, known)
        return known

    def remembered(
        self,
        text: str,
        payload_format: PayloadFormat,
        fields: FieldMap,
        policy: Policy,
        fallback_scope: str,
        passage: Passage = PLAIN,
    ) -> Rewritten | None:
        """As ``Rewriter.remembered``: of payloads that are not too long to be looked up on the event loop."""
        if len(text) > _ON_THE_LOOP or _depends_on_others(fields, passage):
            return None
        memory = self._memory
        return memory.recall(memory.place(text, *_decisive(payload_format, fields, policy, fallback_scope, passage)))


def _depends_on_others(fields: FieldMap, passage: Passage) -> bool:
    """Whether other payloads decide, too: those with the annotated texts, or those that came before."""
    return passage.turns is not None or bool(fields.annotations and passage.sources is not None)


def _decisive(
    payload_format: PayloadFormat, fields: FieldMap, policy: Policy, fallback_scope: str, passage: Passage
) -> tuple[object, ...]:
    urls = "" if passage.urls is None else passage.urls.decisive
    return payload_format, fields, policy, fallback_scope, passage.direction.value, urls
