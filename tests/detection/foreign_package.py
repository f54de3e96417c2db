"""Writes a package that offers recognizers, as if pip had installed it; its behaviours are as bad as they are named."""

from __future__ import annotations

from pathlib import Path

MODULE = "foreign_recognizers_for_tests"

_CODE = """
import os, re, time
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, Problem

class Finds:
    name = "anything"
    def __init__(self, settings):
        self.word = settings["word"]
        self.label = settings.get("label", "OTHER_ID")
    def find(self, message):
        return [Span(m.start(), m.end(), self.label, 0.9, message.text) for m in re.finditer(self.word, message.text)]

class Answers:
    def __init__(self, *spans):
        self.spans = spans
    def find(self, message):
        return self.spans if message.text.startswith("bad") else []

class Raises:
    def find(self, message):
        raise ValueError(message.text)

class Hangs:
    def find(self, message):
        if message.text.startswith("hang"):
            re.match(r"(a+)+$", "a" * 64 + "b")
        return []

class Endless:
    def find(self, message):
        while message.text:
            yield Span(0, 1, "PERSON", 0.5, "x")

def finds(settings): return Finds(settings)
def raises(settings): return Raises()
def hangs(settings): return Hangs()
def endless(settings): return Endless()
def outside(settings): return Answers(Span(0, 10_000, "PERSON", 0.9, "x"))
def empty(settings): return Answers(Span(1, 1, "PERSON", 0.9, "x"))
def strange(settings): return Answers(Span(0, 1, "NAME", 0.9, "x"))
def unsure(settings): return Answers(Span(0, 1, "PERSON", float("nan"), "x"))
def tuples(settings): return Answers((0, 1, "PERSON", 0.9, "x"))
def truths(settings): return Answers(Span(False, True, "PERSON", 0.9, "x"))
def nothing(settings): return None
def picky(settings): raise ConfigError((Problem("url", "is missing", "Give one"),))
def clumsy(settings): raise RuntimeError("canary-71" + str(settings))
"""

_NAMES = (
    "finds", "raises", "hangs", "endless", "outside", "empty", "strange", "unsure", "tuples", "truths", "nothing",
    "picky", "clumsy", "absent",
)  # fmt: skip


def install(folder: Path) -> None:
    """Put the package into a folder that is on the path, or will be."""
    (folder / f"{MODULE}.py").write_text(_CODE)
    installed = folder / "foreign_recognizers-1.2.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-recognizers\nVersion: 1.2\n")
    rows = [f"{name} = {MODULE}:{name}" for name in _NAMES]
    (installed / "entry_points.txt").write_text(
        "\n".join(["[sidecar.recognizers]", *rows, "broken = no_such_module:x", ""])
    )
