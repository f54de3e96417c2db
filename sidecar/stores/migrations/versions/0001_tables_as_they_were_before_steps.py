"""The tables as they were when steps began. A database that has them already is taken over as it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.BigInteger
_KEPT_BY_STEPS = 2
"""A program from before the steps refuses a database that says this, instead of running on tables it does not know."""


def upgrade() -> None:
    _keep_the_version_here()
    _create_requests()
    _create_tasks()
    _create_placeholders()


def _keep_the_version_here() -> None:
    op.create_table(
        "schema_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_schema_version"),
        if_not_exists=True,
    )
    op.execute("DELETE FROM schema_version")
    op.bulk_insert(sa.table("schema_version", sa.column("version", sa.Integer)), [{"version": _KEPT_BY_STEPS}])


def _create_requests() -> None:
    op.create_table(
        "erasure_requests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("regulation", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("internal_at", MOMENT, nullable=False),
        sa.Column("legal_at", MOMENT, nullable=False),
        sa.Column("overdue_at", MOMENT, nullable=False),
        sa.Column("verified_by", sa.String(length=64), nullable=True),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.Column("accepted_state", sa.String(length=64), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("forget_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_requests"),
        if_not_exists=True,
    )
    op.create_index("ix_erasure_requests_ended_at", "erasure_requests", ["ended_at"], if_not_exists=True)
    op.create_table(
        "erasure_unused_types",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_unused_types_request_id"),
        sa.PrimaryKeyConstraint("request_id", "type", name="pk_erasure_unused_types"),
        if_not_exists=True,
    )
    op.create_table(
        "erasure_receipts",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_receipts_request_id"),
        sa.PrimaryKeyConstraint("request_id", "round", name="pk_erasure_receipts"),
        if_not_exists=True,
    )


def _create_tasks() -> None:
    op.create_table(
        "erasure_tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("identities", sa.String(length=1024), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("claimed", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=True),
        sa.Column("remaining", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("leased_by", sa.String(length=64), nullable=True),
        sa.Column("submitted_at", MOMENT, nullable=True),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["erasure_requests.id"], name="fk_erasure_tasks_request_id"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_tasks"),
        sa.UniqueConstraint("request_id", "target", "identities", name="uq_erasure_tasks_request_id_target_identities"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_erasure_tasks_target_outcome_due_at", "erasure_tasks", ["target", "outcome", "due_at"], if_not_exists=True
    )
    op.create_table(
        "erasure_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("fault", sa.String(length=64), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["erasure_tasks.id"], name="fk_erasure_steps_task_id"),
        sa.PrimaryKeyConstraint("id", name="pk_erasure_steps"),
        if_not_exists=True,
    )
    op.create_index("ix_erasure_steps_task_id", "erasure_steps", ["task_id"], if_not_exists=True)


def _create_placeholders() -> None:
    op.create_table(
        "placeholder_aliases",
        sa.Column("scope", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", "label", "number", name="pk_placeholder_aliases"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_placeholder_aliases_scope_label_number",
        "placeholder_aliases",
        ["scope", "label", "number"],
        if_not_exists=True,
    )
    op.create_table(
        "placeholder_keys",
        sa.Column("scope", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", "label", name="pk_placeholder_keys"),
        if_not_exists=True,
    )
    op.create_index("ix_placeholder_keys_key", "placeholder_keys", ["key"], if_not_exists=True)
    op.create_index(
        "ix_placeholder_keys_scope_label_number", "placeholder_keys", ["scope", "label", "number"], if_not_exists=True
    )
    op.create_table(
        "placeholder_numbers",
        sa.Column("scope", sa.LargeBinary(length=32), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("use", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("scope", "label", "number", name="pk_placeholder_numbers"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_placeholder_numbers_scope_label_use_number",
        "placeholder_numbers",
        ["scope", "label", "use", "number"],
        if_not_exists=True,
    )
