"""What every key provider does alike, each with a real counterpart behind a socket (A4, A25, A26)."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sidecar.audit.appender import LogKeys, Pace
from sidecar.audit.keyring import KeyProvider, KeyProviderUnavailable, LocalKeys, WrapContext, Wrapped
from sidecar.audit.log import AuditLog
from sidecar.audit.providers.aws import KmsKeys, KmsSettings
from sidecar.audit.providers.vault import VaultKeys, VaultSettings
from sidecar.audit.recipe import KeyRecipe
from sidecar.errors import AuditUnavailable, KeyMaterialError
from sidecar.keys import MasterKey
from tests.audit.samples import check, intent, keys_of, make_log, read
from tests.audit.transit import TOKEN, Transit

KINDS = ["local", "vault", "aws"]
KEY = bytes(range(32))
PLACE = WrapContext("example.org/audit/pod-0", 3)


@pytest.fixture(scope="module")
def kms() -> Iterator[str]:
    """A KMS that somebody else wrote."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def transit() -> Iterator[Transit]:
    one = Transit()
    yield one
    one.stop()


@pytest.fixture(params=KINDS)
def provider(request: pytest.FixtureRequest) -> KeyProvider:
    match request.param:
        case "vault":
            return vault(request.getfixturevalue("transit").url)
        case "aws":
            request.getfixturevalue("credentials")
            return KmsKeys(aws(request.getfixturevalue("kms")))
    return LocalKeys(MasterKey(bytes(32)))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(name, value)


def vault(url: str, token: str = TOKEN) -> VaultKeys:
    file = Path(mkdtemp()) / "token"
    file.write_text(f"{token}\n")
    return VaultKeys(VaultSettings(url, "audit", file, timeout_seconds=20))


def aws(endpoint: str) -> KmsSettings:
    client = boto3.client("kms", region_name="eu-west-1", endpoint_url=endpoint)
    arn = client.create_key()["KeyMetadata"]["Arn"]
    return KmsSettings(arn, "eu-west-1", endpoint, timeout_seconds=20)


# -- the contract ----------------------------------------------------------------------------------------------------


def test_what_was_wrapped_is_unwrapped_and_shows_nothing(provider: KeyProvider) -> None:
    wrapped = provider.wrap(KEY, PLACE)
    assert wrapped.key_id == provider.key_id
    assert KEY not in wrapped.data
    assert KEY.hex() not in repr((wrapped, provider))
    assert provider.unwrap(wrapped, PLACE) == KEY


def test_the_name_of_a_key_may_stand_in_a_record(provider: KeyProvider) -> None:
    from sidecar.audit.fields import parts_of
    from sidecar.audit.record import Action, Event

    assert parts_of(Event(Action.KEY_ROTATED, wrapping_key=provider.key_id)).facts["wrapping_key"] == provider.key_id


@pytest.mark.parametrize("elsewhere", [replace(PLACE, segment=4), replace(PLACE, log="example.org/audit/pod-1")])
def test_a_wrapped_key_opens_for_its_own_segment_only_a25(provider: KeyProvider, elsewhere: WrapContext) -> None:
    with pytest.raises(KeyMaterialError):
        provider.unwrap(provider.wrap(KEY, PLACE), elsewhere)


def test_a_changed_wrapped_key_is_refused_a25(provider: KeyProvider) -> None:
    wrapped = provider.wrap(KEY, PLACE)
    for bit in range(3):  # in Vault's base64 some of them make no base64 at all
        changed = wrapped.data[:-9] + bytes([wrapped.data[-9] ^ (1 << bit)]) + wrapped.data[-8:]
        with pytest.raises(KeyMaterialError):
            provider.unwrap(Wrapped(wrapped.key_id, changed), PLACE)


def test_a_key_of_another_provider_is_named_a26(provider: KeyProvider) -> None:
    with pytest.raises(KeyMaterialError, match="other:key"):
        provider.unwrap(Wrapped("other:key", b"x" * 60), PLACE)


# -- each its own ----------------------------------------------------------------------------------------------------


def test_a_rotated_key_of_vault_wraps_anew_and_opens_the_old_a26(transit: Transit) -> None:
    keys = vault(transit.url)
    old = keys.wrap(KEY, PLACE)
    transit.rotate()
    new = keys.wrap(KEY, PLACE)
    assert [old.key_id, new.key_id, keys.key_id] == ["vault:transit/audit/v1", *["vault:transit/audit/v2"] * 2]
    assert keys.unwrap(old, PLACE) == keys.unwrap(new, PLACE) == KEY
    transit.oldest = 2  # min_decryption_version: the old one is revoked
    with pytest.raises(KeyMaterialError):
        keys.unwrap(old, PLACE)


def test_a_vault_that_is_sealed_away_or_forbids_may_answer_later(transit: Transit) -> None:
    transit.down = True
    with pytest.raises(KeyProviderUnavailable, match="503"):
        vault(transit.url).wrap(KEY, PLACE)
    transit.down = False
    with pytest.raises(KeyProviderUnavailable, match="403"):
        vault(transit.url, "s.expired").wrap(KEY, PLACE)
    for nowhere in ("http://127.0.0.1:9", "http://vault..example"):
        with pytest.raises(KeyProviderUnavailable, match="reached"):
            vault(nowhere).wrap(KEY, PLACE)


@pytest.mark.parametrize("held", [b"", b" \n", b"s.au\xff", b"s.secret\nsecond line\n", b"s.secret\x00"])
def test_a_token_file_that_holds_no_token_may_hold_one_later_and_is_not_quoted(
    transit: Transit, tmp_path: Path, held: bytes
) -> None:
    """An error that the writing process does not expect ends it, and what ends it is written to its log."""
    token_file = tmp_path / "token"
    token_file.write_bytes(held)
    keys = VaultKeys(replace(vault(transit.url)._settings, token_file=token_file))
    with pytest.raises(KeyProviderUnavailable, match="token") as caught:
        keys.wrap(KEY, PLACE)
    assert "secret" not in str(caught.value)
    assert transit.calls == []
    token_file.write_text(TOKEN)
    assert keys.unwrap(keys.wrap(KEY, PLACE), PLACE) == KEY


@pytest.mark.parametrize("said", [b"[" * 200_000, b"\xff", b'{"data":[]}', b'{"data":{"plaintext":"?"}}'])
def test_an_answer_of_vault_that_nobody_can_read_is_no_answer(transit: Transit, said: bytes) -> None:
    keys = vault(transit.url)
    wrapped = keys.wrap(KEY, PLACE)
    transit.said = said
    with pytest.raises(KeyProviderUnavailable):
        keys.unwrap(wrapped, PLACE)


def test_what_keys_are_made_of_can_be_told_to_another_process_a26(
    transit: Transit, kms: str, credentials: None
) -> None:
    token = Path(mkdtemp()) / "token"
    token.write_text(TOKEN)
    for one in (None, VaultSettings(transit.url, "audit", token), aws(kms)):
        recipe = KeyRecipe("example.org/log", one, MasterKey(bytes(32), 2), (MasterKey(bytes(31) + b"1", 1),))
        here, there = recipe(), pickle.loads(pickle.dumps(recipe))()
        assert there.provider.unwrap(here.provider.wrap(KEY, PLACE), PLACE) == KEY
        assert there.signer.verifier == here.signer.verifier
        assert [one.verifier for one in there.earlier] == [one.verifier for one in here.earlier]


def test_a_kms_key_that_is_disabled_is_gone_and_one_that_is_away_is_not(kms: str, credentials: None) -> None:
    settings = aws(kms)
    keys = KmsKeys(settings)
    wrapped = keys.wrap(KEY, PLACE)
    with pytest.raises(KeyProviderUnavailable, match="reached"):
        KmsKeys(replace(settings, endpoint="http://127.0.0.1:9")).unwrap(wrapped, PLACE)
    missing = settings.key_arn[:-1] + ("0" if settings.key_arn[-1] != "0" else "1")
    with pytest.raises(KeyMaterialError, match="NotFoundException"):
        KmsKeys(replace(settings, key_arn=missing)).wrap(KEY, PLACE)


# -- the log with a provider that goes away --------------------------------------------------------------------------


async def write_until_refused(log: AuditLog) -> int:
    for number in range(100):
        try:
            await log.intend(intent(f"x{number}"))
        except AuditUnavailable:
            return number
    raise AssertionError("it was never refused")


async def test_a_segment_that_no_key_can_be_had_for_refuses_and_recovers_a4(tmp_path: Path, transit: Transit) -> None:
    """The segment may grow to twice its size while the provider is away; beyond that nothing is recorded, or passed."""
    keys = LogKeys(vault(transit.url), keys_of().signer)
    log = make_log(tmp_path / "audit", keys=keys, pace=Pace(segment_records=5))
    await log.start()
    transit.down = True
    written = await write_until_refused(log)
    assert written == 2 * 5 - 1  # the first record tells that the log was opened
    assert not log.healthy
    transit.down = False
    async with asyncio.timeout(60):
        while not log.healthy:  # noqa: ASYNC110 - health is a property, not an event
            await asyncio.sleep(0.01)
    await log.intend(intent("after"))
    await log.stop()
    assert check(tmp_path / "audit", keys).intact
    ids = [one.get("exchange_id") for one in read(tmp_path / "audit", keys)]
    assert [one for one in ids if one] == [*(f"x{number}" for number in range(written)), "after"]


async def test_a_start_without_the_provider_is_refused_a4(tmp_path: Path, transit: Transit) -> None:
    transit.down = True
    log = make_log(tmp_path / "audit", keys=LogKeys(vault(transit.url), keys_of().signer))
    with pytest.raises(AuditUnavailable):
        await log.start()
    assert not log.healthy
    transit.down = False
    await log.start()
    await log.stop()


async def test_a_log_is_brought_under_the_rotated_key_of_vault_a26(tmp_path: Path, transit: Transit) -> None:
    keys = LogKeys(vault(transit.url), keys_of().signer)
    for _ in range(2):
        log = make_log(tmp_path / "audit", keys=keys)
        await log.start()
        await log.intend(intent("x"))
        await log.stop()
        transit.rotate()
    log = make_log(tmp_path / "audit", keys=keys)
    await log.start()
    await log.stop()
    transit.oldest = 3
    assert len([one for one in read(tmp_path / "audit", keys) if one.get("exchange_id")]) == 2
    assert check(tmp_path / "audit", keys).intact
