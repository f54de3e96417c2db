"""Replaces found spans: choose by policy, follow names, link, replace, and look once more.

The straight line through this part; all steps but the numbering are pure functions of their own modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from sidecar.detection.entity_types import ERASED
from sidecar.detection.recognizer import Message
from sidecar.detection.resolve import resolve, subtract
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.keys import Pseudonymizer
from sidecar.redaction.last_look import Values, residuals, values_of
from sidecar.redaction.linking import People, ask_for, full_name, people_of, scope_key
from sidecar.redaction.operators import acted_on, replacement
from sidecar.redaction.placeholder import Literal, literals
from sidecar.redaction.policy import Operator, Policy
from sidecar.redaction.propagate import propagate
from sidecar.redaction.redact import Edit, apply_edits, moved_back
from sidecar.redaction.scope import Ask, PlaceholderStore

_LONG: Final = 8 * 1024  # characters
_MANY: Final = 100  # messages
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Redacted:
    """One redacted message.

    ``spans``: what was replaced, as places in the input, sorted and disjoint. ``places``: where each replacement
    stands in ``text``, in the same order, so that offsets can be translated either way (X6). ``residuals``: how many
    of the spans only the last look found (D21).
    """

    text: str = field(repr=False)
    spans: tuple[Span, ...]
    residuals: int
    places: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    """One message on its way: what will be replaced in it, and which placeholders it held already."""

    message: Message = field(repr=False)
    literals: tuple[Literal, ...]
    spans: tuple[Span, ...]

    def with_spans(self, more: Sequence[Span], policy: Policy) -> _Draft:
        """Add spans that the policy acts on, around the literal placeholders (D20)."""
        if not more:
            return self
        held = [(literal.start, literal.end) for literal in self.literals]
        apart = subtract(self.message.text, (span for span in more if acted_on(policy, span)), held)
        if not apart:
            return self
        return _Draft(self.message, self.literals, resolve(self.message.text, [*self.spans, *apart]))


class Offload(Protocol):
    """Runs a pure step of long payloads somewhere else than on the event loop, and awaits what it returns."""

    async def __call__(self, step: Callable[[], T], /) -> T: ...


async def inline(step: Callable[[], T]) -> T:
    """Run a step where we are: for short payloads, and where there is nobody to hold up."""
    return step()


class Replacer:
    """Replaces spans in the messages of a conversation. Keys: of ``Purpose.PLACEHOLDER`` and ``Purpose.OPERATOR``."""

    def __init__(
        self,
        store: PlaceholderStore,
        placeholder_keys: Pseudonymizer,
        operator_keys: Pseudonymizer,
        offload: Offload = inline,
    ) -> None:
        self._store = store
        self._offload = offload
        self._placeholder_keys = placeholder_keys
        self._operator_keys = operator_keys

    def running(self, characters: int, messages: int = 1) -> Offload:
        """Return what runs the pure steps of texts of this length: somewhere else where they are long or many."""
        return self._offload if characters > _LONG or messages > _MANY else inline

    async def replace(
        self, scope: str, messages: Sequence[Message], found: Sequence[Sequence[Span]], policy: Policy
    ) -> list[Redacted]:
        """Return each message redacted, in order.

        ``scope`` names the conversation; ``found`` holds sorted disjoint spans for each message.
        Raises ``DetectionFailed`` (spans that can't be) or ``StoreUnavailable``; there is no partial answer.
        """
        if len(found) != len(messages):
            raise DetectionFailed(DetectionFault.INVALID, "not one answer for each message")
        run = self.running(sum(len(message.text) for message in messages), len(messages))
        drafts = await run(lambda: _drafted(messages, found, policy))
        first = await self._render(scope, drafts, policy, run)
        looked = await run(lambda: _looked(messages, drafts, first, policy))
        if not any(looked):
            return first
        again = await run(lambda: [draft.with_spans(more, policy) for draft, more in zip(drafts, looked, strict=True)])
        final = await self._render(scope, again, policy, run)
        counts = map(len, looked)
        return [Redacted(one.text, one.spans, n, one.places) for one, n in zip(final, counts, strict=True)]

    async def _render(self, scope: str, drafts: Sequence[_Draft], policy: Policy, run: Offload) -> list[Redacted]:
        asked = await run(lambda: self._asked(drafts, policy))
        asks = [ask for row in asked for ask in row if ask is not None]
        numbers = iter(await self._numbers(scope, asks, drafts))
        numbered = [[None if ask is None else next(numbers) for ask in row] for row in asked]
        return await run(
            lambda: [self._edited(draft, row, policy) for draft, row in zip(drafts, numbered, strict=True)]
        )

    def _asked(self, drafts: Sequence[_Draft], policy: Policy) -> list[list[Ask | None]]:
        people: dict[int, People] = {}  # of each tuple of known values, which messages share
        for draft in drafts:
            known = draft.message.known
            if id(known) not in people:
                people[id(known)] = people_of(one.value for one in known if one.label == "PERSON")
        return [
            [self._ask(draft.message, span, policy, people[id(draft.message.known)]) for span in draft.spans]
            for draft in drafts
        ]

    async def _numbers(self, scope: str, asks: Sequence[Ask], drafts: Sequence[_Draft]) -> list[int]:
        held = (literal for draft in drafts for literal in draft.literals)
        reserved = dict.fromkeys((literal.label, literal.number) for literal in held if literal.number is not None)
        if not asks and not reserved:
            return []
        return await self._store.assign(scope_key(scope, self._placeholder_keys), asks, list(reserved))

    def _ask(self, message: Message, span: Span, policy: Policy, people: People) -> Ask | None:
        """Return the ask for a span that gets a number; a short form of a known name asks by the whole name."""
        if span.label == ERASED or policy.for_type(span.label).operator is not Operator.REPLACE:
            return None
        value = message.text[span.start : span.end]
        if span.label == "PERSON":
            value = full_name(value, people)
        return ask_for(span.label, value, self._placeholder_keys)

    def _edited(self, draft: _Draft, numbers: Sequence[int | None], policy: Policy) -> Redacted:
        text = draft.message.text
        if not draft.spans:
            return Redacted(text, (), 0)
        edits = []
        for span, number in zip(draft.spans, numbers, strict=True):
            value = text[span.start : span.end]
            new = replacement(span.label, value, policy.for_type(span.label), number, self._operator_keys)
            edits.append(Edit(span.start, span.end, new))
        redacted, places = apply_edits(text, edits)
        return Redacted(redacted, draft.spans, 0, places)


def _drafted(messages: Sequence[Message], found: Sequence[Sequence[Span]], policy: Policy) -> list[_Draft]:
    """Return what is to be replaced in each message: what was found in it, and names that were found in others."""
    drafts = [
        _Draft(message, tuple(literals(message.text)), ()).with_spans(tuple(spans), policy)
        for message, spans in zip(messages, found, strict=True)
    ]
    followed = propagate([message.text for message in messages], [draft.spans for draft in drafts])
    return [draft.with_spans(more, policy) for draft, more in zip(drafts, followed, strict=True)]


def _looked(
    messages: Sequence[Message], drafts: Sequence[_Draft], redacted: Sequence[Redacted], policy: Policy
) -> list[list[Span]]:
    """Return what the last look finds in each message (D21)."""
    values = values_of(messages, [draft.spans for draft in drafts])
    return [_look(draft, one, values, policy) for draft, one in zip(drafts, redacted, strict=True)]


def _look(draft: _Draft, redacted: Redacted, values: Values, policy: Policy) -> list[Span]:
    """Return what still stands in the redacted text and should not, as places in the input."""
    hits = [hit for hit in residuals(redacted.text, values) if acted_on(policy, hit)]
    if not hits:
        return []
    held = [*redacted.places, *((literal.start, literal.end) for literal in literals(redacted.text))]
    apart = subtract(redacted.text, resolve(redacted.text, hits), sorted(set(held)))
    return moved_back(apart, draft.spans, redacted.places)
