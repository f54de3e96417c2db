"""The one schema of durable state, as it is now. Each store adds its own tables to ``metadata`` in its own module; what
changes there gets a step in ``sidecar.stores.migrations``, by which databases follow.

Table names are listed here, so that two stores can't choose the same one. State holds keyed hashes, numbers and sealed
bytes only: no column of any table ever holds a value that came out of a payload.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Integer, MetaData, Table

PLACEHOLDER_NUMBERS: Final = "placeholder_numbers"
PLACEHOLDER_KEYS: Final = "placeholder_keys"
PLACEHOLDER_ALIASES: Final = "placeholder_aliases"
ERASURE_REQUESTS: Final = "erasure_requests"
ERASURE_TASKS: Final = "erasure_tasks"
ERASURE_TURNS: Final = "erasure_turns"
ERASURE_UNUSED_TYPES: Final = "erasure_unused_types"
ERASURE_STEPS: Final = "erasure_steps"
ERASURE_RECEIPTS: Final = "erasure_receipts"
ERASURE_INTERIM_RECEIPTS: Final = "erasure_interim_receipts"
ERASURE_RECEIPT_KEYS: Final = "erasure_receipt_keys"
ERASURE_UNRECORDED: Final = "erasure_unrecorded"
ERASURE_HOLDS: Final = "erasure_holds"
ERASURE_NOTICES: Final = "erasure_notices"
ERASURE_CALLBACKS: Final = "erasure_callbacks"
ERASURE_EPOCHS: Final = "erasure_epochs"
ERASURE_REDONE: Final = "erasure_redone"
ERASURE_LINKS_FORGOTTEN: Final = "erasure_links_forgotten"
ERASURE_ALLOWANCES: Final = "erasure_allowances"
ERASURE_ATTESTATIONS: Final = "erasure_attestations"
MASTER_KEYS: Final = "master_keys"
SUBJECT_KEYS: Final = "subject_keys"
SUBJECT_KEY_EPOCHS: Final = "subject_key_epochs"
ERASURE_SUPPRESSED: Final = "erasure_suppressed"
ERASURE_SUPPRESSION_KEYS: Final = "erasure_suppression_keys"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True, autoincrement=False))
"""One row, by which programs from before ``migrations`` know that this database is not for them."""
