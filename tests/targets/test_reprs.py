"""What is made of an identity on the way to a system shows it in no repr: those end up in logs and traces (E5)."""

from __future__ import annotations

import pytest

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.bucket import Keys, Version
from sidecar.targets.files_settings import FieldCompare
from sidecar.targets.http_client import Call, Reply
from sidecar.targets.record_sets import Wanted
from sidecar.targets.redis import _hdel, _hexists, _Part
from sidecar.targets.target import DeleteResult, DeleteStatus, Order

CANARY = "anna.canary@example.org"
ANNA = SubjectIdentity(IdentityType.EMAIL, CANARY)


@pytest.mark.parametrize(
    "made",
    [
        ANNA,
        Order("id", (ANNA,), f"job-{CANARY}"),
        DeleteResult(DeleteStatus.SUBMITTED, reference=CANARY),
        Call("GET", f"https://crm/{CANARY}", CANARY.encode()),
        Reply(headers={"Location": CANARY}, data=CANARY.encode()),
        Keys((f"users/{CANARY}/",), (CANARY,)),
        Version(f"users/{CANARY}/photo.png", "v1", is_marker=False),
        Wanted("/email", CANARY, FieldCompare.EXACT),
        _Part("logins", CANARY, _hdel, _hexists),
        _Part(f"profile:{CANARY}", "x", _hdel, _hexists),
    ],
    ids=lambda made: type(made).__name__,
)
def test_no_repr_shows_an_identity(made: object) -> None:
    assert "canary" not in repr(made)
