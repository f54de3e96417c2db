"""String literals of JavaScript: reading them, finding a character's place in them, writing them (ECMA-262, 12.9.4).

What is written can stand in an HTML page: ``<`` is always escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from sidecar.payloads.json_text import WHOLE, Host, escaped_host

_ESCAPE = re.compile(
    r"""\\(?:
      u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
    | u[0-9a-fA-F]{4} | u\{(?P<point>[0-9a-fA-F]{1,8})\} | x(?P<byte>[0-9a-fA-F]{2}) | (?P<octal>[0-3]?[0-7]{1,2})
    | \r\n | .
    )""",
    re.VERBOSE | re.DOTALL,
)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v", "f": "\f"} | dict.fromkeys(
    ["\n", "\r", "\r\n", "\u2028", "\u2029"], ""
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNSAFE = re.compile("[<`\u2028\u2029]|\\$(?=\\{)")


def decode_literal(raw: str) -> str:
    """Decode what stands between the quotes."""
    return _ESCAPE.sub(_character, raw) if "\\" in raw else raw


def _character(found: re.Match[str]) -> str:
    escape = found[0][1:]
    if found["octal"]:
        return chr(int(found["octal"], 8))
    if found["byte"]:
        return chr(int(found["byte"], 16))
    if found["point"]:
        code = int(found["point"], 16)
        return "\ufffd" if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)
    if escape.startswith("u") and len(escape) > 1:
        return _SURROGATE.sub("\ufffd", str(json.loads(f'"\\{escape}"')))
    return _SIMPLE.get(escape, escape)


def literal_host(raw: str, start: int) -> Host:
    """Return where the decoded content of a literal stands."""
    return escaped_host(WHOLE, _escapes(raw), start, encode_literal)


def _escapes(raw: str) -> Iterator[tuple[int, int, int]]:
    for found in _ESCAPE.finditer(raw):
        yield found.start(), found.end(), len(_character(found))


def encode_literal(new: str | None) -> str:
    """Write what can stand between quotes of any kind."""
    inner = json.dumps(new or "", ensure_ascii=False)[1:-1].replace("'", "\\'")
    return _UNSAFE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", inner)
