"""Keyed hashes of erased people's identifiers, that traffic is compared with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "erasure_suppressed",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("looked_again_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_suppressed_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_erasure_suppressed"),
    )
    op.create_table(
        "erasure_suppression_keys",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_suppression_keys_request_id"),
        sa.PrimaryKeyConstraint("request_id", "key", name="pk_erasure_suppression_keys"),
    )
