"""Turns of requests, and indexes by which due work is found without looking through all open requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

MOMENT = sa.BigInteger
_TASK_INDEXES = (
    ("ready", ["target", "due_at", "id"], "ready"),
    ("leased", ["leased_by"], "leased_by IS NOT NULL"),
    ("retained", ["until_at"], "outcome = 'retained'"),
    ("manual", ["target"], "outcome = 'manual_required'"),
    ("may_resolve", ["request_id"], "outcome = 'capability_unresolved' AND identities != ''"),
)
_REQUEST_INDEXES = (
    ("open", ["received_at"], "ended_at IS NULL"),
    ("planned", ["planned_for", "id"], "ended_at IS NULL"),
    ("forget", ["forget_at"], "sealed IS NOT NULL AND ended_at IS NOT NULL"),
    ("late_at", ["late_at"], "late_at IS NOT NULL"),
    ("alert_at", ["alert_at"], "alert_at IS NOT NULL"),
)


def upgrade() -> None:
    """Open requests are ``planned_for`` nothing that there is, so the next start derives the rest."""
    op.create_table(
        "erasure_turns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("taken_by", sa.String(length=64)),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_turns"),
    )
    op.create_index("ix_erasure_turns_due_at_id", "erasure_turns", ["due_at", "id"])
    _index("erasure_turns", "taken", ["taken_by"], "taken_by IS NOT NULL")
    op.add_column(
        "erasure_requests", sa.Column("planned_for", sa.String(length=64), server_default="nothing", nullable=False)
    )
    op.add_column("erasure_requests", sa.Column("late_at", MOMENT))
    op.add_column("erasure_requests", sa.Column("alert_at", MOMENT))
    op.add_column("erasure_tasks", sa.Column("ready", sa.Boolean(), server_default=sa.false(), nullable=False))
    # What an endless hold keeps is found by its day from now on: each is looked at once, and has none again.
    op.execute(
        "UPDATE erasure_tasks SET until_at = 0 WHERE outcome = 'retained' AND ground IS NOT NULL AND until_at IS NULL"
    )
    op.drop_index("ix_erasure_tasks_target_outcome_due_at", "erasure_tasks")
    op.drop_index("ix_erasure_tasks_outcome", "erasure_tasks")
    op.drop_index("ix_erasure_notices_due_at", "erasure_notices")
    _index("erasure_notices", "to_be_sent", ["due_at"], "delivered_at IS NULL AND abandoned_at IS NULL")
    for name, columns, where in _REQUEST_INDEXES:
        _index("erasure_requests", name, columns, where)
    for name, columns, where in _TASK_INDEXES:
        _index("erasure_tasks", name, columns, where)


def _index(table: str, name: str, columns: list[str], where: str) -> None:
    condition = sa.text("ready = 1" if where == "ready" and op.get_bind().dialect.name == "sqlite" else where)
    op.create_index(f"ix_{table}_{name}", table, columns, postgresql_where=condition, sqlite_where=condition)
