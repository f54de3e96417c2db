"""A folder tree as a target sees it: plain files by their relative paths, and nothing behind links."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from sidecar.disk import sync_folder
from sidecar.targets.byte_search import ByteSearch
from sidecar.targets.glob import Glob, path_expression
from sidecar.targets.rewriting import NotOurs, clear_leftovers, is_leftover
from sidecar.targets.template import Values, ValueUnusable


def walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file with its path relative to the folder. Raises ``NotOurs`` where a link leads elsewhere."""
    for place, folders, names in os.walk(folder, onerror=_raise):
        here = Path(place)
        for name in [*folders, *names]:
            if (here / name).is_symlink():
                raise NotOurs("is a link")
        for name in sorted(names):
            if not is_leftover(name):
                path = here / name
                yield path.relative_to(folder).as_posix(), path


def matching(folder: Path, expression: re.Pattern[str]) -> list[Path]:
    """Return the files whose relative path matches."""
    return [path for relative, path in walk(folder) if expression.fullmatch(relative)]


def expression_of(glob: Glob, values: Values) -> re.Pattern[str]:
    """Return what matches the person's files. Raises ``ValueUnusable`` for what can't be part of one name."""
    for kind in glob.fields:
        if "/" in values[kind] or "\x00" in values[kind] or values[kind] in {".", ".."}:
            raise ValueUnusable(f"the {kind.value} can't be part of a file's name")
    return path_expression((literal, values[kind] if kind else "") for literal, kind in glob.text.parts)


def remove(path: Path, folder: Path, identities: Collection[str]) -> None:
    """Remove a file, and empty folders above it up to the last one that bears one of the identities in its name."""
    path.unlink()
    sync_folder(path.parent)
    above = [place for place in path.parents if place.is_relative_to(folder) and place != folder]
    bearing = [place for place in above if any(identity in place.name for identity in identities)]
    for place in above[: above.index(bearing[-1]) + 1] if bearing else ():
        try:
            place.rmdir()
        except OSError:  # not empty, or not ours to remove: looking again tells
            return
        sync_folder(place.parent)


def remove_empty(folder: Path, bears: Callable[[str], bool]) -> None:
    """Remove folders without files that bear an identity in their name, or lie in one that does.

    Whoever was killed between file and folder left them, and no file leads to them any more.
    """
    for place, _, _ in os.walk(folder, topdown=False):
        path = Path(place)
        if any(bears(part) for part in path.relative_to(folder).parts):
            try:
                path.rmdir()
            except OSError:  # not empty, or not ours to remove: looking again tells
                continue
            sync_folder(path.parent)


def names_found(folder: Path, theirs: ByteSearch) -> int:
    """Return how many files and folders bear an identity in their name."""
    return sum(
        theirs.found_in(name.encode("utf-8", "surrogateescape"))
        for _, folders, names in os.walk(folder, onerror=_raise)
        for name in [*folders, *names]
    )


def leftovers(folder: Path) -> int:
    """Remove what dead writers left in any folder, whose file may be elsewhere by now; return how many live."""
    return sum(
        clear_leftovers(Path(place))
        for place, _, names in os.walk(folder, onerror=_raise)
        if any(is_leftover(name) for name in names)
    )


def _raise(error: OSError) -> None:
    raise error
