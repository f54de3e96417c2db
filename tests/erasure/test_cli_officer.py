"""What privacy officers do from the command line, against the real endpoints (E10, E30, E31, E34, E39, E50)."""

from __future__ import annotations

import asyncio
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sidecar.access import Role
from sidecar.cli import main
from sidecar.cli.erasure_officer import _GROUNDS
from sidecar.erasure.hold_api import hold_routes
from sidecar.erasure.overview_api import overview_routes
from sidecar.erasure.quarantine_api import quarantine_routes
from sidecar.stores.erasure_resolutions import ResolutionGround
from tests.erasure.test_api import Caller, listening
from tests.erasure.test_manual import desk
from tests.erasure.test_resolutions import stuck
from tests.erasure.world import CANARY, ID, OTHER_ID, body, one_target
from tests.restores.test_restores import restoring


class Line:
    """A command line at one listener."""

    def __init__(self, caller: Caller, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._url, self._folder, self._capsys = caller.url, folder, capsys

    async def run(self, name: str, *arguments: str, role: Role = Role.PRIVACY_OFFICER) -> tuple[int, str, str]:
        token = self._folder / f"{role.value}.token"
        token.write_text(f"token-{role.value}\n")
        door = ["--url", self._url, "--token-file", str(token)]
        code = await asyncio.to_thread(main, ["erasure", name, *arguments, *door])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def shown(self, name: str, *arguments: str) -> Any:
        code, out, err = await self.run(name, *arguments)
        assert (code, err) == (0, "")
        return json.loads(out)


async def test_E10_E31_E34_E50_cancel_extend_hold_release_and_overview(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    async with one_target(tmp_path / "state") as (w, upstream):
        more = (*hold_routes(w.stores.holds, w.worker.wake, w.clock), *overview_routes(w.stores.overview, w.clock))
        async with listening(w, more) as caller:
            line = Line(caller, tmp_path, capsys)
            await w.submit()
            await w.submit(body(OTHER_ID, email="bert@example.org"))
            assert (await line.shown("cancel", OTHER_ID))["state"] == "cancelled"
            extended = await line.shown("extend", ID, "--ground", "complexity")
            assert extended["extension"]["ground"] == "complexity"
            monkeypatch.setattr("sys.stdin", io.StringIO(f"email={CANARY}\n"))
            held = await line.shown("hold", ID, "--ground", "17_3_e", "--target", "crm", "--identity", "-")
            assert held["held"] == ["crm"]
            await w.settle()
            assert upstream.count("DELETE") == 0
            assert await w.outcomes() == {"crm": "retained"}
            assert (await line.run("release", ID, held["hold"])) == (0, "", "")
            await w.settle()
            assert await w.outcomes() == {"crm": "verified_erased"}
            assert (await line.shown("overview"))["states"] == {"gdpr": {"cancelled": 1, "completed": 1}}
            assert "409" in (await line.run("cancel", ID))[2]
            assert "403" in (await line.run("release", ID, held["hold"], role=Role.INTAKE))[2]


async def test_a_hold_is_about_one_identity_which_is_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    async with one_target(tmp_path / "state") as (w, _), listening(w) as caller:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"email={CANARY}\nname=Anna\n"))
        line = Line(caller, tmp_path, capsys)
        code, out, err = await line.run("hold", ID, "--ground", "17_3_e", "--identity", "-")
        assert (code, out) == (2, "")
        assert "more than one" in err
        assert CANARY not in err


async def test_E30_a_task_for_people_is_attested_with_the_hash_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = tmp_path / "scan.pdf"
    evidence.write_bytes(b"shredded")
    (tmp_path / "state").mkdir()
    async with desk(tmp_path / "state", eyes=2) as d:
        line = Line(d.caller, tmp_path, capsys)
        await d.w.settle()
        task = str(d.task)
        assert (await line.shown("task", ID, task))["attestations"] == []
        said = await line.shown("attest", ID, task, "--found", "erased", "--evidence", str(evidence))
        assert [one["evidence_sha256"] for one in said["attestations"]] == [sha256(b"shredded").hexdigest()]
        missing = await line.run("attest", ID, task, "--found", "erased", "--evidence", str(tmp_path / "none"))
        assert (missing[0], missing[1]) == (2, "")


async def test_E29_a_system_that_can_not_be_acted_on_is_resolved_with_the_hash_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = tmp_path / "letter.txt"
    evidence.write_bytes(b"retired in May")
    (tmp_path / "state").mkdir()
    async with stuck(tmp_path / "state") as one:
        line = Line(one.caller, tmp_path, capsys)
        told = ["--ground", "system_retired", "--evidence", str(evidence)]
        said = await line.shown("resolve", ID, str(one.task), *told)
        assert said["outcome"] == "unverified"
        assert sha256(b"retired in May").hexdigest() in json.dumps(said)
        assert all(ground in _GROUNDS for ground in ResolutionGround)
        assert len(_GROUNDS) == len(ResolutionGround)


async def test_E39_a_quarantine_is_listed_and_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.world.clock.advance(days=40)
        await r.world.settle()
        r.database.restore()
        await r.watch()
        async with listening(r.world, quarantine_routes(r.world.epoch_store, r.world.watch)) as caller:
            line = Line(caller, tmp_path, capsys)
            assert [one["target"] for one in (await line.shown("quarantines"))["quarantines"]] == ["crm"]
            for unknown in ("../erp", "erp\udcff"):
                assert "404" in (await line.run("open", unknown))[2]
            assert await line.shown("open", "crm") == {"quarantines": []}
