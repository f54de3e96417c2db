"""The attributes of HTML elements: which hold texts, which URLs, which JSON, and which nothing but markup (X7).

Every value is scanned, but those of attributes that only say how a page looks or works, where the value is written like
that, percent-decoded: no "@", no long number, no groups of digits, no letters beyond ASCII. What is there that a member
name could be is judged as one.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.forgery_tokens import is_forgery_token
from sidecar.payloads.grouped_numbers import has_grouped_number, is_measures, style_has_number
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
    "accept", "accept-charset", "align", "alink", "allow", "as", "async", "autocapitalize", "autocomplete",
    "autofocus", "axis", "bgcolor", "border", "capture", "cellpadding", "cellspacing", "char", "charoff", "charset",
    "checked", "class", "clear", "clip-path", "clip-rule", "color", "cols", "colspan", "compact", "content-type",
    "contenteditable", "controls", "coords", "crossorigin", "cx", "cy", "d", "datetime", "decoding", "default",
    "defer", "dir", "disabled", "dominant-baseline", "draggable", "dx", "dy", "enctype", "enterkeyhint", "face",
    "fetchpriority", "fill", "fill-opacity", "fill-rule", "filter", "focusable", "font-family", "font-size",
    "font-style", "font-weight", "for", "form", "formenctype", "formmethod", "frame", "frameborder",
    "gradienttransform", "gradientunits", "headers", "height", "hidden", "hreflang", "hspace", "http-equiv", "id",
    "imagesizes", "inert", "inputmode", "integrity", "is", "itemprop", "itemscope", "kind", "lang",
    "letter-spacing", "link", "list", "loading", "loop", "low", "marginheight", "marginwidth", "mask", "max",
    "maxlength", "media", "method", "min", "minlength", "multiple", "muted", "name", "nomodule", "nonce", "noshade",
    "novalidate", "nowrap", "offset", "opacity", "open", "optimum", "overflow", "part", "pathlength", "pattern",
    "patternunits", "playsinline", "points", "popover", "popovertarget", "preload", "preserveaspectratio",
    "property", "r", "readonly", "referrerpolicy", "rel", "required", "rev", "reversed", "role", "rows", "rowspan",
    "rules", "rx", "ry", "sandbox", "scope", "scrolling", "selected", "shape", "size", "sizes", "slot", "span",
    "spellcheck", "start", "step", "stop-color", "stop-opacity", "stroke", "stroke-dasharray", "stroke-linecap",
    "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "style", "tabindex", "target", "text",
    "text-anchor", "transform", "transform-origin", "translate", "type", "valign", "valuetype", "vector-effect",
    "version", "viewbox", "visibility", "vlink", "vspace", "width", "wrap", "x", "x1", "x2", "xlink:type",
    "xml:lang", "xml:space", "xmlns", "xmlns:xlink", "y", "y1", "y2",
})  # fmt: skip
"""Attributes of HTML and SVG whose values are words of theirs, numbers, colours, or names within the page."""
_SAID_ALOUD = frozenset({
    "aria-braillelabel", "aria-brailleroledescription", "aria-description", "aria-label", "aria-placeholder",
    "aria-roledescription", "aria-valuetext",
})  # fmt: skip
_MARKUP_PREFIXES = ("aria-", "data-bs-", "data-testid", "data-toggle", "data-target", "data-dismiss")
_MARKUP_METAS = frozenset({
    "application-name", "color-scheme", "format-detection", "generator", "googlebot", "mobile-web-app-capable",
    "og:locale", "og:type", "referrer", "robots", "theme-color", "twitter:card", "viewport",
})  # fmt: skip
_MARKUP_PRAGMAS = frozenset({"content-type", "content-security-policy", "default-style", "x-ua-compatible"})
_LIKE_MARKUP = re.compile(r"[A-Za-z0-9_\s:./\[\]()%#,!&*>+~=;'\"|?{}^$-]*")
_LONG_NUMBER = re.compile(r"(?<![.\d])\d{7,}")
_OF_WORDS = frozenset({
    "accept", "accept-charset", "allow", "class", "clip-path", "content", "content-type", "coords", "d", "enctype",
    "filter", "font-family", "formenctype", "gradienttransform", "headers", "imagesizes", "itemprop", "mask", "media",
    "part", "pattern", "points", "preserveaspectratio", "rel", "rev", "sandbox", "sizes", "stroke-dasharray", "style",
    "transform", "transform-origin", "translate", "type", "viewbox", "xmlns",
})  # fmt: skip
"""Those that hold several words apart. All others with a space in them are texts, such as the ``name`` of a person."""
_OF_WORDS_ANYWHERE = frozenset({"class", "itemprop", "part", "style"})
"""The same for elements that a page defines itself (``<chat-message text="…">``), whose attributes are its own."""
_OWN_PROPERTY = re.compile(r"(?<![\w-])(?=[\w-]*--)[\w-]++\s*+:\s*+[A-Za-z]{2,}+\s++[A-Za-z]{2,}")
"""Each name is read once, from its beginning: many dashes cost no more than each its share."""
_DAY = re.compile(r"\s*(?:1[0-9]{3}|20[01][0-9])-[0-9]{2}-[0-9]{2}(?:T00:00(?::00)?(?:\.0+)?Z?)?\s*")
"""Of ``<time datetime>``: a day that says again, for machines, what may be a date of birth. None of this decade is."""
_SVG_NUMBERS = frozenset({"coords", "d", "points", "transform", "viewbox"})
_MEASURES = frozenset({
    "aria-valuemax", "aria-valuemin", "aria-valuenow", "border", "color", "cx", "cy", "dx", "dy", "fill",
    "fill-opacity", "font-size", "gradienttransform", "height", "imagesizes", "letter-spacing", "low", "max", "min",
    "offset", "opacity", "optimum", "pathlength", "r", "rx", "ry", "sizes", "step", "stop-color", "stop-opacity",
    "stroke", "stroke-dasharray", "stroke-miterlimit", "stroke-opacity", "stroke-width", "transform-origin", "width",
    "x", "x1", "x2", "y", "y1", "y2",
})  # fmt: skip
"""Those that hold lengths, colours and shares: what is written like such is no number in groups."""
_DEEPEST = 3  # percent codes within percent codes
_NUMBERED = re.compile(r"(?:.*[-_:])?(?:id|key|index|timestamp|ts|pk)s?")
_PLAIN_NAME = re.compile(r"[A-Za-z_:@#*\[({.][A-Za-z0-9_:.@#*\[\](){}$-]*")


def add_attributes(builder: SplicedBuilder, tag: Token, path: Path) -> None:
    """Add what is scanned of a tag's attributes, below ``path``.

    Raises ``PayloadRefused``: a page within an attribute, and ``data:`` URLs in base64.
    """
    said = {one.name.lower(): in_attribute(one.value) for one in tag.attributes if one.value}
    named = said.get("name") or said.get("property") or said.get("http-equiv") or ""
    for attribute in tag.attributes:
        _add_name(builder, attribute, path)
        if attribute.value:
            _add_value(builder, tag.name, attribute, attribute.value, path, named)


def _add_name(builder: SplicedBuilder, attribute: Attribute, path: Path) -> None:
    """A name that is none: ``<marta kowalska@…>`` is a tag to a browser, but nobody meant it as one."""
    name = attribute.name
    if not _PLAIN_NAME.fullmatch(name) or "@" in name[1:]:
        end = attribute.name_start + len(name)
        builder.add((*path, name), LeafKind.KEY, name, attribute.name_start, end, unquoted)


def _add_value(builder: SplicedBuilder, tag: str, attribute: Attribute, raw: str, path: Path, named: str) -> None:
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
    plain = _percent_decoded(text)
    kind = _kind_of(tag, name, named, text, plain)
    text = plain if _is_markup(name, named.lower()) else text
    if name == "datetime" and _DAY.fullmatch(text):
        kind, here = LeafKind.STRING, (*here, "date_of_birth")
    if kind is not None and text.strip():
        builder.add(
            (*here, text) if kind is LeafKind.KEY else here, kind, text, attribute.start, attribute.end, write
        )  # fmt: skip


def _kind_of(tag: str, name: str, named: str, text: str, plain: str) -> LeafKind | None:
    """As what a value is scanned; None: not at all. ``plain``: without percent codes."""
    if name in ("value", "content") and is_forgery_token(named, text):
        return None
    is_like = _LIKE_MARKUP.fullmatch(text) and _LIKE_MARKUP.fullmatch(plain.replace("<", ""))
    if _is_markup(name, named.lower()) and is_like and not _is_sentence(tag, name, plain):
        return _as_number(name, plain)
    if text.isascii() and text.isdigit() and _NUMBERED.fullmatch(name):
        return LeafKind.NUMBER
    return LeafKind.STRING


def _as_number(name: str, text: str) -> LeafKind | None:
    """Of markup with digits that a person could have: in groups, they are a text; in a row, part of a name."""
    if name in _SVG_NUMBERS:
        return None
    grouped = style_has_number(text) if name == "style" else has_grouped_number(text)
    if grouped and not (name in _MEASURES and is_measures(text)):
        return LeafKind.STRING
    return LeafKind.KEY if _LONG_NUMBER.search(text) else None


def _percent_decoded(text: str) -> str:
    """What a program could make of an id or a name; what is no UTF-8 becomes no ASCII either."""
    for _ in range(_DEEPEST):
        if "%" in text:
            text = unquote(text)
    return text


def _is_sentence(tag: str, name: str, text: str) -> bool:
    """Whether words stand apart in an attribute that would hold one word only."""
    if name == "style":
        return _OWN_PROPERTY.search(text) is not None
    if len(text.split()) < 2 or name.startswith("aria-"):
        return False
    return name not in (_OF_WORDS_ANYWHERE if "-" in tag else _OF_WORDS)


def _is_markup(name: str, named: str) -> bool:
    if name == "content":
        return named in _MARKUP_METAS or named in _MARKUP_PRAGMAS
    return name in _MARKUP or (name.startswith(_MARKUP_PREFIXES) and name not in _SAID_ALOUD)
