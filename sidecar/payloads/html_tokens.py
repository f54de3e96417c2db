"""The tokens of an HTML text, with their places (HTML Standard, section 13.2.5), as far as its texts depend on them.

No tree is built: where an element ends does not matter for what its texts say. Where browsers repair, so does this;
what they would throw away, a tag that is cut short, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sidecar.errors import PayloadFault, PayloadRefused

_MARKUP = re.compile(r"<(?:(?P<tag>/?[A-Za-z][^\t\n\f\r />]*)|(?P<comment>!--)|(?P<bogus>[!?]|/(?=.)))", re.DOTALL)
_COMMENT_END = re.compile(r"(?<=<!--)-?>|--!?>")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*
    (?:(?P<end>>)
    |  (?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*+)
       (?:[\t\n\f\r ]*=[\t\n\f\r ]*
          (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\t\n\f\r >"'][^\t\n\f\r >]*+)|(?=>)))?
       (?![\t\n\f\r ]*=)
    )""",
    re.VERBOSE,
)
"""A quote that is not closed is no attribute: where it ends nobody knows."""
_RAW_TEXT = frozenset({"iframe", "noembed", "noframes", "script", "style", "xmp"})
_WITH_REFERENCES = frozenset({"textarea", "title"})
_SCRIPT_MARKS = re.compile(r"<!--|-->|</?script(?=[\t\n\f\r />])", re.IGNORECASE)


class TokenKind(StrEnum):
    TEXT = "text"
    START = "start"
    END = "end"
    COMMENT = "comment"  # and what is taken for one: doctypes, processing instructions
    RAW = "raw"  # inside of an element in which nothing is markup


@dataclass(frozen=True, slots=True)
class Attribute:
    """``start`` and ``end`` are of the value, within its quotes; ``value`` is raw; None where there is none."""

    name: str
    name_start: int
    value: str | None
    start: int
    end: int
    in_quotes: bool


@dataclass(frozen=True, slots=True)
class Token:
    """``name``: of the element, in lower case; of raw text, the element around it."""

    kind: TokenKind
    start: int
    end: int
    name: str = ""
    attributes: tuple[Attribute, ...] = ()


def tokens(text: str) -> Iterator[Token]:
    """Yield every token, in order; together they are the text. Raises ``PayloadRefused`` for a tag cut short."""
    position = done = 0
    while found := _MARKUP.search(text, position):
        if found.start() > done:
            yield Token(TokenKind.TEXT, done, found.start())
        token = _markup(text, found)
        yield token
        position = done = token.end
        if token.kind is TokenKind.START:
            inside = _inside(text, token)
            if inside is not None:
                yield inside
                position = done = inside.end
    if len(text) > done:
        yield Token(TokenKind.TEXT, done, len(text))


def _markup(text: str, found: re.Match[str]) -> Token:
    start = found.start()
    if found["tag"] is None:
        return Token(TokenKind.COMMENT, start, _comment_end(text, found))
    name = found["tag"]
    attributes, end = _attributes(text, found.end())
    if name.startswith("/"):
        return Token(TokenKind.END, start, end, name[1:].lower(), attributes)
    return Token(TokenKind.START, start, end, name.lower(), attributes)


def _comment_end(text: str, found: re.Match[str]) -> int:
    if found["comment"]:
        end = _COMMENT_END.search(text, found.end())
        return end.end() if end else len(text)
    return text.find(">", found.end()) + 1 or len(text)


def _attributes(text: str, position: int) -> tuple[tuple[Attribute, ...], int]:
    attributes: list[Attribute] = []
    while True:
        found = _ATTRIBUTE.match(text, position)
        if found is None:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a tag cut short after character {position}")
        position = found.end()
        if found["end"]:
            return tuple(attributes), position
        group = next((name for name in ("double", "single", "bare") if found[name] is not None), None)
        start, end = found.span(group) if group else (position, position)
        attributes.append(
            Attribute(
                found["name"], found.start("name"), found[group] if group else None, start, end, group != "bare"
            )
        )  # fmt: skip


def _inside(text: str, tag: Token) -> Token | None:
    """What stands in an element whose inside is no markup: up to its end tag, or the end of all."""
    if tag.name in _WITH_REFERENCES or tag.name in _RAW_TEXT or tag.name == "plaintext":
        _refuse_closed(text, tag)
    if tag.name == "plaintext":
        return Token(TokenKind.RAW, tag.end, len(text), tag.name)
    if tag.name in _WITH_REFERENCES or tag.name in _RAW_TEXT:
        end = _script_end(text, tag.end) if tag.name == "script" else _element_end(text, tag)
        return Token(TokenKind.RAW, tag.end, end, tag.name)
    return None


def _refuse_closed(text: str, tag: Token) -> None:
    """``<script/>`` is open in HTML; in XHTML, SVG and MathML it is closed, and what follows is shown.

    Both agree where the end tag follows, and where the slash belongs to a value without quotes. Which of them reads
    this text only its tree would say.
    """
    is_value = tag.attributes and tag.attributes[-1].end == tag.end - 1
    if text[tag.end - 2] == "/" and not is_value and not _end_tag(tag, r"\s*").match(text, tag.end):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a tag that may be closed before character {tag.end}")


def _end_tag(tag: Token, before: str = "") -> re.Pattern[str]:
    return re.compile(rf"{before}</{tag.name}(?=[\t\n\f\r />])", re.IGNORECASE)


def _element_end(text: str, tag: Token) -> int:
    found = _end_tag(tag).search(text, tag.end)
    return found.start() if found else len(text)


def _script_end(text: str, position: int) -> int:
    """``<!-- <script>`` hides the next end tag from the parser."""
    in_comment = hidden = False
    for mark in _SCRIPT_MARKS.finditer(text, position):
        sign = mark[0].lower()
        if sign == "<!--":
            in_comment = True
        elif sign == "-->":
            in_comment = hidden = False
        elif sign == "<script":
            hidden = in_comment
        elif not hidden:
            return mark.start()
        else:
            hidden = False
    return len(text)
