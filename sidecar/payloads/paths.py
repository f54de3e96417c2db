"""Path patterns: the part of JSONPath (RFC 9535) that can be decided from a leaf's path alone.

``$`` is the root; then any of ``.name``, ``['any name']``, ``[0]``, ``.*`` and ``[*]`` (every member or element), and
the same after ``..`` for "at any depth below". One thing is not of the RFC: ``[]`` means every element of an array, but
no member of an object.

Not in the subset, because a path alone can't decide them: filters, slices, negative indices. Nor unions, in whose stead
one writes a pattern each. Patterns are matched on paths and not on parsed objects, so duplicate member names and
streams need no special care.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from sidecar.errors import Problem


class Wild(Enum):
    """Selectors of more than one."""

    ANY = "*"  # every member of an object and every element of an array
    EACH = "[]"  # every element of an array


ANY, EACH = Wild.ANY, Wild.EACH

_SEGMENT = re.compile(
    r"""
    (?P<dots>\.\.|\.|)
    (?: (?P<name>[^\W\d]\w*)
      | (?P<star>\*)
      | \[ [ ]* (?: (?P<any>\*) | (?P<index>0|[1-9][0-9]*)
                  | '(?P<single>(?:[^'\\]|\\['\\])*)' | "(?P<double>(?:[^"\\]|\\["\\])*)" | ) [ ]* \]
    )
    """,
    re.VERBOSE,
)
_REMEDY = "Write e.g. $.messages[].text, $..['e-mail'] or $.items[0].name"


class BadPath(ValueError):
    """A pattern that is not in the subset. Its text is the operator's own, so it may be shown."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One step: a member name, an index or more than one, a level down or (``descends``) any number of levels down."""

    selector: str | int | Wild
    descends: bool = False


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A compiled pattern. ``source`` is what the operator wrote."""

    source: str
    segments: tuple[Segment, ...]

    @property
    def has_fixed_length(self) -> bool:
        return not any(segment.descends for segment in self.segments)

    def plus(self, relative: PathPattern) -> PathPattern:
        """Return the pattern of what ``relative`` names within what this one names."""
        return PathPattern(f"{self.source} {relative.source}", self.segments + relative.segments)


def parse_path(source: str) -> PathPattern:
    """Parse an absolute pattern. Raises ``BadPath``."""
    if not source.startswith("$"):
        raise BadPath("a path starts with $")
    return PathPattern(source, _segments(source, 1))


def parse_relative(source: str) -> PathPattern:
    """Parse a pattern within an object, such as ``text`` or ``content[].text``; ``$`` alone is the object itself.

    ``..`` is refused here, so that the object a match belongs to follows from the lengths. Raises ``BadPath``.
    """
    if source.startswith("$"):
        pattern = parse_path(source)
    else:
        pattern = PathPattern(source, _segments(source if source.startswith("[") else f".{source}", 0))
    if not pattern.has_fixed_length:
        raise BadPath("a path within an object can't hold '..'")
    return pattern


def path_problem(where: str, source: str, error: BadPath) -> Problem:
    return Problem(where, f"{source!r} is no path this understands: {error}", _REMEDY)


def _segments(source: str, start: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    position = start
    while position < len(source):
        found = _SEGMENT.match(source, position)
        if found is None or not _is_joined_well(found):
            raise BadPath(f"can't read it from character {position + 1} on")
        segments.append(Segment(_selector(found), found["dots"] == ".."))
        position = found.end()
    return tuple(segments)


def _is_joined_well(found: re.Match[str]) -> bool:
    """A bare name needs dots before it; brackets take none, or two."""
    if found["name"] is not None or found["star"] is not None:
        return found["dots"] != ""
    return found["dots"] != "."


def _selector(found: re.Match[str]) -> str | int | Wild:
    if found["index"] is not None:
        return int(found["index"])
    if found["name"] is not None:
        return found["name"]
    quoted = found["single"] if found["single"] is not None else found["double"]
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted)
    return ANY if found["any"] or found["star"] else EACH
