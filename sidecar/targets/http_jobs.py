"""Deletions that an HTTP system works on by itself: where the job is named, and how one asks for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.targets.criteria import Answer, Criterion, resolve_pointer
from sidecar.targets.target import JobStatus
from sidecar.targets.template import Values

FIELD: Final = "{job}"
_REFERENCE: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~:-]{1,200}")


@dataclass(frozen=True, slots=True)
class JobCall:
    """``reference`` points at the job's name in the answer that took the order. Criteria are looked at in this order;
    any other answer says nothing, and is asked for again (E26)."""

    reference: str
    method: str
    url: str
    done: Criterion
    failed: Criterion | None
    vanished: Criterion | None
    running: Criterion | None
    count: str | None
    timeout_s: float

    def url_of(self, reference: str) -> str:
        return self.url.replace(FIELD, reference)

    def judge(self, answer: Answer) -> JobStatus:
        criteria: Mapping[JobStatus, Criterion | None] = {
            JobStatus.DONE: self.done,
            JobStatus.FAILED: self.failed,
            JobStatus.VANISHED: self.vanished,
            JobStatus.RUNNING: self.running,
        }
        met = (status for status, one in criteria.items() if one is not None and one.met_by(answer))
        return next(met, JobStatus.UNKNOWN)


def reference_in(answer: Answer, pointer: str, values: Values) -> str | None:
    """Return the job's name in an answer; None if there is none that can stand in a URL, or it is the person's own."""
    found = resolve_pointer(answer.body, pointer) if answer.is_json else None
    text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not _REFERENCE.fullmatch(text) or any(value.lower() in text.lower() for value in values.values()):
        return None
    return text
