"""Which receipts the audit log does not tell of yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "erasure_unrecorded",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("signer", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_unrecorded_request_id"),
        sa.PrimaryKeyConstraint("request_id", "round", "final", name="pk_erasure_unrecorded"),
    )
    op.create_index("ix_erasure_unrecorded_signer", "erasure_unrecorded", ["signer"])
