"""One call to an OpenSearch or Elasticsearch cluster: an answer that says what it should, or why not. Edge."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from sidecar.targets.http_client import Call, HttpClient, Reply, fault_of
from sidecar.targets.target import TargetFault

_OK: Final = frozenset({200})


class ClusterFailed(Exception):
    """A call that did not do what it should."""

    def __init__(self, fault: TargetFault, status: int | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.status = status
        self.retry_after = retry_after


class SearchCluster:
    """``start`` before use. ``headers`` hold secrets."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | Literal[True] = True,
        timeout_seconds: float = 60.0,
        concurrency: int = 1,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._client = HttpClient(headers, tls, concurrency)

    async def start(self) -> None:
        await self._client.start()

    async def stop(self) -> None:
        await self._client.stop()

    async def ask(self, method: str, path: str, body: object = None) -> object:
        """Return the JSON of an answer 200. ``path`` is percent-encoded. Raises ``ClusterFailed``."""
        data = json.dumps(body).encode("ascii") if body is not None else None
        return _answered(await self._client.send(Call(method, f"{self._url}/{path}", data, self._timeout_seconds)))


def _answered(reply: Reply) -> object:
    if reply.answer is None:
        raise ClusterFailed(reply.fault or TargetFault.UNREACHABLE, retry_after=reply.retry_after)
    answer = reply.answer
    if answer.status == 429:
        raise ClusterFailed(TargetFault.BUSY, 503, reply.retry_after)  # it will take it later: as good as a 503
    if answer.status == 404:
        raise ClusterFailed(TargetFault.MISCONFIGURED, 404)
    if answer.status != 200 or not answer.is_json or answer.is_html:
        raise ClusterFailed(fault_of(answer, _OK), answer.status, reply.retry_after)
    return answer.body
