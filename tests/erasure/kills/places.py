"""Where in the source something is done that outlives the process, by reading it: nothing can be left off a list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

import sidecar

_ROOT: Final = Path(sidecar.__file__).parent
_PARTS: Final = ("erasure", "stores", "subject_keys", "targets")
_OF_OS: Final = frozenset({"fsync", "write", "pwrite", "ftruncate", "rename", "replace", "unlink", "rmdir"})
_OF_PATHS: Final = frozenset({"rename", "unlink", "rmdir"})
_CALLS: Final = frozenset({"_checkpoint"})

_ONE: Final = "one transaction: done or not, and what led to it stands until it is done"
EFFECTS_ELSEWHERE: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "sidecar.stores.erasure_epochs:ErasureEpochs.release": _ONE,
        "sidecar.stores.erasure_holds:ErasureHolds.prolong": _ONE,
        "sidecar.stores.erasure_tasks:ErasureTasks.postpone": _ONE,
        "sidecar.stores.erasure_plans:CatchUp.some": _ONE,
        "sidecar.stores.erasure_resolutions:Resolutions.resolve": _ONE,
        "sidecar.stores.erasure_tasks:ErasureTasks._note_seen": _ONE,
        "sidecar.stores.erasure_tasks:ErasureTasks.spend": _ONE,
        "sidecar.stores.erasure_endings:ErasureEndings.give_back": _ONE,
        "sidecar.stores.erasure_links:ErasureLinks.note": _ONE,
        "sidecar.stores.placeholders:StoredPlaceholders.forget_scope": _ONE,
        "sidecar.stores.master_keys:MasterKeyTable.mistaken": _ONE,
        "sidecar.stores.erasure_unrecorded:UnrecordedReceipts.kept": "it reads alone, and waits for whoever writes",
        "sidecar.stores.erasure_journal:ErasureJournal.recover": "an old database: tests/erasure/test_journal.py",
        "sidecar.stores.journal_file:JournalFile.open": "a torn line: tests/erasure/test_journal.py",
        "sidecar.stores.journal_file:JournalFile._take_back": "a full disk: tests/erasure/test_journal.py",
    }
)
"""Places that no life here comes to, each with the test that kills there, or why nothing can be lost there."""


def places_in_source() -> set[str]:
    """Return ``module:function`` of every place."""
    found: set[str] = set()
    for part in _PARTS:
        for path in (_ROOT / part).rglob("*.py"):
            if "migrations" in path.parts:
                continue  # one transaction, which the first start is killed before
            module = ".".join(("sidecar", *path.relative_to(_ROOT).with_suffix("").parts))
            found |= {f"{module}:{name}" for name in _effects(ast.parse(path.read_text()), "")}
    return found


def _effects(node: ast.AST, within: str, function: str = "") -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not function:
            yield from _effects(child, f"{within}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not function:
            yield from _effects(child, within, f"{within}{child.name}")
        else:
            if function and isinstance(child, ast.Call) and _is_effect(child):
                yield function
            yield from _effects(child, within, function)


def _is_effect(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    name, owner = call.func.attr, ast.unparse(call.func.value)
    if owner == "os":
        return name in _OF_OS
    if name == "run" and owner.endswith("database"):
        return True
    if name == "replace" and len(call.args) == 1 and not call.keywords:
        return True  # of a path; a string's takes two
    return name in _OF_PATHS or name in _CALLS
