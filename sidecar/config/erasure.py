"""Which systems an erasure is driven through."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from sidecar.config.scalars import Name, Section


class HttpSuccessConfig(Section):
    """What an answer must look like to count."""

    status: Annotated[tuple[int, ...], Field(min_length=1)] = (200, 202, 204)
    pointer: str | None = None
    at_least: int | None = None
    equals: Any = None


class HttpCallConfig(Section):
    """One templated call to a target."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: str
    body: Any = None
    success: HttpSuccessConfig = HttpSuccessConfig()


class ErasureTargetConfig(Section):
    """A system that personal data must be deleted from, and how one sees that it is gone."""

    name: Name
    type: Literal["http"]
    delete: dict[str, Any]
    verify: dict[str, Any] | None = None


class ErasureConfig(Section):
    """Erasure requests and the systems they are driven through."""

    targets: tuple[ErasureTargetConfig, ...] = ()
