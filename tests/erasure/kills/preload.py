"""What the process that all lives are forked from does once, so that no life has to: import all that one comes to."""

from __future__ import annotations

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

import boto3.s3.inject  # noqa: F401
from sqlalchemy import make_url

import tests.erasure.kills.systems  # noqa: F401
from tests.erasure.kills.trials import empty_state
from tests.services import MARIADB_URL, POSTGRESQL_URL

with TemporaryDirectory() as folder:
    empty_state(Path(folder))  # imports what migrations need
for url in (MARIADB_URL, POSTGRESQL_URL):
    make_url(url).get_dialect().import_dbapi()
# A collection writes to every object that it looks at, and each life would get a copy of all memory from it.
gc.collect()
gc.freeze()
