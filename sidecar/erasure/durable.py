"""Durable state of erasure, as its parts use it: one database, one seal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sidecar.stores.database import Database
from sidecar.stores.erasure_alerts import ErasureAlerts
from sidecar.stores.erasure_endings import ErasureEndings
from sidecar.stores.erasure_holds import ErasureHolds
from sidecar.stores.erasure_journal import ErasureJournal
from sidecar.stores.erasure_notices import ErasureNotices, Teller
from sidecar.stores.erasure_overview import ErasureOverview
from sidecar.stores.erasure_plans import ErasurePlans
from sidecar.stores.erasure_receipt_keys import ReceiptKeys
from sidecar.stores.erasure_tasks import ErasureTasks
from sidecar.stores.erasure_unrecorded import UnrecordedReceipts
from sidecar.stores.erasures import ErasureRequests
from sidecar.stores.seal import Seal


@dataclass(frozen=True, slots=True)
class ErasureStores:
    """The stores, each with what it is about."""

    requests: ErasureRequests
    tasks: ErasureTasks
    plans: ErasurePlans
    endings: ErasureEndings
    notices: ErasureNotices
    alerts: ErasureAlerts
    holds: ErasureHolds
    receipt_keys: ReceiptKeys
    unrecorded: UnrecordedReceipts
    overview: ErasureOverview
    teller: Teller
    journal: ErasureJournal | None = None


def stores_on(
    database: Database,
    seal: Seal,
    second_look: timedelta = timedelta(),
    webhooks: tuple[str, ...] = (),
    journal: ErasureJournal | None = None,
) -> ErasureStores:
    """Return the stores on one database. ``webhooks`` are the names of those who are told of everything."""
    teller = Teller(seal, webhooks)
    return ErasureStores(
        requests=ErasureRequests(database, seal, teller, journal),
        tasks=ErasureTasks(database, seal, journal, teller),
        plans=ErasurePlans(database, seal),
        endings=ErasureEndings(database, teller, second_look, journal),
        notices=ErasureNotices(database, seal),
        alerts=ErasureAlerts(database, teller),
        holds=ErasureHolds(database, seal, teller, journal),
        receipt_keys=ReceiptKeys(database),
        unrecorded=UnrecordedReceipts(database),
        overview=ErasureOverview(database),
        teller=teller,
        journal=journal,
    )
