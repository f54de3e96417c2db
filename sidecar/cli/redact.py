"""``sidecar redact``: JSON lines in, redacted JSON lines out, one for one and in order.

Each line is a conversation of its own: its placeholders count from 1. Nothing is stored. A line that can't be redacted
gives ``{"error": …}``, which quotes nothing of it, so that what reads the output never takes a failure for a text.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Final

from sidecar.app.offline import Offline, offline_of
from sidecar.cli.json_lines import BadLine, read_lines, to_message
from sidecar.detection.assembly import CatalogueFile, DetectorSettings, build_detector
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.detection.worker import AnyDetector
from sidecar.errors import ConfigError, DetectionFailed, Problem
from sidecar.keys import MASTER_BYTES, MasterKey, Purpose
from sidecar.redaction.policy import Policy
from sidecar.redaction.replacer import Redacted, Replacer
from sidecar.stores.placeholders import MemoryPlaceholders

DONE: Final = 0
USAGE: Final = 2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "redact",
        help="redact JSON lines from standard input",
        description='A line in: {"text", "speaker"?, "context"?: [{"speaker", "text"}], "known"?: {TYPE: [value]}}. '
        'A line out: {"text", "spans": [{"start", "end", "label", "score", "recognizer"}]}, or {"error"}.',
    )
    parser.add_argument("--model", type=Path, help="folder that 'sidecar train' wrote (default: the shipped one)")
    parser.add_argument("--catalogue", type=Path, help="product catalogue, CSV or JSON")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="detect and redact as 'sidecar run' would; no state file is touched"
    )
    parser.add_argument("--policy", metavar="NAME", default="default", help="of the configuration (default: default)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    settings = _settings(args)
    detector = build_detector(settings.detector)
    lines = redact_lines(detector, sys.stdin.buffer, sys.stdout.buffer, settings.policy, settings.master)
    return asyncio.run(lines)


def _settings(args: argparse.Namespace) -> Offline:
    if args.config is not None:
        if args.model or args.catalogue:
            raise ConfigError((Problem("--config", "names model and catalogue itself", "Leave the other options out"),))
        return offline_of(args.config, args.policy)
    if args.policy != "default":
        raise ConfigError((Problem("--policy", "is a configuration's", "Give --config as well"),))
    catalogue = CatalogueFile(args.catalogue) if args.catalogue else None
    return Offline(DetectorSettings(model=args.model, catalogue=catalogue), Policy(), _any_key())


def _any_key() -> MasterKey:
    return MasterKey(secrets.token_bytes(MASTER_BYTES))


async def redact_lines(
    detector: AnyDetector,
    source: BinaryIO,
    sink: BinaryIO,
    policy: Policy | None = None,
    master: MasterKey | None = None,
) -> int:
    """Redact every line of ``source``; return the exit code: 2 if any line could not be redacted.

    Without a key, hashes and surrogates differ from run to run.
    """
    master = master or _any_key()
    policy = policy or Policy()
    keys = (master.pseudonymizer(Purpose.PLACEHOLDER), master.pseudonymizer(Purpose.OPERATOR))
    number = failures = 0
    for lines in read_lines(source):
        replacer = Replacer(MemoryPlaceholders(), *keys)
        contents = [to_message(line) for line in lines]
        found = iter(_detected(detector, [content for content in contents if isinstance(content, Message)]))
        for content in contents:
            number += 1
            answer = (
                await _answer(content, next(found), replacer, str(number), policy)
                if isinstance(content, Message)
                else content
            )
            if isinstance(answer, BadLine):
                failures += 1
                print(f"line {number}: {answer}", file=sys.stderr, flush=True)
            sink.write(json.dumps(_output(answer)).encode("ascii") + b"\n")
        sink.flush()
    return USAGE if failures else DONE


def _detected(detector: AnyDetector, messages: Sequence[Message]) -> list[tuple[Span, ...] | BadLine]:
    """Detect in one batch; if that fails, one by one, so that only the lines at fault go without."""
    try:
        return [*detector.detect(messages)]
    except DetectionFailed as failure:
        if len(messages) == 1:
            return [BadLine(f"can't be scanned ({failure})", "Report the defect, without the text")]
    return [answer for message in messages for answer in _detected(detector, [message])]


async def _answer(
    message: Message, found: tuple[Span, ...] | BadLine, replacer: Replacer, scope: str, policy: Policy
) -> Redacted | BadLine:
    if isinstance(found, BadLine):
        return found
    return (await replacer.replace(scope, [message], [found], policy))[0]


def _output(answer: Redacted | BadLine) -> dict[str, object]:
    if isinstance(answer, BadLine):
        return {"error": str(answer)}
    return {"text": answer.text, "spans": [asdict(span) for span in answer.spans]}
