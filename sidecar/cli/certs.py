"""``sidecar certs dev DIR``: certificates to try the sidecar with."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from sidecar.access import Role
from sidecar.tls.certificate_files import utc_now
from sidecar.tls.dev_certs import LONGEST_DAYS, DevCertificates, Existing, client_san, make_dev_certificates


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``certs`` and its one kind, ``dev``."""
    certs = commands.add_parser("certs", help="make certificates to try the sidecar with")
    kinds = certs.add_subparsers(dest="kind", required=True)
    dev = kinds.add_parser("dev", help="a CA, a server certificate, and a client certificate for each role")
    dev.add_argument("folder", metavar="DIR", type=Path, help="where the files go")
    dev.add_argument(
        "--name", dest="names", action="append", default=[], help="another host name or address of the server"
    )
    dev.add_argument("--days", type=int, default=30, help=f"how long they are valid, 1 to {LONGEST_DAYS} (default 30)")
    dev.add_argument("--force", action="store_true", help="replace files that are there")
    dev.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the files and say how to use them. ``ConfigError`` is for the caller to print."""
    existing = Existing.REPLACE if args.force else Existing.REFUSE
    made = make_dev_certificates(args.folder, utc_now(), extra_names=args.names, days=args.days, existing=existing)
    print(_usage(made, args.days))
    return 0


def _usage(made: DevCertificates, days: int) -> str:
    certificate, key = (shlex.quote(str(path)) for path in made.client(Role.TRAINER))
    ca = shlex.quote(str(made.ca))
    names = "\n".join(f"  {made.client(role)[0].name:22} {client_san(role)}" for role in Role)
    return (
        f"Made a CA, a server and {len(Role)} client certificates in {made.folder}, valid for {days} days.\n"
        f"For development only: the CA's key was thrown away; make all of them anew when they expire.\n\n"
        f"Client certificates, and the names to give them roles by:\n{names}\n\n"
        f"Call a sidecar that serves server.pem and trusts ca.pem:\n"
        f"  curl --cacert {ca} --cert {certificate} --key {key} https://localhost:8443/"
    )
