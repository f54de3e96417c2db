"""What a sidecar goes through, as a process that may be killed anywhere: begun again, it goes on where it was.

A life is what operators and callers do, each of whom asks again after a crash. What it has come to is in the database;
the time in a file, because time does not go back when a process dies.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import NullPool, create_engine, select

from sidecar.audit.log import AuditLog
from sidecar.erasure.deadlines import ExtensionGround
from sidecar.erasure.hold import Hold, HoldGround
from sidecar.erasure.notices import NoticeSender, SenderSettings, Webhook
from sidecar.erasure.webhook import WebhookKey
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.redaction.linking import ask_for, scope_key
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_attestations import Attestation, Attestations, Found
from sidecar.stores.erasure_changes import NotExtendable
from sidecar.stores.erasure_tables import holds as holds_table
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.targets.audit_links import AuditLinks
from sidecar.targets.backup import BackupTarget
from sidecar.targets.canary import Canary, FileCanary
from sidecar.targets.canary_sql import SqlCanary
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.snapshot_files import DumpFiles, FileObserver
from sidecar.targets.snapshots import Retention
from sidecar.targets.target import Target
from tests.audit.samples import intent, make_log, outcome
from tests.erasure.kills.guarded import come_back, key_target, keyed, keys_of_people
from tests.erasure.kills.injector import Injector
from tests.erasure.world import CANARY, ID, MASTER, OTHER_ID, START, Clock, World, body, world
from tests.targets.rig import ANNA, BERT

PLACEHOLDER_KEYS: Final = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
AUDIT_KEYS: Final = MASTER.pseudonymizer(Purpose.AUDIT_PSEUDONYM)
SECRET: Final = WebhookKey(shared=b"s" * 32)
SECOND_LOOK: Final = timedelta(days=1)
LOOKED_AT_TWICE: Final = ("whole", "come_back")
DUMPS: Final = "crm-%Y%m%d%H.dump"
RETENTION: Final = Retention(kept=timedelta(days=14), longest_run=timedelta(hours=6))
IDENTITIES: Final = [
    {"type": "email", "value": ANNA.email},
    {"type": "customer_id", "value": ANNA.customer_id},
    {"type": "conversation_id", "value": "c-anna"},
]


@dataclass(frozen=True, slots=True)
class Given:
    """What a process is started with. ``targets``: makes each of the systems to erase from."""

    life: str
    folder: Path
    state: str
    targets: tuple[Callable[[], Target], ...]
    receiver: str = ""
    restorable: str = ""


class KeptClock(Clock):
    """The time, which a crash does not turn back."""

    def __init__(self, file: Path) -> None:
        super().__init__(datetime.fromisoformat(file.read_text()) if file.exists() else START)
        self.file = file

    def move_to(self, at: datetime) -> None:
        if at > self.now:
            self.now = at
            new = self.file.with_suffix(".new")
            new.write_text(at.isoformat())
            new.replace(self.file)


@dataclass
class Living:
    """A sidecar at work."""

    given: Given
    clock: KeptClock
    w: World
    sender: NoticeSender
    placeholders: StoredPlaceholders
    audit: AuditLog
    checkpoint: Callable[[str], None]

    async def work(self) -> None:
        """Do what is due until nothing is, and tell whoever is to be told."""
        await self.w.settle()
        while await self.sender.pass_once():
            pass

    async def submit(self, data: bytes | None = None) -> None:
        await self.w.submit(data or body(subject={"identities": IDENTITIES}))
        self.checkpoint("accepted")

    async def finish(self, hours: int = 100) -> None:
        """Let time pass until the request has ended: what broke off may wait for its turn."""
        for _ in range(hours):
            await self.work()
            if (await self.w.view()).ended_at is not None:
                self.clock.move_to(self.clock() + timedelta(hours=1))
                return await self.work()  # a notice that was being sent is leased until then
            self.clock.move_to(self.clock() + timedelta(hours=1))
        raise AssertionError(await self.w.outcomes())


Life = Callable[[Living], Awaitable[None]]


async def erased(one: Living) -> None:
    """Asked for, erased, looked at, signed."""
    await one.submit()
    await one.finish()


async def whole(one: Living) -> None:
    """From a trainer who reads a chat, by interim receipt, second look and backups, to the end of the horizon."""
    if await one.w.stores.requests.find(ID) is None:
        await read_a_chat(one)
    await one.submit()
    await one.work()
    one.clock.move_to(START + SECOND_LOOK)
    await one.work()
    for dump in (one.given.folder / "dumps").iterdir():
        dump.unlink()
    (one.given.folder / "dumps" / (START + timedelta(days=20)).strftime(DUMPS)).touch()
    one.clock.move_to(START + timedelta(days=20))
    await one.finish()
    one.clock.move_to(START + timedelta(days=90))
    await one.work()


async def changed(one: Living) -> None:
    """Confirmed late, prolonged, held and let go; another one is taken back."""
    await one.submit(body(subject={"identities": IDENTITIES}, verified_by=None))
    await one.submit(body(OTHER_ID, BERT.email, verified_by=None))
    requests, holds = one.w.stores.requests, one.w.stores.holds
    await requests.cancel(OTHER_ID, one.clock())
    await requests.confirm(ID, "document_check", one.clock())
    with suppress(NotExtendable):  # it was, before the crash
        await requests.extend(ID, ExtensionGround.COMPLEXITY, one.clock())
    placed = await one.w.database.read(lambda connection: list(connection.scalars(select(holds_table.c.id))))
    if not placed:
        made = await holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS), one.clock())
        assert made is not None
        placed = [made.id]
    await one.work()
    for hold in placed:
        await holds.release(ID, hold, one.clock())
    await one.finish()


async def restored(one: Living) -> None:
    """Erased; an older copy of the system is put back; noticed, erased again, opened."""
    copied, put_back = one.given.folder / "shop.copy", one.given.folder / "put back"
    live = Path(one.given.restorable.removeprefix("sqlite:///"))
    await one.w.watch.pass_once()
    if not copied.exists():
        shutil.copy(live, copied.with_name("shop.new"))
        copied.with_name("shop.new").rename(copied)
    await erased(one)
    if not put_back.exists():
        shutil.copy(copied, live)
        put_back.touch()
    for _ in range(4):
        await one.w.watch.pass_once()
        await one.finish()
    await one.w.watch.pass_once()
    assert one.w.watch.quarantined == ()


async def replayed(one: Living) -> None:
    """Erased, and by an officer's word once more."""
    await erased(one)
    again = one.given.folder / "again"
    if not again.exists():
        await one.w.stores.tasks.replay(one.clock())
        again.touch()
    await one.finish()


async def by_hand(one: Living) -> None:
    """A task for people, of whom two say that it is done."""
    await one.submit()
    await one.work()
    (task,) = (await one.w.view()).tasks
    store = Attestations(one.w.database, {task.target: 4})
    for who in ("anna.officer", "bert.officer"):
        await store.attest(ID, task.id, Attestation(who, Found.ERASED, "ab" * 32), one.clock())
    await one.finish()


LIVES: Final[Mapping[str, Life]] = {
    "erased": erased, "whole": whole, "changed": changed, "restored": restored, "replayed": replayed,
    "by_hand": by_hand, "come_back": come_back, "keyed": keyed,
}  # fmt: skip


async def read_a_chat(one: Living) -> None:
    """Leave of the person in the sidecar itself what a trainer's reading leaves."""
    ask = ask_for("EMAIL", CANARY, PLACEHOLDER_KEYS)
    await one.placeholders.assign(scope_key("chat 1", PLACEHOLDER_KEYS), [ask], [])
    label = AUDIT_KEYS.label("conversation", "c-anna")
    await one.audit.intend(intent("read"))
    await one.audit.conclude(outcome("read")._replace(conversations=(label,)))


@asynccontextmanager
async def living(given: Given, checkpoint: Callable[[str], None]) -> AsyncIterator[Living]:
    clock, folder, whole_life = KeptClock(given.folder / "time"), given.folder, given.life == "whole"
    audit = make_log(folder / "audit")
    await audit.start()
    own = Database(DatabaseSettings(given.state))
    await own.start()
    placeholders = StoredPlaceholders(own)
    targets = [make() for make in given.targets]
    if given.life == "keyed":
        targets.append(key_target(keys_of_people(folder, own, clock)))
    canaries: dict[str, Canary] = {}
    if given.restorable:
        canaries[targets[0].name] = SqlCanary(create_engine(given.restorable, poolclass=NullPool))
    if whole_life:
        canaries[targets[0].name] = FileCanary(folder / "mark")
        observer = FileObserver(DumpFiles(folder / "dumps", "*.dump", DUMPS))
        targets.append(BackupTarget(f"{targets[0].name}/nightly", observer, RETENTION, Metrics(), clock))
        links = AuditLinks(audit, (AUDIT_KEYS,))
        targets.append(PlaceholderTarget(placeholders, PLACEHOLDER_KEYS, ("EMAIL",), links=links))
    webhooks = {"desk": Webhook("desk", given.receiver, SECRET)} if given.receiver else {}
    async with world(
        given.state, targets, clock, checkpoint=checkpoint, canaries=canaries,
        second_look=SECOND_LOOK if given.life in LOOKED_AT_TWICE else timedelta(), webhooks=tuple(webhooks),
        journal=folder / "journal", audit=audit,
    ) as w:  # fmt: skip
        sender = NoticeSender(
            w.stores.notices, SenderSettings(webhooks), w.metrics, clock, lambda: 0.5, checkpoint
        )  # fmt: skip
        await w.watch.pass_once()
        await w.worker.recover()
        yield Living(given, clock, w, sender, placeholders, audit, checkpoint)
    await own.stop()
    await audit.stop()


async def live(given: Given, checkpoint: Callable[[str], None] = lambda _: None) -> None:
    async with living(given, checkpoint) as one:
        await LIVES[given.life](one)


def process(given: Given, kill_before: int | None, trace: Path | None) -> None:
    """What a process does. It is killed before an effect, or ends by itself; ``trace``: where to say what it did."""
    log = os.open(given.folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stderr.fileno())
    faulthandler.enable()
    injector = Injector(kill_before)
    injector.install()
    asyncio.run(live(given, injector.checkpoint))
    if trace is not None:
        trace.write_text(json.dumps(injector.effects))
