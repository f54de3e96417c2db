"""Which requests' links each replica's audit log has forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "erasure_links_forgotten",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("log", sa.String(length=128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["erasure_requests.id"], name="fk_erasure_links_forgotten_request_id_erasure_requests"
        ),
        sa.PrimaryKeyConstraint("request_id", "log", name="pk_erasure_links_forgotten"),
    )
    op.create_index("ix_erasure_requests_subject", "erasure_requests", ["subject"])
