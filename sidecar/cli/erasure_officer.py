"""``sidecar erasure`` for those who look after requests: overview | cancel | extend | hold | release | task | attest |
resolve | quarantines | open."""

from __future__ import annotations

import argparse
import json
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from sidecar.cli.erasure_calls import DONE, PATH, Act, add_command, connect, path_of, print_json, usage_error
from sidecar.cli.identities import read_identities
from sidecar.erasure.deadlines import ExtensionGround
from sidecar.erasure.hold import HoldGround

_QUARANTINES = "/v1/erasure-quarantines"
_GROUNDS = ("erased_by_hand", "nothing_found", "system_retired", "not_applicable")
_Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_officers(kinds: _Kinds) -> None:
    """Add the commands."""
    add_command(kinds, "overview", _overview, "show how all requests stand together (role operator, too)")
    _add_request(kinds, "cancel", _cancel, "take a request back that was not begun")
    extend = _add_request(kinds, "extend", _extend, "prolong the legal deadline, once, in its first period")
    extend.add_argument("--ground", choices=[one.value for one in ExtensionGround], required=True)
    hold = _add_request(kinds, "hold", _hold, "keep an item of a request for a legal reason")
    hold.add_argument("--ground", choices=[one.value for one in HoldGround], required=True, help="of GDPR Art. 17(3)")
    hold.add_argument("--target", help="(default: at every target)")
    hold.add_argument("--identity", metavar="FILE", type=Path, help="one line type=value; - is standard input")
    hold.add_argument("--until", metavar="RFC3339", help="(default: until it is released)")
    release = _add_request(kinds, "release", _release, "let a hold go: what was kept is erased")
    release.add_argument("hold", metavar="HOLD", help="as it was printed when it was placed")
    task = _add_request(kinds, "task", _task, "show a task for people, with what was said of it")
    task.add_argument("task", metavar="TASK", type=int, help="its number in the request's status")
    attest = _add_request(kinds, "attest", _attest, "say that a task for people was done")
    attest.add_argument("task", metavar="TASK", type=int)
    attest.add_argument("--found", choices=["erased", "no_data"], required=True)
    attest.add_argument("--evidence", metavar="FILE", type=Path, required=True, help="only its SHA-256 is sent")
    resolve = _add_request(kinds, "resolve", _resolve, "say why a system that can't be acted on needs no more")
    resolve.add_argument("task", metavar="TASK", type=int)
    resolve.add_argument("--ground", choices=_GROUNDS, required=True)
    resolve.add_argument("--evidence", metavar="FILE", type=Path, required=True, help="only its SHA-256 is sent")
    add_command(kinds, "quarantines", _quarantines, "list systems that are closed off after a restore")
    reopen = add_command(kinds, "open", _open, "open one of them, whatever is left to be erased again")
    reopen.add_argument("target", metavar="TARGET")


def _add_request(kinds: _Kinds, name: str, act: Act, text: str) -> argparse.ArgumentParser:
    parser = add_command(kinds, name, act, text)
    parser.add_argument("id", metavar="ID")
    return parser


def _overview(args: argparse.Namespace) -> int:
    return _show(args, "GET", PATH)


def _cancel(args: argparse.Namespace) -> int:
    return _show(args, "DELETE", path_of(args))


def _extend(args: argparse.Namespace) -> int:
    return _show(args, "POST", f"{path_of(args)}/extension", {"ground": args.ground})


def _hold(args: argparse.Namespace) -> int:
    fields: dict[str, object] = {"ground": args.ground, "target": args.target, "until": args.until}
    if args.identity is not None:
        people = read_identities(args.identity, "--identity")
        if len(people) != 1:
            raise usage_error("--identity", "holds more than one identity", "Place a hold for each")
        fields["identity"] = {"type": people[0].type.value, "value": people[0].value}
    body = {name: value for name, value in fields.items() if value is not None}
    return _show(args, "POST", f"{path_of(args)}/holds", body)


def _release(args: argparse.Namespace) -> int:
    connect(args).call("DELETE", f"{path_of(args)}/holds/{_quoted(args.hold)}")
    return DONE


def _task(args: argparse.Namespace) -> int:
    return _show(args, "GET", f"{path_of(args)}/tasks/{args.task}/evidence")


def _attest(args: argparse.Namespace) -> int:
    body: dict[str, object] = {"found": args.found, "evidence_sha256": _sha256(args)}
    return _show(args, "POST", f"{path_of(args)}/tasks/{args.task}/evidence", body)


def _resolve(args: argparse.Namespace) -> int:
    body: dict[str, object] = {"ground": args.ground, "evidence_sha256": _sha256(args)}
    return _show(args, "POST", f"{path_of(args)}/tasks/{args.task}/resolution", body)


def _sha256(args: argparse.Namespace) -> str:
    return sha256(args.evidence.read_bytes()).hexdigest()


def _quarantines(args: argparse.Namespace) -> int:
    return _show(args, "GET", _QUARANTINES)


def _open(args: argparse.Namespace) -> int:
    return _show(args, "POST", f"{_QUARANTINES}/{_quoted(args.target)}/release", {})


def _quoted(argument: str) -> str:
    """Return an argument as a part of a path. It may hold bytes that are no text."""
    return quote(argument, safe="", errors="surrogateescape")


def _show(args: argparse.Namespace, method: str, path: str, body: dict[str, object] | None = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    print_json(connect(args).call(method, path, data))
    return DONE
