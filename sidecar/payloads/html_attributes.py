"""The attributes of HTML elements: which hold texts, which URLs, which JSON, and which nothing but markup (X7).

Every value is scanned, but those of attributes that only say how a page looks or works, where the value is written like
that: no "@", no long number, no letters beyond ASCII. What is there that a member name could be is judged as one.
"""

from __future__ import annotations

import re

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.html_references import attribute_host, in_attribute, quoted, unquoted
from sidecar.payloads.html_tokens import Attribute, Token
from sidecar.payloads.json_scanner import Literal, looks_embedded, scan_embedded
from sidecar.payloads.spliced import SplicedBuilder
from sidecar.payloads.urls import add_url, looks_like_url, refuse_base64

_URLS = frozenset({
    "action", "background", "cite", "codebase", "formaction", "href", "icon", "imagesrcset", "longdesc", "manifest",
    "ping", "poster", "profile", "src", "srcset", "usemap", "xlink:href",
})  # fmt: skip
_MARKUP = frozenset({
    "accept", "align", "as", "autocomplete", "autofocus", "charset", "checked", "class", "color", "cols", "colspan",
    "content-type", "contenteditable", "coords", "crossorigin", "d", "datetime", "dir", "disabled", "draggable",
    "enctype", "fill", "for", "form", "headers", "height", "hidden", "http-equiv", "id", "integrity", "is", "lang",
    "loading", "max", "maxlength", "media", "method", "min", "name", "nonce", "novalidate", "part", "pattern", "points",
    "property", "readonly", "rel", "required", "role", "rows", "rowspan", "scope", "selected", "shape", "size", "sizes",
    "slot", "span", "spellcheck", "step", "stroke", "style", "tabindex", "target", "transform", "translate", "type",
    "version", "viewbox", "width", "xml:lang", "xmlns", "xmlns:xlink",
})  # fmt: skip
_LIKE_MARKUP = re.compile(r"[A-Za-z0-9_\s:./\[\]()%#,!&*>+~=;'\"|?{}^$-]*")
_LONG_NUMBER = re.compile(r"(?<![.\d])\d{7,}")
_SVG_NUMBERS = frozenset({"coords", "d", "points", "transform", "viewbox"})
_NUMBERED = re.compile(r"(?:.*[-_:])?(?:id|key|index|timestamp|ts|pk)s?")
_TOKENS = frozenset({
    "csrfmiddlewaretoken", "csrf-token", "csrf_token", "_csrf", "authenticity_token", "__requestverificationtoken",
    "_token",
})  # fmt: skip
_TOKEN_VALUE = re.compile(r"[A-Za-z0-9_+/=.-]{16,256}")
_PLAIN_NAME = re.compile(r"[A-Za-z_:@#*\[({.][A-Za-z0-9_:.@#*\[\](){}$-]*")


def add_attributes(builder: SplicedBuilder, tag: Token, path: Path) -> None:
    """Add what is scanned of a tag's attributes, below ``path``.

    Raises ``PayloadRefused``: a page within an attribute, and ``data:`` URLs in base64.
    """
    named = next((in_attribute(one.value) for one in tag.attributes if one.name.lower() == "name" and one.value), "")
    for attribute in tag.attributes:
        _add_name(builder, attribute, path)
        if attribute.value:
            _add_value(builder, attribute, attribute.value, path, named)


def _add_name(builder: SplicedBuilder, attribute: Attribute, path: Path) -> None:
    """A name that is none: ``<marta kowalska@…>`` is a tag to a browser, but nobody meant it as one."""
    name = attribute.name
    if not _PLAIN_NAME.fullmatch(name) or "@" in name[1:]:
        end = attribute.name_start + len(name)
        builder.add((*path, name), LeafKind.KEY, name, attribute.name_start, end, unquoted)


def _add_value(builder: SplicedBuilder, attribute: Attribute, raw: str, path: Path, named: str) -> None:
    text = in_attribute(raw)
    name = attribute.name.lower()
    here = (*path, name, named) if named and name in ("value", "content") else (*path, name)
    host = attribute_host(raw, attribute.start, in_quotes=attribute.in_quotes)
    write = quoted if attribute.in_quotes else unquoted
    if name == "srcdoc":
        raise PayloadRefused(PayloadFault.MEDIA_TYPE, "a page within an attribute")
    refuse_base64(text)
    if looks_embedded(text):
        literal = Literal(attribute.start, attribute.end, write, here, 1, len(here))
        if scan_embedded(builder, text, host, literal):
            return
    if name in _URLS or looks_like_url(text):
        add_url(builder, text, host, here)
        return
    kind = _kind_of(name, named, text)
    if kind is not None and text.strip():
        builder.add(
            (*here, text) if kind is LeafKind.KEY else here, kind, text, attribute.start, attribute.end, write
        )  # fmt: skip


def _kind_of(name: str, named: str, text: str) -> LeafKind | None:
    """As what a value is scanned; None: not at all."""
    if name in ("value", "content") and named.lower() in _TOKENS and _TOKEN_VALUE.fullmatch(text):
        return None  # random by definition, and no form can be sent without it
    if name in _MARKUP and _LIKE_MARKUP.fullmatch(text):
        return LeafKind.KEY if _LONG_NUMBER.search(text) and name not in _SVG_NUMBERS else None
    if text.isascii() and text.isdigit() and _NUMBERED.fullmatch(name):
        return LeafKind.NUMBER
    return LeafKind.STRING
