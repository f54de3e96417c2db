"""Lists the snapshots of an OpenSearch or Elasticsearch cluster, by its HTTP API.

Every one counts, whatever it came to: a partial one holds people, too. So does one of other indices only, for lists
don't tell of renamed ones. Shapes: "Get snapshot" of both documentations (``GET /_snapshot/<repository>/<names>``).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote

from sidecar.targets.backup_settings import SearchSnapshotSet
from sidecar.targets.search_cluster import ClusterFailed, SearchCluster
from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown
from sidecar.targets.target import TargetFault

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ASKED: Final = "filter_path=snapshots.snapshot,snapshots.start_time_in_millis,total,remaining,next"
"""Without the lists of indices, which can be longer than we read."""


class SearchObserver:
    """Implements ``SnapshotObserver``. ``headers`` hold secrets."""

    def __init__(
        self, settings: SearchSnapshotSet, headers: Mapping[str, str], tls: ssl.SSLContext | Literal[True] = True
    ) -> None:
        self._settings = settings
        self._cluster = SearchCluster(settings.url, headers, tls, settings.timeout_seconds)

    async def snapshots(self) -> Sequence[Snapshot]:
        settings = self._settings
        path = f"_snapshot/{quote(settings.repository, safe='')}/{quote(settings.pattern, safe='*')}"
        await self._cluster.start()
        try:
            body = await self._cluster.ask("GET", f"{path}?ignore_unavailable=false&verbose=true&{_ASKED}")
        except ClusterFailed as failed:
            raise SnapshotsUnknown(failed.fault) from None
        finally:
            await self._cluster.stop()
        return read_snapshots(body)


def read_snapshots(body: object) -> list[Snapshot]:
    """Read an answer. An empty one is ``{}`` here, because what is filtered leaves nothing behind."""
    if not isinstance(body, dict) or body.get("remaining") or body.get("next"):  # the rest may be what matters
        raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY)
    listed = body.get("snapshots", [])
    if not isinstance(listed, list):
        raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY)
    return [_begun(one) for one in listed]


def _begun(one: object) -> Snapshot:
    began = one.get("start_time_in_millis") if isinstance(one, dict) else None
    if isinstance(began, bool) or not isinstance(began, int) or not 0 < began < 2**48:
        raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY)
    return Snapshot(_EPOCH + timedelta(milliseconds=began))
