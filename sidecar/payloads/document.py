"""The one interface of payload formats: where the texts are, and how edited ones go back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

PathPart = str | int
Path = tuple[PathPart, ...]
"""Member names and array indices from the root, e.g. ``("messages", 0, "text")``."""


Edit = str | int | None
"""What a leaf becomes: another text, a number (of a number leaf, where the format has numbers), or JSON ``null``."""


class LeafKind(StrEnum):
    """What a leaf was in the payload. A number that must be redacted is written back as a string."""

    STRING = "string"
    NUMBER = "number"
    OTHER = "other"  # true, false, null: never scanned, may be dropped
    KEY = "key"  # a member name; its path is that of the member. Can't be dropped
    CONTAINER = "container"  # an object or array, before its leaves; its text is empty. Can only be dropped, as a whole


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar, member name or container of a payload: its place in the document and its decoded text.

    A string that itself holds JSON (X5) shows as a container; its leaves have paths that go on below its own, and
    ``embedded_at`` says how long the path of that string is (of the outermost, where such strings nest).
    """

    index: int
    path: Path = field(repr=False)  # member names may be personal data: payloads keyed by e-mail address exist
    kind: LeafKind
    text: str = field(repr=False)
    embedded_at: int | None = None


class Document(Protocol):
    """A parsed payload. Immutable: ``render`` works on a copy."""

    @property
    def leaves(self) -> Sequence[Leaf]:
        """Every scalar, member name and container in document order; duplicate keys each appear."""

    def render(self, edits: Mapping[int, Edit]) -> bytes:
        """Return the payload with the texts of the leaves named by index replaced (None: JSON ``null``).

        Whatever is not edited is byte-equal to the input (P35).
        """


class PayloadFormat(Protocol):
    """Parses one media type in whole. Raises ``PayloadRefused`` for what it can't understand entirely."""

    @property
    def media_types(self) -> frozenset[str]: ...

    def parse(self, text: str) -> Document: ...
