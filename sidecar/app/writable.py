"""Whether what the sidecar writes to can be written, before a part of it fails in words of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sidecar.config.model import Config
from sidecar.errors import ConfigError, Problem


def check_writable(config: Config) -> None:
    """Raise ``ConfigError`` for folders that this user may not write to. They are there: that was checked before."""
    problems = tuple(
        Problem(where, f"{folder} can't be written", "Let the sidecar's user write there, or mount it writable.")
        for where, folder in _folders(config)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    )
    if problems:
        raise ConfigError(problems)


def _folders(config: Config) -> Iterator[tuple[str, Path]]:
    folder, erasure = config.audit.folder, config.erasure
    there = os.path.isdir(folder)  # noqa: PTH112 - pathlib raises where the folder above may not be entered
    yield "audit.folder", folder if there else folder.parent
    if erasure.journal is not None:
        yield "erasure.journal", erasure.journal.parent
    if erasure.subject_keys is not None:
        yield "erasure.subject_keys.folder", erasure.subject_keys.folder
