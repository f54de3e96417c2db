"""``sidecar erasure`` against the real endpoints, and receipts checked offline."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from sidecar.cli import main
from tests.erasure.test_api import api
from tests.erasure.world import CANARY, ID


async def call(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["erasure", *arguments])


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    found = {}
    for role in ("intake", "privacy_officer", "trainer"):
        file = tmp_path / f"{role}.token"
        file.write_text(f"token-{role}\n")
        found[role] = str(file)
    return found


async def test_E44_E45_from_submission_to_a_checked_receipt(
    tmp_path: Path, tokens: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    people = tmp_path / "person.txt"
    people.write_text(f"email={CANARY}\n\nemail={CANARY}\nname = Anna Canary\n")
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.pem"
    async with api(tmp_path / "state") as (caller, w, upstream):
        door = ["--url", caller.url, "--token-file", tokens["intake"]]
        assert await call("submit", *door, "--id", ID, "--identities", str(people)) == 0
        accepted = json.loads(capsys.readouterr().out)
        assert accepted["state"] == "awaiting_verification"
        assert await call("confirm", *door, ID, "--verified-by", "account_login") == 0
        assert await call("receipt", *door, ID) == 1
        assert "not_ended" in capsys.readouterr().err
        await w.settle()
        assert await call("status", *door, ID) == 0
        status = json.loads(capsys.readouterr().out)
        assert (status["state"], status["unused_identity_types"]) == ("ended_with_exceptions", ["name"])
        assert await call("receipt", *door, ID, "--output", str(receipt)) == 0
        assert await call("keys", *door) == 0
        keys.write_text(capsys.readouterr().out)
        assert await call("replay", *door) == 1
        officer = ["--url", caller.url, "--token-file", tokens["privacy_officer"]]
        assert await call("replay", *officer) == 0
        assert upstream.customers == {}
    capsys.readouterr()
    check = ["verify-receipt", str(receipt), "--public-key", str(keys)]
    assert await call(*check) == 0
    salt = ["--salt", accepted["receipt_salt"]]
    assert await call(*check, *salt, "--identities", str(people)) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("email=bert@example.org\n"))
    assert await call(*check, *salt, "--identities", "-") == 1
    assert "somebody else" in capsys.readouterr().out
    receipt.write_bytes(receipt.read_bytes().replace(b"verified_erased", b"verified_no_data"))
    assert await call(*check) == 1
    assert "changed after signing" in capsys.readouterr().out


async def test_identities_come_from_standard_input_and_are_never_repeated(
    tmp_path: Path, tokens: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    async with api(tmp_path / "state") as (caller, _, _upstream):
        door = ["--url", caller.url, "--token-file", tokens["intake"]]
        for text, code in ((f"email={CANARY}\n", 0), (f"mail={CANARY}\n", 2), (CANARY, 2), ("", 2), ("email=no", 1)):
            monkeypatch.setattr("sys.stdin", io.StringIO(text))
            assert await call("submit", *door) == code
            output = capsys.readouterr()
            assert CANARY not in output.out + output.err
            assert code == 0 or output.err


async def test_a_caller_without_the_role_is_told_so(
    tmp_path: Path, tokens: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir()
    async with api(tmp_path / "state") as (caller, _, _upstream):
        assert await call("status", "--url", caller.url, "--token-file", tokens["trainer"], ID) == 1
        assert "403" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--url", "http://sidecar.example:9443", ID],
        ["status", "--url", "ftp://127.0.0.1", ID],
        ["status", "--url", "http://127.0.0.1:1", "../metrics"],
        ["status", "--url", "http://127.0.0.1:1", "äöü"],
        ["status", "--url", "http://127.0.0.1:1", ""],
        ["status", "--url", "http://127.0.0.1:port", ID],
        ["status", "--url", "http://[::1", ID],
        ["status", "--url", "http://127.0.0.1:99999", ID],
        ["status", "--url", "http://user:password@127.0.0.1:1", ID],
        ["status", "--url", "http://127.0.0.1:1?x=1", ID],
        ["status", "--url", "https://sidecar..internal:9443", ID],
        ["status", "--url", f"https://{'a' * 64}:9443", ID],
        ["status", "--url", "https://sidecar internal:9443", ID],
        ["submit", "--url", "http://127.0.0.1:1", "--identities", __file__, "--id", CANARY],
        ["status", "--url", "http://127.0.0.1:1", "--token-file", "/nowhere", ID],
        ["status", "--url", "https://127.0.0.1:1", "--ca", "/nowhere", ID],
        ["verify-receipt", "/nowhere", "--public-key", "/nowhere"],
        ["verify-receipt", __file__, "--public-key", __file__],
        ["verify-receipt", __file__, "--public-key", __file__, "--salt", "00"],
    ],
)
async def test_what_can_not_be_used_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert await call(*arguments) == 2
    told = capsys.readouterr().err
    assert told
    assert CANARY not in told


async def test_a_sidecar_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert await call("status", "--url", "http://127.0.0.1:1", ID) == 1
    told = capsys.readouterr().err
    assert "unreachable" in told
    assert "--url" in told
