"""Epochs of systems that can go back in time, and what a quarantine waits for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "erasure_epochs",
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("writing", sa.Integer()),
        sa.Column("quarantined_at", sa.BigInteger()),
        sa.Column("reason", sa.String(length=64)),
        sa.Column("beyond_horizon", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("target", name="pk_erasure_epochs"),
    )
    op.create_table(
        "erasure_redone",
        sa.Column("task_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["erasure_tasks.id"], name="fk_erasure_redone_task_id"),
        sa.PrimaryKeyConstraint("task_id", name="pk_erasure_redone"),
    )
    op.create_index("ix_erasure_redone_target", "erasure_redone", ["target"])
