"""A PostgreSQL cluster of our own, so that its files can be searched byte by byte and it can be put back whole."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from sidecar.demo.setup import free_port
from tests.services import missing

DATABASE = "chat"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster. The server refuses to run as root, so there it runs as the user ``postgres``."""

    programs: Path
    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{DATABASE}"

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, **options)

    def execute(self, *statements: str) -> None:
        """Run each outside any transaction."""
        with self.connect(autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs, as its user."""
        run(self.programs, self.user, [program, *arguments])

    def dump(self, file: Path) -> None:
        """Make a backup of the whole database, as it is made every night."""
        self.run("pg_dump", "--format=custom", f"--file={file}", self.url)

    def restore(self, file: Path) -> None:
        """Put a backup back over the live database."""
        self.run("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={self.url}", str(file))

    def rewrite(self) -> None:
        """Leave nothing in the files of tables but what is in the tables. (Dead rows stay there until then.)"""
        self.execute("VACUUM FULL", "CHECKPOINT")

    def table_bytes(self) -> bytes:
        """Everything in the files of tables, indexes and catalogues. The write-ahead log is not among them."""
        files = sorted(path for path in (self.folder / "base").rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in files)


def run(programs: Path, user: str | None, command: Sequence[str]) -> None:
    subprocess.run(
        [str(programs / command[0]), *command[1:]],
        check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, env={"PATH": os.defpath, "LC_ALL": "C"},
    )  # fmt: skip


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make a cluster on a free port, and leave nothing of it."""
    config = shutil.which("pg_config")
    if config is None:
        missing("PostgreSQL's programs", "pg_config is not on the path")
    found = subprocess.run([str(config), "--bindir"], check=True, capture_output=True, text=True)
    programs = Path(found.stdout.strip())
    if not (programs / "initdb").exists():
        missing("PostgreSQL's programs", f"no initdb in {programs}")
    user = "postgres" if os.geteuid() == 0 else None
    top = Path(tempfile.mkdtemp(prefix="sidecar-cluster-"))
    if user is not None:
        try:
            os.chown(top, pwd.getpwnam(user).pw_uid, -1)
        except KeyError:
            missing("PostgreSQL's programs", "root can't run them, and there is no user postgres")
    try:
        yield from _running(Cluster(programs, top / "data", free_port(0), user))
    finally:
        shutil.rmtree(top)


def _running(cluster: Cluster) -> Iterator[Cluster]:
    data = f"--pgdata={cluster.folder}"
    cluster.run("initdb", data, "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C")
    options = f"-c port={cluster.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    cluster.run("pg_ctl", "start", data, "--wait", f"--log={cluster.folder}/server.log", f"--options={options}")
    try:
        cluster.run("createdb", "--host=127.0.0.1", f"--port={cluster.port}", "--username=postgres", DATABASE)
        yield cluster
    finally:
        cluster.run("pg_ctl", "stop", data, "--wait", "--mode=immediate")
