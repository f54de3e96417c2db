"""JavaScript within pages: its strings, templates, numbers and comments are texts; its code is none. Nothing is run.

Whether a slash divides or begins a regular expression can only be told by parsing the whole language. Where both are
possible and what follows would be read in two ways, the script is refused; so is a string that does not end, and code
with an address or an end tag in it.
"""

from __future__ import annotations

import re

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.json_scanner import Literal, looks_embedded, scan_embedded
from sidecar.payloads.names import is_data
from sidecar.payloads.script_literals import decode_literal, encode_literal, literal_host
from sidecar.payloads.spliced import SplicedBuilder, Writer

_TOKEN = re.compile(
    r"""
      (?P<space>[\s\ufeff]+)
    | (?P<line>(?://|<!--)[^\n\r\u2028\u2029]*)
    | (?P<block>/\*(?:[^*]|\*(?!/))*+\*/)
    | "(?P<double>(?:[^"\\\n\r]|\\(?:\r\n|[\s\S]))*+)"
    | '(?P<single>(?:[^'\\\n\r]|\\(?:\r\n|[\s\S]))*+)'
    | (?P<number>(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)n?)
    | (?P<word>(?:[\w$]|\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]+\})+)
    | (?P<sign>[^\s"'\\`/])
    """,
    re.VERBOSE,
)
_CHUNK = re.compile(r"(?P<raw>(?:[^`\\$]|\\[\s\S]|\$(?!\{))*+)(?P<end>`|\$\{)")
_PATTERN = re.compile(r"/(?P<raw>(?:[^/\\\[\n\r]|\\[^\n\r]|\[(?:[^\]\\\n\r]|\\[^\n\r]){0,500}+\]){1,2000}+)/")
"""Bounded, so that many slashes in one line cost no more than each its share."""
_BEFORE_PATTERN = frozenset({
    "await", "case", "delete", "do", "else", "in", "instanceof", "new", "of", "return", "throw", "typeof", "void",
    "yield",
})  # fmt: skip
_QUOTE = re.compile(r"[\"'`]|/[/*]")
_WORD = re.compile(r"[\w$]+")
_AFTER_VALUE = frozenset("])}")
_COLON = re.compile(r"\s*:")
_LONGEST_NAME = 100
_PROGRAM_WORD = re.compile(r"[#.]?[a-z][a-zA-Z0-9]*(?:[-_.:/][a-zA-Z0-9]+)*")
"""Of a string that is no value of a name, as in ``addEventListener("click")``: judged as member names are."""
_SELECTOR = re.compile(r"""[a-z]*\[[a-z-]+[~|^$*]?=["']?(?P<value>[\w-]+)["']?\]""")
"""Of elements by an attribute, as in ``$("input[name=csrf_token]")``: its value is judged as a member name is."""
_OPENERS = frozenset("[{(")
_BREAK = re.compile(r"[\n\r\u2028\u2029]")
_CLOSING = re.compile(r"-->[^\n\r\u2028\u2029]*+")
"""A comment where nothing but space and comments stands before it in its line (Annex B.1.1)."""
_HASHBANG = re.compile(r"#![^\n\r\u2028\u2029]*+")
_ADDRESS = re.compile(r"(?<=[\w$.+-])@[\w$-]++\.[\w$]")
"""No code: what stands before a decorator is no word, and what stands behind JSX's tags no browser runs."""
_ACCOUNT = re.compile(r"[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){3,}+(?:[ -]?[A-Z0-9]{1,3}(?![\w$]))?[\w$]*+")
_NOT_OF_NAMES = re.compile(r"[^\w$]+")


def scan_script(builder: SplicedBuilder, text: str, start: int, end: int, path: Path) -> None:
    """Add the texts of a script that stands from ``start`` to ``end``, below ``path``.

    A string behind ``name:`` or ``name =`` has that name in its path. Raises ``PayloadRefused``.
    """
    _Script(builder, text, end, path).run(start)


class _Script:
    """One script on its way through."""

    def __init__(self, builder: SplicedBuilder, text: str, end: int, path: Path) -> None:
        self.builder = builder
        self.text = text
        self.end = end
        self.path = path
        self.last = ""  # the token before: a sign, a word, or what stands for a value
        self.name = ""  # the last word or string, which may turn out to name what follows
        self.label = ""
        self.open: list[tuple[str, str]] = []  # brackets, and what their content is a value of
        self.braces: list[int] = []  # open ones within each template expression
        self.line_begins = True  # nothing but space and comments so far in this line

    def run(self, position: int) -> None:
        if found := _HASHBANG.match(self.text, position, self.end):
            position = self._said(found)
        while position < self.end:
            sign = self.text[position]
            if self.line_begins and (found := _CLOSING.match(self.text, position, self.end)):
                position = self._said(found)
                continue
            found = _TOKEN.match(self.text, position, self.end)
            if found is None or found.lastgroup not in ("space", "line", "block"):
                self.line_begins = False
            elif _BREAK.search(found[0]):
                self.line_begins = True
            if sign == "`":
                position = self._template(position + 1)
            elif found is not None:
                position = self._token(found)
            elif sign == "/":
                position = self._slash(position)
            else:
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"no script at character {position}")
        if self.braces:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a template that does not end")

    def _token(self, found: re.Match[str]) -> int:
        """Take one token, with the rest of a template behind it; return where the next begins."""
        kind = found.lastgroup
        if kind in ("line", "block"):
            return self._said(found)
        if kind in ("double", "single"):
            self._string(found[kind], found.start(kind))
        elif kind == "number":
            self._number(found)
        elif kind == "word":
            return self._word(found)
        elif kind == "sign" and self._sign(found):
            return self._template(found.end())
        return found.end()

    def _said(self, comment: re.Match[str]) -> int:
        self._add(LeafKind.STRING, (*self.path, "//"), *comment.span(), comment[0], _comment)
        return comment.end()

    def _word(self, found: re.Match[str]) -> int:
        """Take a word of the program, or what is written like an account: as a name, or in groups as a text."""
        self.last = self.name = found[0]
        account = _ACCOUNT.match(self.text, found.start(), self.end)
        if account is None or not is_data(account[0]):
            return found.end()
        if account.end() <= found.end():
            self._add(LeafKind.KEY, (*self.path, found[0]), *found.span(), found[0], _in_name)
            return found.end()
        self.last, self.name = "value", ""
        self._add(LeafKind.STRING, self.path, *account.span(), account[0], _as_literal)
        return account.end()

    def _sign(self, found: re.Match[str]) -> bool:
        """Take one sign; return whether a template goes on behind it."""
        sign = found[0]
        if sign == "@" and _ADDRESS.match(self.text, found.start(), self.end):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"an address for code at character {found.start()}")
        self._place(sign)
        self.last = sign
        if self.braces and sign in "{}":
            if sign == "}" and self.braces[-1] == 0:
                self.braces.pop()
                return True
            self.braces[-1] += 1 if sign == "{" else -1
        return False

    def _place(self, sign: str) -> None:
        """Keep track of what the next value is a value of: of a name before it, or of one before its array."""
        if sign in ":=":
            self.label = self.name
        elif sign in _OPENERS:
            self.open.append((sign, self.label if sign == "[" else ""))
            self.label = self.open[-1][1]
        elif sign in _AFTER_VALUE:
            del self.open[-1:]
            self.label = ""
        elif sign in ",;":
            self.label = self.open[-1][1] if self.open else ""

    def _in_array(self) -> bool:
        return bool(self.open) and self.open[-1][0] == "["

    def _template(self, position: int) -> int:
        found = _CHUNK.match(self.text, position, self.end)
        if found is None:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a template that does not end, at character {position}")
        self._string(found["raw"], position)
        if found["end"] == "${":
            self.braces.append(0)
            self.last = "{"
        return found.end()

    def _string(self, raw: str, start: int) -> None:
        text = decode_literal(raw)
        kind = LeafKind.STRING
        path = (*self.path, self.label) if self.label else self.path
        names = self.last in ("{", ",") and _COLON.match(self.text, start + len(raw) + 1, self.end)
        if names or (not self.label and not self._in_array() and _PROGRAM_WORD.fullmatch(text)):
            kind, path = LeafKind.KEY, (*self.path, text)
        self.last, self.name = "value", text if len(text) < _LONGEST_NAME else ""
        if (selector := _SELECTOR.fullmatch(text)) and not self.label:
            host, value = literal_host(raw, start), selector["value"]
            first, last = (host.locate(at) for at in selector.span("value"))
            self._add(LeafKind.KEY, (*self.path, value), first, last, value, encode_literal)
            return
        if looks_embedded(text):
            literal = Literal(start, start + len(raw), encode_literal, path, 1, len(path))
            if scan_embedded(self.builder, text, literal_host(raw, start), literal):
                return
        self._add(kind, path, start, start + len(raw), text, encode_literal)

    def _number(self, found: re.Match[str]) -> None:
        self.last = "value"
        digits = found[0].replace("_", "").removesuffix("n")
        path = (*self.path, self.label) if self.label else self.path
        if is_data(digits):
            self._add(LeafKind.NUMBER, path, *found.span(), digits, _as_literal)

    def _slash(self, position: int) -> int:
        """Pass over a division sign or a regular expression."""
        if self.text.startswith("/*", position):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a comment that does not end, at character {position}")
        if self.text[position - 1] == "<":
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"an end tag for code at character {position}")
        after_value = self.last in _AFTER_VALUE or (_WORD.fullmatch(self.last) and self.last not in _BEFORE_PATTERN)
        unsure = self.last in (")", "}", "+", "-")
        found = _PATTERN.match(self.text, position, self.end) if unsure or not after_value else None
        if (found is None and not after_value) or (found is not None and unsure and _QUOTE.search(found["raw"])):
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a slash of two readings at character {position}")
        if found is None or after_value:
            self.last = "/"
            return position + 1
        self.last = "value"
        if "@" in decode_literal(found["raw"]) or is_data(found["raw"]):
            self._add(LeafKind.STRING, self.path, *found.span("raw"), found["raw"], _pattern)
        return found.end()

    def _add(self, kind: LeafKind, path: Path, start: int, end: int, text: str, writer: Writer) -> None:
        if text.strip():
            self.builder.add(path, kind, text, start, end, writer)


def _comment(new: str | None) -> str:
    """Write a comment, with its marks as far as they were left; code never follows from what it says."""
    text = " ".join((new or "").splitlines()).replace("<", "‹")
    inner = text.removeprefix("/*").removesuffix("*/").replace("*/", "* /").removeprefix("//")
    return f"/*{inner}*/"


def _as_literal(new: str | None) -> str:
    return f'"{encode_literal(new)}"'


def _in_name(new: str | None) -> str:
    return f"_{_NOT_OF_NAMES.sub('_', new or '').strip('_')}_"


def _pattern(new: str | None) -> str:
    return re.escape(new or "").replace("/", "\\/")
