"""The audit log is part of what the sidecar itself forgets (A22, A24, E48)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from sidecar.audit.log import AuditLog
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.keys import MasterKey, Pseudonymizer, Purpose
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.targets.audit_links import AuditLinks
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.audit.samples import intent, make_log, outcome

OLD, NEW = (MasterKey(bytes([version]) * 32, version).pseudonymizer(Purpose.AUDIT_PSEUDONYM) for version in (1, 2))
ANNA = SubjectIdentity(IdentityType.CONVERSATION_ID, "c-anna")
NOBODY = SubjectIdentity(IdentityType.CONVERSATION_ID, "c-nobody")
MAIL = SubjectIdentity(IdentityType.EMAIL, "anna@example.org")


def _label(key: Pseudonymizer, one: SubjectIdentity) -> str:
    return key.label("conversation", one.value)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = make_log(tmp_path / "audit")
    await log.start()
    for number, key in enumerate((OLD, NEW)):
        await log.intend(intent(f"x{number}"))
        await log.conclude(outcome(f"x{number}")._replace(conversations=(_label(key, ANNA),)))
    yield log
    await log.stop()


def _target(database: Database, log: AuditLog) -> PlaceholderTarget:
    links = AuditLinks(log, (OLD, NEW))
    return PlaceholderTarget(StoredPlaceholders(database), OLD, links=links)


async def test_links_made_with_any_key_are_forgotten_and_looked_for_again_a22_a24_e48(
    database: Database, log: AuditLog
) -> None:
    target = _target(database, log)
    assert (await target.verify([ANNA])).status is VerifyStatus.PRESENT
    deleted = await target.delete([MAIL, ANNA])
    assert (deleted.status, deleted.count) == (DeleteStatus.DELETED, 4)  # both records of both exchanges
    assert (await target.verify([ANNA])).status is VerifyStatus.GONE
    assert (await target.delete([ANNA])).status is DeleteStatus.NO_DATA  # twice is as harmless as once


@pytest.mark.parametrize("identities", [[NOBODY], [MAIL]])
async def test_who_is_in_no_record_leaves_the_log_alone(
    database: Database, log: AuditLog, identities: Sequence[SubjectIdentity]
) -> None:
    size = log.size
    assert (await _target(database, log).delete(identities)).status is DeleteStatus.NO_DATA
    assert log.size == size


async def test_a_log_that_can_not_be_read_or_written_is_a_failure_and_never_gone_e48(
    database: Database, log: AuditLog
) -> None:
    target = _target(database, log)
    await log.stop()
    deleted = await target.delete([ANNA])
    assert (deleted.status, deleted.fault) == (DeleteStatus.FAILED, TargetFault.STORE)
    looked = await target.verify([ANNA])
    assert (looked.status, looked.fault) == (VerifyStatus.FAILED, TargetFault.STORE)
