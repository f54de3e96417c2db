"""Events in, events out: each a payload of its own, but for the texts that come in pieces over many of them (P34).

An event goes out when all that it brought is decided on, in its place among the others. So the output has the events of
the input, and where nothing was found its bytes. No socket and no clock is known here; what may be held is bounded.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.delta_rules import Hold
from sidecar.payloads.deltas import Channel, DeltaFinder, Deltas, Fragment
from sidecar.payloads.document import Document, Edit, Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits
from sidecar.payloads.stream import Frame, FrameFormat, FrameKind
from sidecar.proxy.growing_places import GrowingPlaces
from sidecar.proxy.growing_texts import GrowingText, TailText, WholeText
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.reading import at_leisure
from sidecar.proxy.rewriter import Rewriter, Rewritten
from sidecar.proxy.scopes import scope_of, scope_of_none
from sidecar.redaction.growing import GrowingRedaction, Remembered
from sidecar.redaction.holdback import HoldBack
from sidecar.redaction.policy import Policy

_UNOPENED = Limits(embedding=0)
"""A piece of text that happens to be JSON is a piece of text."""
_OF_STRINGS = frozenset({LeafKind.STRING, LeafKind.CONTAINER})  # a string that holds JSON shows as a container
_HOLD_BACK = HoldBack()
_APART = "\n"
_HELD_BYTES, _SLICE_BYTES = 200, 100  # of an event that waits, beside its text; of each part of a growing text in it


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one stream may make us hold: of texts that are not decided on, of events that wait, and texts that grow."""

    hold_back: HoldBack = _HOLD_BACK
    held_bytes: int = 1024 * 1024
    channels: int = 256


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How the events of a stream are read and redacted. ``scope``: of what belongs to no conversation with an id."""

    frame_format: FrameFormat
    fields: FieldMap
    policy: Policy
    scope: str = field(repr=False)
    passage: Passage = PLAIN
    limits: StreamLimits = StreamLimits()


@dataclass(slots=True)
class _Open:
    """A growing text, and the scope of the conversation that was last said to be its."""

    growing: GrowingText
    scope: str = field(repr=False)
    places: GrowingPlaces = field(default_factory=GrowingPlaces)


@dataclass(frozen=True, slots=True)
class _Slice:
    """The part of a growing text that a leaf of an event has brought. None: no leaf, it only sets two of them apart."""

    leaf: int | None
    text: str = field(repr=False)
    growing: GrowingText
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Held:
    """An event that waits, redacted but for its slices."""

    frame: Frame
    slices: tuple[_Slice, ...] = ()

    @property
    def size(self) -> int:
        """In bytes, with what it takes to hold it: of short events that is the most of it."""
        return len(self.frame.text.encode()) + _HELD_BYTES + _SLICE_BYTES * len(self.slices)

    @property
    def is_ready(self) -> bool:
        return all(one.end <= one.growing.released for one in self.slices)


class EventStream:
    """One stream on its way. ``account``: told what was redacted. ``rewriter`` must have no memory: events are many."""

    def __init__(self, rules: StreamRules, rewriter: Rewriter, account: Callable[[Rewritten], None]) -> None:
        self._rules = rules
        self._rewriter = rewriter
        self._account = account
        self._scope = rules.scope
        self._finder = DeltaFinder(rules.fields)
        self._remembered = Remembered()
        self._waiting: deque[_Held] = deque()
        self._open: dict[Channel, _Open] = {}
        self._ended: OrderedDict[Channel, None] = OrderedDict()
        self._named: dict[tuple[str, int], tuple[bool, ...]] = {}  # which ids events name, by the rule
        self.held_bytes = 0
        """Of events that wait."""

    async def push(self, frame: Frame) -> list[bytes]:
        """Take one frame; return what may go out now, in order.

        Raises ``PayloadRefused``, ``DetectionFailed``, ``StoreUnavailable``: then nothing more may go out, ever.
        """
        if frame.kind is FrameKind.COMMENT:
            return [(await self._without_pieces(frame, Deltas((), ()))).text.encode()]
        if frame.kind is FrameKind.BLANK:
            self._hold(_Held(frame))
            return await self._ready()
        deltas = await at_leisure(frame.text, lambda: self._finder.find(self._parsed(frame).leaves))
        rewritten = await self._without_pieces(frame, deltas)
        fragments = deltas.fragments if rewritten is frame else await self._found_again(rewritten, deltas)
        self._hold(_Held(rewritten, tuple(self._slices(fragments))))
        for channel in dict.fromkeys(fragment.channel for fragment in fragments):
            one = self._open.get(channel)
            if one is not None and one.growing.is_due:
                self._count(await one.growing.advance(one.scope))
        for channel in deltas.ended_of(self._open):
            await self._end(channel)
        return await self._ready()

    async def finish(self) -> list[bytes]:
        """The stream has ended: return the rest. Raises as ``push``."""
        for channel in list(self._open):
            await self._end(channel)
        return await self._ready()

    async def _without_pieces(self, frame: Frame, deltas: Deltas) -> Frame:
        """Redact all of an event but the pieces of growing texts. Returns the frame itself where nothing changes."""
        if not frame.text.strip():
            return frame
        rules = self._rules
        paths = frozenset(fragment.path for fragment in deltas.fragments)
        rest = _Rest(rules.frame_format, frame, paths)
        rewritten = await self._rewriter.rewrite(
            frame.text, rest, rules.fields, rules.policy, self._scope, rules.passage
        )
        self._count(rewritten)
        self._scope = rewritten.scope or self._scope
        text = rewritten.body.decode()
        return frame if text == frame.text else replace(frame, text=text)

    def _parsed(self, frame: Frame) -> Document:
        return self._rules.frame_format.parse(frame, _UNOPENED)

    async def _found_again(self, frame: Frame, deltas: Deltas) -> Sequence[Fragment]:
        """Return the pieces as they stand in the rewritten event, in which leaves may be fewer."""
        parsed = await at_leisure(frame.text, lambda: self._parsed(frame))
        strings = {leaf.path: leaf for leaf in parsed.leaves if leaf.kind is LeafKind.STRING}
        again = [(fragment, strings.get(fragment.path)) for fragment in deltas.fragments]
        found = [replace(fragment, leaf=leaf.index) for fragment, leaf in again if leaf and leaf.text == fragment.text]
        if len(found) != len(deltas.fragments):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a piece of text that was moved by rewriting")
        return found

    def _goes_on(self, fragment: Fragment) -> bool:
        if fragment.channel not in self._ended:
            return True
        if fragment.text:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a text that goes on after its end")
        return False

    def _slices(self, fragments: Sequence[Fragment]) -> Iterator[_Slice]:
        """Yield the part of each piece. Pieces of one text in its first event are texts of their own: its messages."""
        for channel, pieces in _by_channel(fragment for fragment in fragments if self._goes_on(fragment)).items():
            self._require_ids(pieces)
            for fragment, is_apart in self._opened(channel, pieces[0]).places.taken(pieces):
                if is_apart:
                    growing = self._open[channel].growing
                    yield _Slice(None, _APART, growing, *growing.append(_APART))
                yield self._slice(fragment)

    def _require_ids(self, pieces: Sequence[Fragment]) -> None:
        """An id that one event names and the next leaves out would make two texts of one: a value cut there shows."""
        for one in pieces:
            if one.text and self._named.setdefault((one.channel.name, len(one.named)), one.named) != one.named:
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a text whose id comes and goes")

    def _opened(self, channel: Channel, first: Fragment) -> _Open:
        one = self._open.get(channel)
        if one is None:
            one = self._open[channel] = _Open(self._new(first), self._scope)
        return one

    def _slice(self, fragment: Fragment) -> _Slice:
        one = self._open[fragment.channel]
        if fragment.conversation is not None:
            one.scope = scope_of(self._rules.fields.namespace, fragment.conversation)
        start, end = one.growing.append(fragment.text)
        return _Slice(fragment.leaf, fragment.text, one.growing, start, end)

    def _new(self, fragment: Fragment) -> GrowingText:
        rules = self._rules
        if len(self._open) >= rules.limits.channels:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"more than {rules.limits.channels} texts that grow")
        if fragment.rule.hold is Hold.REFUSE:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a text that comes in another way than in pieces")
        if fragment.rule.hold is Hold.WHOLE:
            return WholeText(self._rewriter, rules.policy, rules.limits.held_bytes)
        redactor, hold_back = self._rewriter.redactor, rules.limits.hold_back
        turns, speaker = rules.passage.turns, fragment.rule.speaker
        earlier = () if turns is None else turns.of(scope_of_none(self._scope))
        return TailText(GrowingRedaction(redactor, rules.policy, self._remembered, hold_back, speaker, earlier))

    async def _end(self, channel: Channel) -> None:
        one = self._open.pop(channel)
        self._count(await one.growing.end_it(one.scope))
        if self._rules.passage.turns is not None and one.growing.said is not None:
            self._rules.passage.turns.add(scope_of_none(one.scope), [one.growing.said])
        self._ended[channel] = None
        while len(self._ended) > self._rules.limits.channels:
            self._ended.popitem(last=False)

    def _hold(self, held: _Held) -> None:
        self._waiting.append(held)
        self.held_bytes += held.size
        if self.held_bytes > self._rules.limits.held_bytes:
            raise PayloadRefused(PayloadFault.TOO_LARGE, "more events than may be held back")

    async def _ready(self) -> list[bytes]:
        out = []
        while self._waiting and self._waiting[0].is_ready:
            held = self._waiting.popleft()
            self.held_bytes -= held.size
            out.append(await self._rendered(held))
        return out

    async def _rendered(self, held: _Held) -> bytes:
        edits: dict[int, Edit] = {}
        for one in held.slices:
            new = one.growing.take(one.start, one.end)
            if one.leaf is not None and new != one.text:
                edits[one.leaf] = new
        if not edits:
            return held.frame.text.encode()
        return await at_leisure(held.frame.text, lambda: self._parsed(held.frame).render(edits))

    def _count(self, rewritten: Rewritten | None) -> None:
        if rewritten is not None:
            self._account(rewritten)


def _by_channel(fragments: Iterable[Fragment]) -> dict[Channel, list[Fragment]]:
    sorted_out: dict[Channel, list[Fragment]] = {}
    for fragment in fragments:
        sorted_out.setdefault(fragment.channel, []).append(fragment)
    return sorted_out


class _Rest:
    """Reads an event as if the pieces of growing texts in it were nothing to scan. ``paths``: of the pieces."""

    def __init__(self, frame_format: FrameFormat, frame: Frame, paths: frozenset[Path]) -> None:
        self._format = frame_format
        self._frame = frame
        self._paths = paths

    @property
    def media_types(self) -> frozenset[str]:
        return self._format.media_types

    def parse(self, text: str) -> Document:
        document = self._format.parse(replace(self._frame, text=text), DEFAULT_LIMITS)
        return _Masked(document, self._paths) if self._paths else document


class _Masked:
    """A document in which some strings, and JSON within them, are left out of what is scanned.

    A number that comes under the name of a string again is none of them.
    """

    def __init__(self, document: Document, paths: frozenset[Path]) -> None:
        self._document = document
        self.leaves = [self._masked(leaf, paths) for leaf in document.leaves]
        self.render = document.render

    @staticmethod
    def _masked(leaf: Leaf, paths: frozenset[Path]) -> Leaf:
        inside = leaf.embedded_at is not None and leaf.path[: leaf.embedded_at] in paths
        if inside or (leaf.path in paths and leaf.kind in _OF_STRINGS):
            return Leaf(leaf.index, leaf.path, LeafKind.OTHER, "", leaf.embedded_at)
        return leaf
