"""The product catalogue (D5)."""

from __future__ import annotations

import json

import pytest

from sidecar.detection.catalogue import (
    MOST_ENTRIES,
    Brands,
    Catalogue,
    CatalogueFormat,
    CatalogueRecognizer,
    Product,
    parse_catalogue,
)
from sidecar.detection.recognizer import Message
from sidecar.errors import ConfigError

ROWS = """name,sku,brand
Acme Turbo Blender 3000,TB-3000,Acme
"C++ (pro) [x]*",,
Turbo Blender,,
Turbo Blender,,
Acme,,Acme
"""
CATALOGUE = parse_catalogue(ROWS.encode(), "products.csv", CatalogueFormat.CSV)
KEEPING = parse_catalogue(ROWS.encode(), "products.csv", CatalogueFormat.CSV, Brands.KEEP)


def _found(text: str, catalogue: Catalogue = CATALOGUE) -> list[str]:
    return [text[span.start : span.end] for span in CatalogueRecognizer(catalogue).find(Message(text))]


@pytest.mark.parametrize(
    ("text", "products"),
    [
        ("my acme turbo-blender 3000 broke", ["acme turbo-blender 3000"]),
        ("ACME  TURBO BLENDER, 3000", ["ACME  TURBO BLENDER, 3000"]),
        ("sku tb3000 or tb 3000", ["tb 3000"]),
        ("turbo blender turbo blender", ["turbo blender", "turbo blender"]),
        ("get C++ pro x", ["C++ pro x"]),
        ("acme is fine", ["acme"]),
        ("turbo blenders", []),
        ("preturbo blender", []),
        ("ｔｕｒｂｏ blender", ["ｔｕｒｂｏ blender"]),
        ("", []),
        ("...", []),
    ],
)
def test_products_are_found_on_word_borders_longest_first_d5(text: str, products: list[str]) -> None:
    assert _found(text) == products


@pytest.mark.parametrize(
    ("text", "products"),
    [("my acme turbo blender 3000", ["turbo blender 3000"]), ("acme is fine", []), ("tb-3000", ["tb-3000"])],
)
def test_brands_stay_where_the_operator_says_so_d5(text: str, products: list[str]) -> None:
    assert _found(text, KEEPING) == products


def test_duplicates_are_one_entry_and_the_version_follows_the_content_d16() -> None:
    assert len(CATALOGUE.products) == 4
    assert CATALOGUE.version == parse_catalogue(ROWS.encode(), "other name", CatalogueFormat.CSV).version
    assert len({CATALOGUE.version, KEEPING.version, Catalogue((Product("x"),)).version}) == 3


def test_json_of_strings_and_objects() -> None:
    data = json.dumps(["Widget One", {"title": "Gadget", "SKU": 4471}]).encode()
    assert parse_catalogue(data, "p.json", CatalogueFormat.JSON).products == (
        Product("Widget One"),
        Product("Gadget", "4471"),
    )


@pytest.mark.parametrize(
    ("data", "form", "place", "remedy"),
    [
        (b"name\nok\nbro\xffken\n", CatalogueFormat.CSV, "p, line 3", "UTF-8"),
        ("name\nü".encode("utf-16"), CatalogueFormat.CSV, "p, line 1", "UTF-8"),
        (b"colour\nred\n", CatalogueFormat.CSV, "p, line 1", "'name' or 'sku'"),
        (b"name,sku\na,b,c\n", CatalogueFormat.CSV, "p, line 2", "Quote cells"),
        (b'name\n"open\n', CatalogueFormat.CSV, "p, line 2", "quotes"),
        (b"name,sku\n ,\nx,\n,  \n\nname only,\n", CatalogueFormat.CSV, "", ""),
        (b"", CatalogueFormat.CSV, "p, line 1", "'name' or 'sku'"),
        (b"name\n", CatalogueFormat.CSV, "p", "at least one row"),
        (b'["a",\n}', CatalogueFormat.JSON, "p, line 2", "syntax"),
        (b'{"name": "a"}', CatalogueFormat.JSON, "p", "array"),
        (b'["a", 5]', CatalogueFormat.JSON, "p, entry 2", "object"),
        (b'["a", {"colour": "red"}]', CatalogueFormat.JSON, "p, entry 2", "remove the row"),
        (b"[" * 100_000, CatalogueFormat.JSON, "p", "array"),
        (b'["' + b"x" * 400 + b'"]', CatalogueFormat.JSON, "p, entry 1", "Shorten"),
        (json.dumps([f"thing {n}" for n in range(MOST_ENTRIES + 1)]).encode(), CatalogueFormat.JSON, "p", "100,000"),
    ],
)
def test_bad_catalogues_name_the_line_and_the_remedy(
    data: bytes, form: CatalogueFormat, place: str, remedy: str
) -> None:
    if not place:
        assert len(parse_catalogue(data, "p", form).products) == 2
        return
    with pytest.raises(ConfigError) as caught:
        parse_catalogue(data, "p", form)
    problem = caught.value.problems[0]
    assert problem.path == place
    assert remedy in problem.remedy


def test_a_hundred_thousand_entries_d5() -> None:
    products = tuple(Product(f"Model {n} Deluxe", f"SKU-{n:06}") for n in range(MOST_ENTRIES))
    assert _found("i have model 77123 deluxe and sku 000042", Catalogue(products)) == [
        "model 77123 deluxe",
        "sku 000042",
    ]
