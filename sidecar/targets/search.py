"""OpenSearch and Elasticsearch: delete by query until there are no conflicts left, refresh, count (E25).

Shapes are those of the documented APIs (opensearch.org/docs/latest/api-reference: "Delete by query", "Count"). An
answer of which a shard failed, that timed out, or that says less than it should, is no success.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.criteria import count_at, resolve_pointer
from sidecar.targets.described import Described
from sidecar.targets.search_cluster import ClusterFailed, SearchCluster
from sidecar.targets.search_settings import SearchIndex, SearchMatch, SearchSettings
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values

_log = logging.getLogger("sidecar.targets")
_MOST_RUNS: Final = 10
# Closed indices are not left out in silence: what can't be searched is an error.
_EVERYWHERE: Final = "expand_wildcards=all&ignore_unavailable=false&allow_no_indices=false"
_EXACT_TYPES: Final = frozenset({
    "keyword", "constant_keyword", "wildcard", "long", "integer", "short", "unsigned_long", "version", "flattened",
    "flat_object",
})  # fmt: skip


class SearchTarget(Described[SearchSettings]):
    """Implements ``Target``. ``headers`` hold secrets; ``where`` is the place in the configuration."""

    def __init__(
        self,
        settings: SearchSettings,
        headers: Mapping[str, str],
        where: str,
        tls: ssl.SSLContext | Literal[True] = True,
    ) -> None:
        super().__init__(settings)
        self._where = where
        self._cluster = SearchCluster(settings.url, headers, tls, settings.timeout_seconds, settings.concurrency)
        self._checked = False

    async def start(self) -> None:
        await self._cluster.start()
        try:
            await self._check()
        except ClusterFailed as failed:
            if failed.status is not None and failed.status < 500:
                await self._cluster.stop()
                message = f"the cluster can't be used ({failed.fault.value}, HTTP {failed.status})"
                remedy = "Check url, credentials, and the rights to delete by query, refresh, search and read mappings"
                raise ConfigError((Problem(self._where, message, remedy),)) from None
            fault = failed.fault.value
            _log.warning("target %s is %s: its configuration is checked before its first call", self.name, fault)
        except ConfigError:
            await self._cluster.stop()
            raise

    async def stop(self) -> None:
        await self._cluster.stop()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            if not self._checked:
                await self._check()
            deleted = sum([await self._delete_in(index, values) for index in self._settings.indices])
        except ConfigError:
            return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.MISCONFIGURED)
        except ClusterFailed as failed:
            return DeleteResult(
                DeleteStatus.FAILED, None, failed.status, fault=failed.fault, retry_after=failed.retry_after
            )
        return DeleteResult(DeleteStatus.DELETED if deleted else DeleteStatus.NO_DATA, deleted)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            left = sum([await self._count_in(index, values) for index in self._settings.indices])
        except ClusterFailed as failed:
            return VerifyResult(
                VerifyStatus.FAILED, None, failed.status, fault=failed.fault, retry_after=failed.retry_after
            )
        return VerifyResult(VerifyStatus.PRESENT if left else VerifyStatus.GONE, left)

    async def _delete_in(self, index: SearchIndex, values: Values) -> int:
        deleted = 0
        for _ in range(_MOST_RUNS):
            options = f"conflicts=proceed&refresh=true&wait_for_completion=true&{_EVERYWHERE}"
            body = await self._ask("POST", index, f"_delete_by_query?{options}", {"query": _query(index, values)})
            here, conflicts = count_at(body, "/deleted"), count_at(body, "/version_conflicts")
            if here is None or conflicts is None or count_at(body, "/failures"):
                raise ClusterFailed(TargetFault.UNEXPECTED_BODY, 200)
            deleted += here
            if not conflicts and resolve_pointer(body, "/timed_out") is False:
                if deleted and self._settings.expunge == "at_once":
                    await self._ask("POST", index, "_forcemerge?only_expunge_deletes=true")
                return deleted
        raise ClusterFailed(TargetFault.BUSY, 200)

    async def _count_in(self, index: SearchIndex, values: Values) -> int:
        """Refresh, so that nothing is overlooked that was written just now; then count in two ways."""
        query = {"query": _query(index, values)}
        _without_failures(await self._ask("POST", index, f"_refresh?{_EVERYWHERE}"))
        counted = _whole(await self._ask("POST", index, f"_count?{_EVERYWHERE}", query))
        searched = {**query, "size": 0, "track_total_hits": True}
        found = _whole(await self._ask("POST", index, f"_search?{_EVERYWHERE}", searched))
        counts = (count_at(counted, "/count"), count_at(found, "/hits/total/value"))
        if None in counts or resolve_pointer(found, "/timed_out") is not False:
            raise ClusterFailed(TargetFault.UNEXPECTED_BODY, 200)
        return max(count or 0 for count in counts)

    async def _check(self) -> None:
        problems: list[Problem] = []
        for place, index in enumerate(self._settings.indices):
            for number, match in enumerate(index.match):
                body = await self._ask("GET", index, f"_mapping/field/{quote(match.field)}?{_EVERYWHERE}")
                message = _unsuitable(body, match)
                if message is not None:
                    where = f"{self._where}.indices[{place}].match[{number}].field"
                    remedy = "Name a keyword (often <field>.keyword), or use query: match_phrase for text"
                    problems.append(Problem(where, message, remedy))
        if problems:
            raise ConfigError(tuple(problems))
        self._checked = True

    async def _ask(self, method: str, index: SearchIndex, rest: str, body: object = None) -> object:
        return await self._cluster.ask(method, f"{quote(index.index, safe='*')}/{rest}", body)


def _query(index: SearchIndex, values: Values) -> dict[str, Any]:
    wanted = [{one.query: {one.field: one.value.fill(values)}} for one in index.match]
    return {"bool": {"should": wanted, "minimum_should_match": 1}}


def _without_failures(body: object) -> object:
    """Return an answer in which no shard failed. Copies that are nowhere (of a single node) are no failure."""
    if count_at(body, "/_shards/failed") != 0:
        raise ClusterFailed(TargetFault.UNEXPECTED_BODY, 200)
    return body


def _whole(body: object) -> object:
    """Return an answer in which every shard had its say. One that is nowhere has not, and is no failure either."""
    total = count_at(body, "/_shards/total")
    if total is None or count_at(body, "/_shards/successful") != total:
        raise ClusterFailed(TargetFault.UNEXPECTED_BODY, 200)
    return _without_failures(body)


def _unsuitable(body: object, match: SearchMatch) -> str | None:
    """Return why a field can't be asked, by its mapping in every index; None if it can."""
    if not isinstance(body, dict) or not body:
        return "is in no index"
    for found in body.values():
        fields = resolve_pointer(found, f"/mappings/{match.field}/mapping")
        kinds = {str(one.get("type")) for one in fields.values()} if isinstance(fields, dict) else set()
        if not kinds:
            return f"{match.field} is not in every index"
        if match.query == "term" and not kinds <= _EXACT_TYPES:
            return f"{match.field} is of type {', '.join(sorted(kinds))}, which no term matches"
    return None
