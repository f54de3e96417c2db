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
from typing import IO, Any

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

    def back_up(self, file: Path) -> None:
        """Make a base backup of the whole cluster, write-ahead log included, as it is made every night."""
        with file.open("wb") as tar:
            run(self.programs, self.user, [
                "pg_basebackup", "--host=127.0.0.1", f"--port={self.port}", "--username=postgres", "--format=tar",
                "--wal-method=fetch", "--checkpoint=fast", "--pgdata=-",
            ], stdout=tar)  # fmt: skip

    def restore(self, file: Path) -> None:
        """Put a base backup in the place of the live cluster, files and all."""
        self.stop()
        shutil.rmtree(self.folder)
        with file.open("rb") as tar:
            unpack = ["tar", "--extract", "--one-top-level=data"]
            subprocess.run(unpack, check=True, user=self.user, cwd=self.folder.parent, stdin=tar)
        self.folder.chmod(0o700)
        self.start()

    def start(self) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = f"--log={self.folder.parent}/server.log"
        self.run("pg_ctl", "start", f"--pgdata={self.folder}", "--wait", log, f"--options={options}")

    def stop(self) -> None:
        self.run("pg_ctl", "stop", f"--pgdata={self.folder}", "--wait", "--mode=immediate")

    def rewrite(self) -> None:
        """Leave nothing in the files of tables but what is in the tables. (Dead rows stay there until then.)"""
        self.execute("VACUUM FULL", "CHECKPOINT")

    def table_bytes(self) -> bytes:
        """Everything in the files of tables, indexes and catalogues. The write-ahead log is not among them."""
        files = sorted(path for path in (self.folder / "base").rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in files)


def run(programs: Path, user: str | None, command: Sequence[str], stdout: int | IO[bytes] = subprocess.DEVNULL) -> None:
    subprocess.run(
        [str(programs / command[0]), *command[1:]],
        check=True, user=user, cwd="/", stdout=stdout, env={"PATH": os.defpath, "LC_ALL": "C"},
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
    cluster.start()
    try:
        cluster.run("createdb", "--host=127.0.0.1", f"--port={cluster.port}", "--username=postgres", DATABASE)
        yield cluster
    finally:
        cluster.stop()
