"""Applications get keys, officers allow another one, nobody else does either (E42)."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

from sidecar.access import Role
from sidecar.subject_keys.api import PATH, subject_key_routes
from tests.erasure.test_api import listening
from tests.erasure.world import Clock, world
from tests.subject_keys.test_keeper import keeping

ANNA = json.dumps({"type": "customer_id", "value": "C-1007"}).encode()


async def test_E42_keys_for_applications_and_fences_for_late_writers(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k, world(tmp_path / "erasures.db", [k.target], Clock()) as w:  # noqa: SIM117
        async with listening(w, subject_key_routes(k.keys)) as caller:
            given = await caller.call(Role.KEY_USER, "POST", PATH, ANNA)
            assert given.status == 200
            assert b64decode(given.json["key"]) == await k.keys.key(k.anna)
            assert given.json["subject"] == k.anna.current
            assert given.headers["Cache-Control"] == "no-store"
            assert b"C-1007" not in given.data
            for role in (Role.TRAINER, Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR):
                assert (await caller.call(role, "POST", PATH, ANNA)).status == 403
            await k.keys.destroy(k.anna)
            assert (await caller.call(Role.KEY_USER, "POST", PATH, ANNA)).status == 410
            allow = f"{PATH}/authorisations"
            assert (await caller.call(Role.KEY_USER, "POST", allow, ANNA)).status == 403
            assert (await caller.call(Role.PRIVACY_OFFICER, "POST", allow, ANNA)).json["authorised"] is True
            again = await caller.call(Role.KEY_USER, "POST", PATH, ANNA)
            assert again.status == 200
            assert again.json["key"] != given.json["key"]
            bad = await caller.call(Role.KEY_USER, "POST", PATH, b'{"type": "shoe_size", "value": "C-1007"}')
            assert bad.status == 400
            assert b"C-1007" not in bad.data
    subjects = {getattr(entry, "subject", None) for entry in w.ledger.entries}
    assert k.anna.current in subjects


async def test_E42_an_erasure_destroys_the_key_and_says_so(tmp_path: Path) -> None:
    async with keeping(tmp_path) as k:
        await k.keys.key(k.anna)
        async with world(tmp_path / "erasures.db", [k.target], Clock()) as w:
            identities = [{"type": "customer_id", "value": "C-1007"}]
            fields = {"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "regulation": "gdpr", "verified_by": "login"}
            await w.submit(json.dumps(fields | {"subject": {"identities": identities}}).encode())
            await w.settle()
            assert await w.outcomes() == {"subject-keys": "verified_erased"}
            assert await w.state() == "completed"
