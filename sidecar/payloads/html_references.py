"""Character references of HTML and XML: decoding them, with the place of each, and writing text so that it needs none.

HTML Standard, sections 13.2.5.72 and after; XML 1.0, section 4.1.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import html5

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.json_text import WHOLE, Host, escaped_host

_REFERENCE = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|(?P<name>[A-Za-z][A-Za-z0-9]*);?)")
XML_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_XML_NAMES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NO_XML_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENDLESS = re.compile(r"&#(?:[0-9]{41}|[xX][0-9a-fA-F]{41})")
"""No one writes a character like that, and numbers without end are no work for a decoder."""
_OPEN_VALUE = re.compile(r"[\s=`]")


def in_text(raw: str) -> str:
    """Decode what stands between tags. Raises ``PayloadRefused`` for a number without end."""
    _refuse_endless(raw)
    return html.unescape(raw) if "&" in raw else raw


def in_attribute(raw: str) -> str:
    """Decode the value of an attribute, where ``&copy=1`` is no reference. Raises ``PayloadRefused``: see above."""
    _refuse_endless(raw)
    return _REFERENCE.sub(lambda found: _of_attribute(found, raw), raw) if "&" in raw else raw


def _refuse_endless(raw: str) -> None:
    if "&" in raw and _ENDLESS.search(raw):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a character reference of more than 40 digits")


def _of_attribute(found: re.Match[str], raw: str) -> str:
    name = found["name"]
    if name is not None and not found[0].endswith(";") and (name not in html5 or raw[found.end() :][:1] == "="):
        return found[0]
    if name is not None and found[0].endswith(";") and f"{name};" not in html5:
        return found[0]
    return html.unescape(found[0])


def attribute_host(raw: str, start: int, *, in_quotes: bool) -> Host:
    """Return where the decoded value of an attribute stands. ``start``: of its raw text in the payload."""
    return escaped_host(WHOLE, _attribute_escapes(raw), start, quoted if in_quotes else unquoted)


def _attribute_escapes(raw: str) -> Iterator[tuple[int, int, int]]:
    for found in _REFERENCE.finditer(raw):
        decoded = _of_attribute(found, raw)
        if decoded != found[0]:
            yield found.start(), found.end(), len(decoded)


def between_tags(new: str | None) -> str:
    """Write text between tags."""
    return html.escape(new or "", quote=False)


def quoted(new: str | None) -> str:
    """Write what stands between the quotes, of either kind, of an attribute."""
    return html.escape(new or "", quote=True)


def unquoted(new: str | None) -> str:
    """Write the value of an attribute that has no quotes."""
    return _OPEN_VALUE.sub(lambda sign: f"&#{ord(sign[0])};", quoted(new)) or '""'


def in_xml(raw: str, position: int) -> str:
    """Decode XML text: its five names and numbers. Any other reference is refused: nobody declared it here.

    ``position``: of the raw text, for the refusal.
    """
    if "&" not in raw:
        return raw
    if raw.count("&") != len(XML_REFERENCE.findall(raw)):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"an unknown reference after character {position}")
    return XML_REFERENCE.sub(lambda found: _of_xml(found, position), raw)


def _of_xml(found: re.Match[str], position: int) -> str:
    if found[3]:
        return _XML_NAMES[found[3]]
    code = int(found[1]) if found[1] else int(found[2], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF or _NO_XML_CHARACTER.match(chr(code)):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a reference to no character after character {position}")
    return chr(code)
