"""Every requirement on the data path has a test by its number, and docs/proxy.md says in which files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOC = (TESTS.parent / "docs" / "proxy.md").read_text(encoding="utf-8")
CLAIMED = [*(f"P{number}" for number in (*range(1, 50), 58, 59, 60)), *(f"X{number}" for number in range(1, 10))]
ROW = re.compile(r"^\| ([PX]\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
ROWS = {number: re.findall(r"`([a-z_/]+)`", files) for number, files in ROW.findall(DOC)}
NUMBER = re.compile(r"(?<![a-z])([px])(\d+)(?:_to_[px](\d+))?(?![a-z0-9])", re.IGNORECASE)


def numbers_in(name: str) -> Iterator[str]:
    for letter, first, last in NUMBER.findall(name):
        yield from (f"{letter.upper()}{number}" for number in range(int(first), int(last or first) + 1))


@lru_cache
def proven_in(file: str) -> frozenset[str]:
    """The numbers in names of a file's tests, and in those of their cases (``"P16 Connection names the framing"``)."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((TESTS / f"{file}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            found.update(numbers_in(node.name.replace("_", " ").replace(" to ", "_to_")))
        elif isinstance(node, ast.Dict):
            keys = (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
            found.update(key.split()[0] for key in keys if re.match(r"[PX]\d+ ", key))
    return frozenset(found)


def test_the_table_has_every_number_once() -> None:
    assert [number for number, _ in ROW.findall(DOC)] == CLAIMED


@pytest.mark.parametrize("number", CLAIMED)
def test_each_file_of_the_table_tests_what_it_is_said_to(number: str) -> None:
    assert ROWS[number]
    for file in ROWS[number]:
        assert number in proven_in(file), f"{file} has no test named for {number}"


def test_numbers_are_read_from_names() -> None:
    assert list(numbers_in("test P1_to_P3 and P33 x4")) == ["P1", "P2", "P3", "P33", "X4"]
    assert list(numbers_in("test http2 exP4 P5a")) == []
