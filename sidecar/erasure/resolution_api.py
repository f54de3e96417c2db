"""Systems that the sidecar has no way to act on, as a person says that they are dealt with: never as verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.record import Action
from sidecar.erasure.answers import error_response, guarded, not_found, read_body, request_id
from sidecar.erasure.attempt import Clock
from sidecar.erasure.manual_api import parse_word, task_id
from sidecar.stores.erasure_resolutions import (
    Resolution,
    ResolutionGround,
    ResolutionRefused,
    Resolutions,
    ResolvedTask,
)

PATH: Final = "/v1/erasures/{id}/tasks/{task}/resolution"
_READERS: Final = frozenset({Role.PRIVACY_OFFICER, Role.AUDITOR})
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})


@dataclass(frozen=True, slots=True)
class ResolutionParts:
    """What the endpoints stand on. ``wake`` tells the worker that a task has ended."""

    store: Resolutions
    wake: Callable[[], None]
    clock: Clock


def resolution_routes(parts: ResolutionParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""

    async def show(request: web.Request, _identity: Identity) -> web.StreamResponse:
        return _answer(request, await parts.store.find(request_id(request), task_id(request)))

    async def resolve(request: web.Request, identity: Identity) -> web.StreamResponse:
        ground, digest = parse_word(await read_body(request), "ground", ResolutionGround)
        said = Resolution(identity.name, ground, digest)
        try:
            task = await parts.store.resolve(request_id(request), task_id(request), said, parts.clock())
        except ResolutionRefused as refused:
            return error_response(HTTPStatus.CONFLICT, "not_taken", str(refused))
        parts.wake()
        return _answer(request, task)

    return (
        AdminRoute("GET", PATH, _READERS, Action.ERASURE_READ, guarded(show)),
        AdminRoute("POST", PATH, _OFFICERS, Action.ERASURE_SUBMIT, guarded(resolve)),
    )


def _answer(request: web.Request, task: ResolvedTask | None) -> web.Response:
    if task is None:
        return not_found("there is no such request, or it has no such task that waits to be resolved")
    request[SUBJECT] = task.subject
    said = task.resolution
    return web.json_response({
        "task": task.id,
        "target": task.target,
        "outcome": task.outcome.value,
        "ground": said.ground.value if said else None,
        "evidence_sha256": said.evidence_sha256 if said else None,
        "who": said.who if said else None,
    })  # fmt: skip
