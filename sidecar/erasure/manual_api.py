"""Tasks for people: what is to be done, until when, and the evidence that it was (E30)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.record import Action
from sidecar.erasure.answers import error_response, guarded, not_found, read_body, request_id
from sidecar.erasure.attempt import Clock
from sidecar.erasure.reading import Problems, RequestInvalid, mapping, parse_json
from sidecar.erasure.receipt import timestamp
from sidecar.stores.erasure_attestations import Attestation, AttestationRefused, Attestations, Found, ManualTask
from sidecar.targets.manual import ManualSettings

_ONE: Final = "/v1/erasures/{id}/tasks/{task}/evidence"
_READERS: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})
Word = TypeVar("Word", bound=StrEnum)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManualParts:
    """What the endpoints stand on. ``wake`` tells the worker that a task has ended."""

    store: Attestations
    settings: Mapping[str, ManualSettings]
    wake: Callable[[], None]
    clock: Clock


def manual_routes(parts: ManualParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""

    async def show(request: web.Request, _identity: Identity) -> web.StreamResponse:
        task = await parts.store.find(request_id(request), task_id(request))
        return _answer(request, parts, task)

    async def attest(request: web.Request, identity: Identity) -> web.StreamResponse:
        said = _parse(await read_body(request), identity.name)
        try:
            task = await parts.store.attest(request_id(request), task_id(request), said, parts.clock())
        except AttestationRefused as refused:
            return error_response(HTTPStatus.CONFLICT, "not_taken", str(refused))
        parts.wake()
        return _answer(request, parts, task)

    return (
        AdminRoute("GET", _ONE, _READERS, Action.ERASURE_READ, guarded(show)),
        AdminRoute("POST", _ONE, _OFFICERS, Action.ERASURE_SUBMIT, guarded(attest)),
    )


def _answer(request: web.Request, parts: ManualParts, task: ManualTask | None) -> web.Response:
    if task is None:
        return not_found("there is no such request, or it has no such task for people")
    request[SUBJECT] = task.subject
    settings = parts.settings[task.target]
    return web.json_response({
        "task": task.id,
        "target": task.target,
        "outcome": task.outcome.value,
        "instructions": settings.instructions,
        "eyes": settings.eyes,
        "due_time": timestamp(task.verified_at + settings.due_after),
        "attestations": [
            {"who": one.who, "found": one.found.value, "evidence_sha256": one.evidence_sha256}
            for one in task.attestations
        ],
    })  # fmt: skip


def _parse(body: bytes, who: str) -> Attestation:
    found, digest = parse_word(body, "found", Found)
    return Attestation(who, found, digest)


def parse_word(body: bytes, key: str, words: type[Word]) -> tuple[Word, str]:
    """Return what a person says, by one of ``words`` under ``key``, and the hash of their evidence."""
    problems = Problems()
    fields = mapping(parse_json(body), "body", ("evidence_sha256", key), problems)
    digest, said = fields.get("evidence_sha256"), fields.get(key)
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        problems.add("evidence_sha256", "is no SHA-256 in lower case", "Give the 64 hex digits of: sha256sum EVIDENCE")
    if not isinstance(said, str) or said not in set(words):
        problems.add(key, "is not known", f"Say one of {', '.join(words)}")
    if problems.found:
        raise RequestInvalid(tuple(problems.found))
    return words(str(said)), str(digest)


def task_id(request: web.Request) -> int:
    """Return the number of the path, or one that no task has."""
    text = request.match_info["task"]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
