"""The word lists that the generator draws from: text files under ``training/data``, one entry a line."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent.parent / "data"


@cache
def entries(name: str) -> tuple[str, ...]:
    """The entries of ``data/lists/NAME.txt``. Lines that begin with ``#`` are comments."""
    return lines(DATA / "lists" / f"{name}.txt")


@cache
def lines(path: Path) -> tuple[str, ...]:
    """Lines of one data file that hold something."""
    found = path.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in found if line.strip() and not line.startswith("# "))


@cache
def columns(name: str) -> tuple[tuple[str, ...], ...]:
    """The entries of a list whose lines have columns, parted by tabs."""
    return tuple(tuple(line.split("\t")) for line in entries(name))


@cache
def words() -> tuple[str, ...]:
    """English words, most frequent first; those that are mostly written with a capital have one."""
    return lines(DATA / "words.txt")


@cache
def rare_words() -> tuple[str, ...]:
    """Words of the dictionary that are rarer than those of ``words``."""
    return lines(DATA / "rare_words.txt")


@cache
def common_words() -> tuple[str, ...]:
    """Words that are no names, places or brands, most frequent first: the stuff of sentences and of hard negatives."""
    named = {
        part.lower()
        for name in ("cities", "countries", "brands", "organisations")
        for entry in entries(name)
        for part in entry.split()
    }
    return tuple(word for word in words()[:18_000] if word.islower() and len(word) > 2 and word not in named)
