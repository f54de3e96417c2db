"""HTML pages: texts, attributes, comments, and what scripts and styles say (HTML Standard; X7). Nothing is run.

Paths begin with the index of the token. Texts have nothing else in theirs; an attribute's goes on with the names of the
element and the attribute: ``$[].div['data-original-text']``, and for ``value`` and ``content`` with what the element's
``name`` says: ``$[].input.value.email``. JSON in scripts: ``$[].script.customer.name``. Comments: ``$[]['!--']``.
Texts of inline elements are joined (see ``joined``): a name is found though half of it is bold.
"""

from __future__ import annotations

import re

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind, Path
from sidecar.payloads.grouped_numbers import style_has_number
from sidecar.payloads.html_attributes import add_attributes
from sidecar.payloads.html_references import between_tags, in_attribute, in_text
from sidecar.payloads.html_tokens import Token, TokenKind, tokens
from sidecar.payloads.joined import JoinedDocument, Joiner
from sidecar.payloads.json_scanner import scan_json
from sidecar.payloads.json_text import Host, shifted_host
from sidecar.payloads.script import scan_script
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, Writer, encoded
from sidecar.payloads.text import cuts
from sidecar.payloads.urls import add_url

MEDIA_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u",
    "var", "wbr",
})  # fmt: skip
_ANNOUNCES = frozenset({"dt", "label", "th"})  # what comes next answers it
_PLAIN_ELEMENT = re.compile(r"[A-Za-z][A-Za-z0-9:._-]*")
_PLAIN_DOCTYPE = re.compile(
    r"""<!doctype\s+html(?:
       \s+system\s+["']about:legacy-compat["']
     | \s+public\s+["'][-+]//(?:w3c|ietf|wapforum)//dtd\ [\w\ .:/-]{1,60}//en["']
       (?:\s+["']https?://www\.(?:w3|wapforum)\.org/[\w./-]*["'])?
    )?\s*>""",
    re.IGNORECASE | re.VERBOSE,
)
"""Any other is read as a comment."""
_DECLARED = re.compile(r"<!(?:entity|attlist)\b", re.IGNORECASE)  # of XHTML: what they stand for is not decoded here
_JSON_SCRIPTS = frozenset({"application/json", "importmap", "speculationrules", "text/json"})
_SCRIPTS = frozenset({
    "", "module", "application/ecmascript", "application/javascript", "application/x-javascript", "text/ecmascript",
    "text/javascript", "text/x-javascript",
})  # fmt: skip
_CSS_TEXT = re.compile(
    r"""/\*(?P<comment>.*?)(?:\*/|\Z)
      | "(?P<double>(?:[^"\\\n\r\f]|\\(?:\r\n|.))*+)(?:"|(?=[\n\r\f])|\\?\Z)
      | '(?P<single>(?:[^'\\\n\r\f]|\\(?:\r\n|.))*+)(?:'|(?=[\n\r\f])|\\?\Z)
      | url\(\s*+(?P<url>[^"')\s]++)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""A string that nobody closed ends with its line, or with all (CSS Syntax, section 4.3.5), and is scanned."""
_CSS_REST = re.compile(r"[^\s;{}][^;{}]*")
_UNLIKE_CSS = re.compile(
    r"""\w(?:@|%40)\w | (?<![\w.#%-])\d{7,} | [^\x00-\x7f] | </?[A-Za-z] | \[[A-Z]
      | ^--[\w-]+\s*:\s*[A-Za-z]{2,}\s+[A-Za-z]{2,}""",
    re.VERBOSE,
)


class HtmlBody:
    """One page, or a piece of one."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``.

        Not parseable: a tag cut short, NUL, declared entities, a script that can't be told apart, JSON that is none.
        Media type: a page within an attribute, a ``data:`` URL in base64. Too large.
        """
        encoded(text)
        if "\0" in text:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "NUL, which browsers pass over within words")
        if _DECLARED.search(text):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "entities of its own")
        page = _Page(text, self._limits)
        for number, token in enumerate(tokens(text)):
            page.take(number, token)
        page.joiner.finish()
        return JoinedDocument(text, page.builder, page.joiner.readings)


class _Page:
    """One page on its way through."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.text = text
        self.builder = SplicedBuilder(limits)
        self.joiner = Joiner(self.builder, LeafKind.OTHER)
        self.around: Token | None = None  # the start tag before
        self.announced = False  # what comes next answers what the run says

    def take(self, number: int, token: Token) -> None:
        if token.kind is TokenKind.TEXT:
            self._text((number,), token)
        elif token.kind is TokenKind.COMMENT:
            self._comment((number, "!--"), token)
        elif token.kind is TokenKind.RAW:
            self._raw(number, token)
        else:
            self._tag(number, token)

    def _text(self, path: Path, token: Token) -> None:
        """Long texts are cut at line ends, as plain ones are."""
        raw = self.text[token.start : token.end]
        self.announced = self.announced and not raw.strip()
        start = 0
        for end in cuts(raw):
            if start:
                self.joiner.finish()
            piece = raw[start:end]
            self.joiner.text(path, in_text(piece), token.start + start, token.start + end, between_tags)
            start = end

    def _comment(self, path: Path, token: Token) -> None:
        raw = self.text[token.start : token.end]
        if not _PLAIN_DOCTYPE.fullmatch(raw):
            opening = 4 if raw.startswith("<!--") else 2
            closing = re.search(r"(?:--!?)?>\Z|\Z", raw[opening:])
            end = opening + (closing.start() if closing else 0)
            self._add(path, raw[opening:end], token.start + opening, token.start + end, _in_comment)

    def _tag(self, number: int, token: Token) -> None:
        if token.name == "br":
            self.joiner.gap("\n")
        elif token.name not in _INLINE:
            self._break(token)
        self.around = token if token.kind is TokenKind.START else None
        path = (number, token.name)
        if not _PLAIN_ELEMENT.fullmatch(token.name):  # an address in angle brackets
            start = token.start + (1 if token.kind is TokenKind.START else 2)
            name = self.text[start : start + len(token.name)]
            self.builder.add(path, LeafKind.KEY, name, start, start + len(name), between_tags)
        add_attributes(self.builder, token, path)

    def _break(self, token: Token) -> None:
        ends = token.kind is TokenKind.END
        if self.announced and not ends:
            return
        self.announced = ends and (token.name in _ANNOUNCES or self.joiner.ends_with_colon())
        if self.announced:
            self.joiner.gap("\n")
        else:
            self.joiner.finish()

    def _raw(self, number: int, token: Token) -> None:
        self.joiner.finish()
        raw = self.text[token.start : token.end]
        path = (number, token.name)
        if token.name == "script":
            self._script(path, token, raw)
        elif token.name == "style":
            self._style(path, token, raw)
        elif token.name in ("textarea", "title"):
            self._add((number,), in_text(raw), token.start, token.end, between_tags)
        else:
            self._add((number,), raw, token.start, token.end, _in_raw)

    def _script(self, path: Path, token: Token, raw: str) -> None:
        declared = "".join(
            in_attribute(one.value or "")
            for one in (self.around.attributes if self.around else ())
            if one.name.lower() == "type"
        )
        kind = declared.partition(";")[0].strip().lower()
        if not raw.strip():
            return
        if kind in _JSON_SCRIPTS or kind.endswith("+json"):
            host = Host(lambda at: token.start + at, lambda text: text.replace("<", "\\u003c"))
            scan_json(self.builder, raw, host, path)
        elif kind in _SCRIPTS:
            scan_script(self.builder, self.text, token.start, token.end, path)
        else:
            self._add(path, raw, token.start, token.end, _in_raw)

    def _style(self, path: Path, token: Token, raw: str) -> None:
        """Strings, comments and URLs; of the rest what no style says."""
        for found in _CSS_REST.finditer(_CSS_TEXT.sub(lambda text: ";" * len(text[0]), raw)):
            if _UNLIKE_CSS.search(found[0]) or style_has_number(found[0]):
                self._add(path, found[0], token.start + found.start(), token.start + found.end(), _in_style)
        for found in _CSS_TEXT.finditer(raw):
            group = found.lastgroup or "comment"
            start, end = (token.start + at for at in found.span(group))
            if group == "url":
                add_url(self.builder, found[group], shifted_host(start), path)
            else:
                self._add(path, found[group], start, end, _in_style)

    def _add(self, path: Path, text: str, start: int, end: int, writer: Writer) -> None:
        if text.strip():
            self.builder.add(path, LeafKind.STRING, text, start, end, writer)


def _in_comment(new: str | None) -> str:
    return (new or "").replace(">", "›")


def _in_raw(new: str | None) -> str:
    """No end tag comes to be by what is cut away."""
    return re.sub(r"<(?=[/!])", "< ", new or "")


def _in_style(new: str | None) -> str:
    return re.sub(r"[<\"'\\\n]|\*/", " ", new or "")
