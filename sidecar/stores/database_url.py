"""What a configuration may call the durable store, and the file that it is made in. Blocks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sidecar.disk import sync_folder
from sidecar.errors import ConfigError, Problem

_URL_REMEDY: Final = "Use sqlite:////var/lib/sidecar/state.db or postgresql+psycopg://user@host/database"


def checked_url(given: str, where: str) -> URL:
    """Return the URL of a database that can be used here. Raises ``ConfigError``."""
    try:
        url = make_url(given)
        port_is_fine = url.port is None or 0 < url.port < 65536
    except (ArgumentError, ValueError):
        port_is_fine = False
    if not port_is_fine:
        raise refused(where, "is not a database URL", _URL_REMEDY)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise refused(where, f"{url.drivername} is not supported", _URL_REMEDY)
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise refused(where, "a database in memory forgets everything at the next start", _URL_REMEDY)
    folder = os.path.dirname(url.database or "") or "."  # noqa: PTH120 - pathlib's look raises where we may not look
    if url.get_backend_name() == "sqlite" and not os.path.isdir(folder):  # noqa: PTH112
        raise refused(where, f"the folder {folder} does not exist", "Create it, or mount a volume there")
    return url


def create_private_file(path: Path, where: str) -> None:
    """Make the database file readable by us alone (WAL and journal inherit its mode), and its name durable."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        sync_folder(path.parent)
    except OSError as error:
        raise refused(
            where,
            f"{path} can't be opened ({error.strerror})",
            "Give the sidecar's user write access to file and folder",
        ) from None


def refused(where: str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(where, message, remedy),))
