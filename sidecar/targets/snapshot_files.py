"""Lists dumps that lie in a directory. A dump is a file, or a directory as ``pg_basebackup`` makes.

The time is read from the name, which nothing changes by accident; or it is the time of the last modification, which a
copy without its times makes younger than the data are. A name that fits the pattern and holds no time is a fault: it
may be a dump that nobody would wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown
from sidecar.targets.target import TargetFault


@dataclass(frozen=True, slots=True)
class DumpFiles:
    """``pattern`` as of a shell, within ``folder``; ``time_format`` as of strptime for whole names, in UTC."""

    folder: Path
    pattern: str
    time_format: str | None = None


class FileObserver:
    """Implements ``SnapshotObserver`` for a directory."""

    def __init__(self, dumps: DumpFiles) -> None:
        self._dumps = dumps

    async def snapshots(self) -> Sequence[Snapshot]:
        try:
            return await asyncio.to_thread(_listed, self._dumps)
        except OSError:
            raise SnapshotsUnknown(TargetFault.UNREACHABLE) from None
        except ValueError:
            raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY) from None


def _listed(dumps: DumpFiles) -> list[Snapshot]:
    with_rights = list(dumps.folder.iterdir())  # raises where glob would find nothing in a folder that is not there
    return [_snapshot(path, dumps.time_format) for path in with_rights if path.match(dumps.pattern)]


def _snapshot(path: Path, time_format: str | None) -> Snapshot:
    if time_format is None:
        return Snapshot(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    moment = datetime.strptime(path.name, time_format)
    return Snapshot(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))
