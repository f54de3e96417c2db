"""What else is written into a payload once its texts are redacted: where annotations stand now, and whose URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from sidecar.payloads.annotations import Text
from sidecar.payloads.document import Edit, Leaf, LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.offsets import Shift
from sidecar.payloads.placement import Placer, Treatment
from sidecar.proxy.absolute_urls import OwnUrls
from sidecar.redaction.redactor import Redacted

_URL_BEGINS = frozenset("hHwW")
_URL_KINDS = (LeafKind.STRING, LeafKind.OTHER)


class Shifts:
    """How the texts of a payload, or those from elsewhere, moved. ``redacted`` is asked only where there are any."""

    def __init__(self, leaves: Sequence[Leaf], fields: FieldMap, redacted: Callable[[], dict[int, Redacted]]) -> None:
        self._leaves = leaves
        self._fields = fields
        self._by_leaf = redacted

    @cached_property
    def _redacted(self) -> dict[int, Redacted]:
        return self._by_leaf()

    def of(self, text: Text) -> Shift | None:
        """Return how the text moved; None where a field map keeps it from being shown at all."""
        if text.leaf is None:
            return text.shift
        redacted = self._redacted.get(text.leaf)
        if redacted is not None:
            spans = tuple((span.start, span.end) for span in redacted.spans)
            return Shift(text.given, redacted.text, spans, redacted.places)
        treatment = Placer(self._fields).place(self._leaves[text.leaf]).treatment
        return None if treatment in (Treatment.DROP, Treatment.HASH) else Shift(text.given, text.given)


def own_url_edits(
    leaves: Sequence[Leaf], edits: Mapping[int, Edit], fields: FieldMap, urls: OwnUrls
) -> Iterable[tuple[int, Edit]]:
    """Yield the strings that are a URL of the upstream. What people write to each other is no address of ours.

    In pages scheme and host are a leaf by themselves, and none that is scanned.
    """
    placer = Placer(fields)
    for leaf in leaves:
        if leaf.kind in _URL_KINDS and leaf.text[:1] in _URL_BEGINS:
            value = edits.get(leaf.index, leaf.text)
            if not isinstance(value, str) or placer.place(leaf).treatment is Treatment.MESSAGE:
                continue
            if (new := urls.rewritten(value)) != value:
                yield leaf.index, new
