"""Clocks, extensions, cancellation, second looks, holds, interim receipts and notices of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.BigInteger


def upgrade() -> None:
    _widen_requests()
    _widen_tasks()
    _create_holds()
    _create_notices()
    op.create_table(
        "erasure_interim_receipts",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_interim_receipts_request_id"),
        sa.PrimaryKeyConstraint("request_id", "round", name="pk_erasure_interim_receipts"),
    )


def _widen_requests() -> None:
    for column in (
        sa.Column("origin", sa.String(length=64), server_default="api", nullable=False),
        sa.Column("controller", sa.String(length=64)),
        sa.Column("from_receipt_at", MOMENT),
        sa.Column("clock", sa.String(length=64), server_default="run", nullable=False),
        sa.Column("extended_at", MOMENT),
        sa.Column("extension_ground", sa.String(length=64)),
        sa.Column("unextended_at", MOMENT),
        sa.Column("cancelled_at", MOMENT),
        sa.Column("alerted_percent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("second_look_at", MOMENT),
    ):
        op.add_column("erasure_requests", column)


def _widen_tasks() -> None:
    for column in (
        sa.Column("until_at", MOMENT),
        sa.Column("ground", sa.String(length=64)),
        sa.Column("reference", sa.LargeBinary()),
    ):
        op.add_column("erasure_tasks", column)
    op.add_column("erasure_steps", sa.Column("detail", sa.String(length=64)))
    op.add_column("erasure_steps", sa.Column("parts", sa.Text()))
    op.create_index("ix_erasure_tasks_outcome", "erasure_tasks", ["outcome"])


def _create_holds() -> None:
    op.create_table(
        "erasure_holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=64)),
        sa.Column("identity", sa.Integer()),
        sa.Column("ground", sa.String(length=64), nullable=False),
        sa.Column("until_at", MOMENT),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("released_at", MOMENT),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_holds_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_holds"),
    )
    op.create_index("ix_erasure_holds_request_id", "erasure_holds", ["request_id"])


def _create_notices() -> None:
    op.create_table(
        "erasure_notices",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("receiver", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("delivered_at", MOMENT),
        sa.Column("abandoned_at", MOMENT),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_notices_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_notices"),
    )
    op.create_index("ix_erasure_notices_due_at", "erasure_notices", ["due_at"])
    op.create_table(
        "erasure_callbacks",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed_url", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_callbacks_request_id"),
        sa.PrimaryKeyConstraint("request_id", "number", name="pk_erasure_callbacks"),
    )
