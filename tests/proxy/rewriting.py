"""What the rewriter's tests put around it: plain detection, placeholders in memory, and the real redaction between."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from sidecar.detection.recognizer import Message
from sidecar.detection.resolve import resolve
from sidecar.detection.scores import CERTAIN_SHAPE, CHECKED_CONTEXT, CHECKSUM, DIALOGUE, KNOWN
from sidecar.detection.span import Span
from sidecar.keys import MasterKey, Purpose
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.proxy.rewriter import Rewriter, Rewritten
from sidecar.redaction.book import Book
from sidecar.redaction.policy import Policy
from sidecar.redaction.redactor import Redactor
from sidecar.redaction.scope import Ask

MASTER = MasterKey(bytes(range(32)))
_SHAPES = (
    ("EMAIL", CERTAIN_SHAPE, re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("CREDIT_CARD", CHECKED_CONTEXT, re.compile(r"(?<!\d)4\d{3}(?:[ -]?\d{4}){3}(?!\d)")),
    ("ACCOUNT_ID", CHECKSUM, re.compile(r"(?<![\d.])\d{8,12}(?![\d.])")),
)


class PlainDetection:
    """Finds e-mail addresses, cards, long numbers (unsurely, but for a question) and known values. Remembers asks."""

    version = "plain"

    def __init__(self) -> None:
        self.seen: list[Message] = []

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        self.seen += messages
        return [resolve(message.text, _spans(message)) for message in messages]


def _spans(message: Message) -> list[Span]:
    if message.label is not None:
        return [Span(0, len(message.text), message.label, 1.0, "field")]
    found = [
        Span(match.start(), match.end(), label, score, "plain")
        for label, score, pattern in _SHAPES
        for match in pattern.finditer(message.text)
    ]
    asked = message.context[-1].text if message.context else ""
    if re.search(r"account|phone", asked) and message.text.isdigit():
        found.append(Span(0, len(message.text), "ACCOUNT_ID", DIALOGUE, "plain"))
    for known in message.known:
        for form in {known.value, *(known.value.split() if known.label == "PERSON" else ())}:
            for match in re.finditer(re.escape(form), message.text, re.IGNORECASE):
                found.append(Span(match.start(), match.end(), known.label, KNOWN, "known"))
    return found


class MemoryPlaceholders:
    """Numbers in memory, by the same book as the durable store's."""

    def __init__(self) -> None:
        self.books: defaultdict[bytes, Book] = defaultdict(Book)

    async def assign(self, scope: bytes, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> list[int]:
        book = self.books[scope]
        book.enter(asks, reserved)
        numbers = book.known(asks, reserved)
        assert numbers is not None
        return numbers


class Parts:
    """A rewriter with its surroundings."""

    def __init__(self) -> None:
        self.detection = PlainDetection()
        self.store = MemoryPlaceholders()
        redactor = Redactor(
            self.detection,
            self.store,
            MASTER.pseudonymizer(Purpose.PLACEHOLDER),
            MASTER.pseudonymizer(Purpose.OPERATOR),
        )
        self.pseudonyms = MASTER.pseudonymizer(Purpose.AUDIT_PSEUDONYM)
        self.rewriter = Rewriter(redactor, self.pseudonyms)

    async def rewrite(
        self, text: str, fields: FieldMap, policy: Policy | None = None, fallback_scope: str = "here"
    ) -> Rewritten:
        return await self.rewriter.rewrite(text, JsonBody(), fields, policy or Policy(), fallback_scope)
