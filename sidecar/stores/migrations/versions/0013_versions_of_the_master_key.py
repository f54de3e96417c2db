"""Which version of the master key people who were erased are known by, and their keys are named by.

Of erased people that was noted nowhere: their hashes are compared under every master key that is configured, until they
are dropped at the horizon. Names of keys begin with it: ``k1:…``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("erasure_suppressed", sa.Column("key_version", sa.Integer()))
    op.add_column("subject_keys", sa.Column("key_version", sa.Integer(), server_default="1", nullable=False))
    place_of = sa.func.instr if op.get_bind().dialect.name == "sqlite" else sa.func.strpos
    keys = sa.table("subject_keys", sa.column("subject", sa.String()), sa.column("key_version", sa.Integer()))
    digits = sa.func.substr(keys.c.subject, 2, place_of(keys.c.subject, ":", type_=sa.Integer()) - 2)
    op.execute(sa.update(keys).values(key_version=sa.cast(digits, sa.Integer())))
    op.create_index("ix_subject_keys_key_version", "subject_keys", ["key_version"])
