"""A system that only people can delete from: each request makes a task for them, which waits for evidence (E30)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.described import Described
from sidecar.targets.form import TargetForm
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    VerifyResult,
    VerifyStatus,
)


class ManualSettings(TargetForm):
    """``instructions`` are shown with the task. ``eyes``: with 4, a second person must confirm, and only then is the
    task verified; with 2 it ends as unverified, for nobody has looked again. Days count from the verified request."""

    type: Literal["manual"]
    instructions: Annotated[str, Field(min_length=1, max_length=2000)]
    eyes: Literal[2, 4] = 4
    due_days: Annotated[float, Field(gt=0, le=90)] = 7.0
    remind_days_before: Annotated[float, Field(ge=0, le=90)] = 2.0

    @model_validator(mode="after")
    def _reminded_before(self) -> ManualSettings:
        if self.remind_days_before >= self.due_days:
            raise ValueError("remind_days_before must be less than due_days")
        return self

    @property
    def required(self) -> frozenset[IdentityType]:
        return frozenset()

    @property
    def max_completion(self) -> timedelta:
        return self.due_after

    @property
    def due_after(self) -> timedelta:
        return timedelta(days=self.due_days)

    @property
    def remind_after(self) -> timedelta:
        return timedelta(days=self.due_days - self.remind_days_before)


class ManualTarget(Described[ManualSettings]):
    """Implements ``Target``: it asks for people, for every identity of a request at once."""

    @property
    def settings(self) -> ManualSettings:
        return self._settings

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:  # noqa: ARG002
        return DeleteResult(DeleteStatus.MANUAL)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:  # noqa: ARG002
        return VerifyResult(VerifyStatus.IMPOSSIBLE)
