"""``sidecar evaluate FILE…``: the measures of detection on labelled files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sidecar.app.offline import offline_of
from sidecar.detection.assembly import build_detector
from sidecar.detection.detector import Detector
from sidecar.detection.entity_types import DEFAULT_TYPES, ENTITY_TYPES
from sidecar.errors import ConfigError, Problem
from sidecar.redaction.policy import Operator, Policy
from sidecar.training.evaluate import Parts, as_json, as_table, evaluate, make_detector

_FORMAT = (
    'Files are JSON lines: {"text", "speaker", "context": [{"speaker", "text"}], "spans": [{"start", "end", "label"}], '
    '"ignore": [[start, end]], "source"}. Measures and slices: docs/detection.md.'
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``evaluate``."""
    parser = commands.add_parser("evaluate", help="measure detection on labelled messages", epilog=_FORMAT)
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="JSON lines, or a folder of *.jsonl")
    parser.add_argument(
        "--model", metavar="DIR", type=Path, help="a pipeline that 'sidecar train' wrote (default: the shipped one)"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--only-model", dest="parts", action="store_const", const=Parts.ONLY_MODEL, help="leave the rules out"
    )
    only.add_argument(
        "--only-rules", dest="parts", action="store_const", const=Parts.ONLY_RULES, help="leave the model out"
    )
    parser.add_argument(
        "--types", metavar="A,B", help="the types that the policy redacts (default: the shipped policy)"
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="measure what this configuration detects, and what it redacts of it"
    )
    parser.add_argument("--policy", metavar="NAME", default="default", help="of the configuration (default: default)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, parts=Parts.ALL)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.config is None:
        if args.policy != "default":
            raise ConfigError((Problem("--policy", "is a configuration's", "Give --config as well"),))
        detector, redacted = make_detector(args.model, args.parts), DEFAULT_TYPES
    else:
        detector, redacted = _configured(args)
    report = evaluate(detector, args.files, redacted if args.types is None else _types(args.types))
    print(json.dumps(as_json(report), indent=2) if args.json else as_table(report))
    return 0


def _configured(args: argparse.Namespace) -> tuple[Detector, frozenset[str]]:
    if args.model is not None or args.parts is not Parts.ALL:
        raise ConfigError((Problem("--config", "names the parts itself", "Leave --model and --only-… out"),))
    settings = offline_of(args.config, args.policy)
    return build_detector(settings.detector), _redacted_by(settings.policy)


def _redacted_by(policy: Policy) -> frozenset[str]:
    return frozenset(label for label in ENTITY_TYPES if policy.for_type(label).operator is not Operator.KEEP)


def _types(given: str) -> frozenset[str]:
    types = frozenset(given.split(","))
    unknown = sorted(types - frozenset(ENTITY_TYPES))
    if unknown:
        remedy = f"Use some of {', '.join(ENTITY_TYPES)}"
        raise ConfigError((Problem("--types", f"knows no {', '.join(unknown)}", remedy),))
    return types
