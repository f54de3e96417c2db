"""Product names and SKUs of an operator's catalogue, found in any spelling of their words (D5).

Loading from bytes is pure; whoever reloads keeps the old catalogue when the new one raises. Both texts and entries are
compared as folded words, so regex characters, case and punctuation in entries mean nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import ahocorasick

from sidecar.detection.normalise import fold, normalise
from sidecar.detection.recognizer import Message
from sidecar.detection.scores import CONFIGURED, KNOWN
from sidecar.detection.span import Span
from sidecar.detection.view import split, to_original
from sidecar.errors import ConfigError, Problem

MOST_ENTRIES: Final = 100_000
_LONGEST_ENTRY: Final = 300
_SHORTEST_JOINED: Final = 2
_NAME_KEYS: Final = ("name", "title", "product", "product_name")
_SKU_KEYS: Final = ("sku", "id", "code", "product_id", "item")
_BRAND_KEYS: Final = ("brand", "manufacturer", "vendor")


class CatalogueFormat(StrEnum):
    CSV = "csv"
    JSON = "json"


class Brands(StrEnum):
    """Whether the brand in a product's name is redacted with it, or stays readable."""

    REDACT = "redact"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Product:
    """One entry; any of the three may be empty, but not all."""

    name: str
    sku: str = ""
    brand: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The products, without repeats, and a version that changes with any of them or with the choice about brands."""

    products: tuple[Product, ...] = field(repr=False)
    brands: Brands = Brands.REDACT

    @property
    def version(self) -> str:
        rows = sorted((product.name, product.sku, product.brand) for product in self.products)
        written = json.dumps([self.brands.value, rows], ensure_ascii=True)
        return sha256(written.encode()).hexdigest()[:16]


def parse_catalogue(data: bytes, source: str, form: CatalogueFormat, brands: Brands = Brands.REDACT) -> Catalogue:
    """Parse a catalogue: UTF-8 CSV with a header, or a JSON array of strings or objects.

    ``source``: how errors name it. Raises ``ConfigError`` with the line (CSV) or entry (JSON), and the remedy.
    """
    text = _decode(data, source)
    rows = _csv_rows(text, source) if form is CatalogueFormat.CSV else _json_rows(text, source)
    products = tuple(dict.fromkeys(rows))
    if not products:
        raise _refusal(source, "holds no product", "Give it at least one row with a name or SKU.")
    if len(products) > MOST_ENTRIES:
        raise _refusal(source, f"holds {len(products)} products", f"Keep it to {MOST_ENTRIES:,} products.")
    return Catalogue(products, brands)


def _refusal(where: str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(where, message, remedy),))


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refusal(f"{source}, line {line}", "is not UTF-8", "Save the file as UTF-8.") from None


def _csv_rows(text: str, source: str) -> Iterator[Product]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if not set(header) & {*_NAME_KEYS, *_SKU_KEYS}:
            raise _refusal(f"{source}, line 1", "has no column of names or SKUs", "Name a column 'name' or 'sku'.")
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                where = f"{source}, line {reader.line_num}"
                raise _refusal(where, f"has {len(row)} cells, not {len(header)}", "Quote cells that hold commas.")
            yield _product(dict(zip(header, row, strict=True)), f"{source}, line {reader.line_num}")
    except csv.Error:
        where = f"{source}, line {reader.line_num}"
        raise _refusal(where, "is not CSV", "Close its quotes, and double quotes inside quotes.") from None


def _json_rows(text: str, source: str) -> Iterator[Product]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise _refusal(f"{source}, line {error.lineno}", "is not JSON", "Mend the syntax at this line.") from None
    except RecursionError:
        raise _refusal(source, "is nested too deep", "Write an array of strings or flat objects.") from None
    if not isinstance(rows, list):
        raise _refusal(source, "is not an array", "Write an array of strings or of objects with 'name' and 'sku'.")
    for place, row in enumerate(rows):
        where = f"{source}, entry {place + 1}"
        if isinstance(row, str):
            yield _product({"name": row}, where)
        elif isinstance(row, dict):
            yield _product({str(key).lower(): _cell(value, where) for key, value in row.items()}, where)
        else:
            raise _refusal(where, "is neither a string nor an object", "Write a name, or an object with 'name'.")


def _cell(value: Any, where: str) -> str:
    if value is None or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, (str, int, float)):
        return str(value)
    raise _refusal(where, "holds a value that is no text", "Write names and SKUs as strings.")


def _product(row: Mapping[str, str], where: str) -> Product:
    name, sku, brand = (_first(row, keys) for keys in (_NAME_KEYS, _SKU_KEYS, _BRAND_KEYS))
    if not name and not sku:
        raise _refusal(where, "has neither name nor SKU", "Fill one of them in, or remove the row.")
    if max(len(name), len(sku), len(brand)) > _LONGEST_ENTRY:
        raise _refusal(where, f"is longer than {_LONGEST_ENTRY} characters", "Shorten it to the product's name.")
    return Product(name, sku, brand)


def _first(row: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((row[key].strip() for key in keys if row.get(key, "").strip()), "")


class CatalogueRecognizer:
    """Finds a catalogue's names and SKUs, leftmost and longest, on word borders. Linear in the text."""

    name = "catalogue"

    def __init__(self, catalogue: Catalogue) -> None:
        self._keep = catalogue.brands is Brands.KEEP
        self._automaton = _automaton(catalogue)

    def find(self, message: Message) -> Iterable[Span]:
        if self._automaton is None or not message.text:
            return []
        normalised = normalise(message.text)
        words, starts, ends = split(normalised.lower)
        if not words:
            return []
        return sorted(set(to_original(self._spans(words, starts, ends), normalised)))

    def _spans(self, words: tuple[str, ...], starts: tuple[int, ...], ends: tuple[int, ...]) -> Iterator[Span]:
        joined = "".join(f" {word} " for word in words)
        place_at = _places(words)
        for last, (entry, score, brand) in self._automaton.iter_long(joined):
            first = place_at[last - len(entry) + 1]
            after = place_at[last + 1]
            for start, end in _without(words, first, after, brand if self._keep else ()):
                yield Span(starts[start], ends[end - 1], "PRODUCT", score, "catalogue")


def _places(words: tuple[str, ...]) -> dict[int, int]:
    """Map the offset where each word with its two spaces begins in the joined text to its place; and the end."""
    places: dict[int, int] = {}
    offset = 0
    for place, word in enumerate(words):
        places[offset] = place
        offset += len(word) + 2
    places[offset] = len(words)
    return places


def _without(words: tuple[str, ...], first: int, after: int, brand: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yield the word ranges of a match that are not the brand."""
    if not brand:
        yield first, after
        return
    start = first
    place = first
    while place < after:
        if words[place : place + len(brand)] == brand:
            if place > start:
                yield start, place
            place += len(brand)
            start = place
        else:
            place += 1
    if after > start:
        yield start, after


def _automaton(catalogue: Catalogue) -> Any:
    automaton = ahocorasick.Automaton()
    for product in catalogue.products:
        brand = split(fold(product.brand))[0]
        for written, score in ((product.name, KNOWN), (product.sku, CONFIGURED)):
            words = split(fold(written))[0]
            if len("".join(words)) < _SHORTEST_JOINED or (catalogue.brands is Brands.KEEP and words == brand):
                continue
            joined = "".join(f" {word} " for word in words)
            automaton.add_word(joined, (joined, score, brand))
    if not len(automaton):
        return None
    automaton.make_automaton()
    return automaton
