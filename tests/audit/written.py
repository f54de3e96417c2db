"""Logs in a folder for the tests of what reads them, and the verifier that auditors use, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.audit_log import LogFolder
from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.record import Entry
from tests.audit.samples import entries, intent, outcome

VERIFIER = Path(__file__).parents[2] / "docs" / "audit-verifier" / "verify_audit.py"
NOBODY = "k1:" + "0" * 32


def pseudonym(number: int) -> str:
    return f"k1:{number:032x}"


def visits(count: int, people: int = 5) -> list[Entry]:
    """Exchanges that overlap: each intent comes before the outcome of the one before it."""
    made: list[Entry] = []
    for number in range(count):
        made.append(intent(f"x{number}", actor=f"trainer-{number % 3}")._replace(target_pseudonym=NOBODY))
        if number:
            made.append(_ended(number - 1, people))
    return [*made, _ended(count - 1, people)] if count else made


def _ended(number: int, people: int) -> Entry:
    return outcome(f"x{number}")._replace(conversations=(pseudonym(number % people),))


def written(folder: Path, made: Iterable[Entry] | None = None, segment_records: int = 40) -> LogFolder:
    log = LogFolder(folder, segment_records=segment_records, checkpoint_records=10)
    log.write(entries(20) if made is None else made)
    return log


def lookup_of(log: LogFolder) -> AuditLookup:
    lookup = AuditLookup(log.folder, log.keys, AuditIndex(log.folder / INDEX_NAME))
    lookup.catch_up()
    return lookup


def verified(what: str, path: Path, log: LogFolder, *options: object) -> tuple[int, str]:
    """Run the stand-alone verifier with the log's first key; return its exit code and what it said."""
    return _run(what, path, "--key", log.signer.verifier, *options)


def verified_alone(path: Path, *keys: str) -> tuple[int, str]:
    """Run the stand-alone verifier on a log with these keys."""
    return _run("log", path, *(part for key in keys for part in ("--key", key)))


def _run(*arguments: object) -> tuple[int, str]:
    command = [sys.executable, "-I", VERIFIER, *arguments]
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr
