"""In which round it was last told that work on a request has begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("erasure_requests", sa.Column("begun_round", sa.Integer(), nullable=False, server_default="0"))
    # Nobody is told now that work began weeks ago.
    op.execute(
        "UPDATE erasure_requests SET begun_round = round WHERE EXISTS"
        " (SELECT 1 FROM erasure_tasks WHERE request_id = erasure_requests.id AND outcome <> 'pending')"
    )
