"""The arrows and sizes of the design, enforced: what may import what, what stays pure, how large a part may grow."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "sidecar").rglob("*.py"))
}

PURE_PREFIXES = ("sidecar.detection", "sidecar.redaction", "sidecar.payloads")
PURE_MODULES = {
    "sidecar.access",
    "sidecar.audit.anchors.anchor",
    "sidecar.audit.anchors.verdict",
    "sidecar.audit.canonical",
    "sidecar.audit.chain",
    "sidecar.audit.export",
    "sidecar.audit.fields",
    "sidecar.audit.merkle",
    "sidecar.audit.note",
    "sidecar.audit.keyfile",
    "sidecar.audit.keyring",
    "sidecar.audit.keytree",
    "sidecar.audit.leaf",
    "sidecar.audit.ranges",
    "sidecar.audit.sealing",
    "sidecar.audit.segment",
    "sidecar.audit.tlog_proof",
    "sidecar.audit.walk",
    "sidecar.audit.query",
    "sidecar.audit.sinks.sink",
    "sidecar.audit.verify",
    "sidecar.audit.record",
    "sidecar.erasure.backoff",
    "sidecar.erasure.deadlines",
    "sidecar.erasure.feasibility",
    "sidecar.erasure.hold",
    "sidecar.erasure.opendsr",
    "sidecar.erasure.epoch",
    "sidecar.erasure.outcomes",
    "sidecar.erasure.plan",
    "sidecar.erasure.processor",
    "sidecar.erasure.reading",
    "sidecar.erasure.receipt",
    "sidecar.erasure.receipt_proof",
    "sidecar.erasure.recognition",
    "sidecar.erasure.request",
    "sidecar.erasure.steps",
    "sidecar.erasure.trigger",
    "sidecar.erasure.webhook",
    "sidecar.errors",
    "sidecar.targets.backup_settings",
    "sidecar.targets.canary_settings",
    "sidecar.targets.plain_form",
    "sidecar.targets.snapshots",
    "sidecar.keys",
    "sidecar.targets.broker_settings",
    "sidecar.targets.byte_search",
    "sidecar.targets.files_settings",
    "sidecar.targets.described",
    "sidecar.targets.form",
    "sidecar.targets.glob",
    "sidecar.targets.http_jobs",
    "sidecar.targets.object_store_settings",
    "sidecar.targets.opendsr_settings",
    "sidecar.targets.redis_settings",
    "sidecar.targets.search_settings",
    "sidecar.targets.sql_settings",
    "sidecar.tls.peer",
}
EDGES_AMONG_PURE = {
    "sidecar.detection",
    "sidecar.detection.executor",
    "sidecar.detection.waiting",
    "sidecar.detection.within",
    "sidecar.detection.worker",
    "sidecar.detection.worker_process",
    "sidecar.detection.ner",
    "sidecar.detection.assembly",
    "sidecar.detection.catalogue_reload",
}
IMPURE_IMPORTS = {"aiohttp", "asyncio", "logging", "os", "socket", "ssl", "subprocess", "threading", "time"}

# Each part and what it may import of the others; `sidecar.errors`, `access`, `disk`, `keys`, `metrics` are open to all.
OPEN = {"sidecar", "sidecar.errors", "sidecar.access", "sidecar.disk", "sidecar.keys", "sidecar.metrics"}
MAY_IMPORT: dict[str, set[str]] = {
    "access": set(),
    "admin": {"audit", "tls"},
    "app": {
        "admin", "audit", "config", "demo", "detection", "erasure", "payloads", "proxy", "redaction",
        "stores", "subject_keys", "targets", "tls", "logs",
    },
    "audit": {"logs"},
    "cli": {"app", "audit", "config", "demo", "detection", "erasure", "redaction", "stores", "tls", "training"},
    "config": {"detection", "erasure", "redaction", "proxy", "targets", "tls"},
    "demo": {"tls"},
    "detection": set(),
    "disk": set(),
    "erasure": {"admin", "audit", "stores", "targets"},
    "errors": set(),
    "keys": set(),
    "logs": set(),
    "metrics": set(),
    "payloads": {"detection"},
    "proxy": {"audit", "detection", "payloads", "redaction", "tls"},
    "redaction": {"detection"},
    "stores": {"erasure", "redaction", "targets"},
    "subject_keys": {"admin", "audit", "erasure", "stores"},
    "targets": {"erasure", "redaction", "stores", "subject_keys"},
    "tls": set(),
    "training": {"detection"},
    "models": set(),
}  # fmt: skip

MAKES_HTTP_ERRORS = {"sidecar.proxy.refusals", "sidecar.erasure.api", "sidecar.admin.guard", "sidecar.demo.chatbot"}
VAGUE_NAMES = {"base", "engine", "factory", "helper", "helpers", "manager", "service", "util", "utils"}
WORD_LISTS = "sidecar.detection.words."
LONGEST_FILE = 300
LONGEST_FUNCTION = 50


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[str]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in SOURCES else node.module


def is_pure(module: str) -> bool:
    if module in EDGES_AMONG_PURE:
        return False
    return module in PURE_MODULES or module.startswith(PURE_PREFIXES)


MODULES = sorted(SOURCES)


@pytest.mark.parametrize("module", [m for m in MODULES if is_pure(m)])
def test_pure_modules_do_no_io(module: str) -> None:
    impure = {name for name in imports_of(module) if name.split(".")[0] in IMPURE_IMPORTS}
    assert not impure, f"{module} is pure, but imports {sorted(impure)}"


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_one_way(module: str) -> None:
    part = part_of(module)
    if module in ("sidecar", "sidecar.__main__"):
        return
    for name in imports_of(module):
        if not name.startswith("sidecar") or name in OPEN or part_of(name) == part:
            continue
        assert part_of(name) in MAY_IMPORT[part], f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_only_app_reads_the_configuration(module: str) -> None:
    if part_of(module) in ("app", "config", "cli"):
        return
    assert not [name for name in imports_of(module) if name.startswith("sidecar.config")]


def test_imports_have_no_cycle() -> None:
    graph = {m: {n for n in imports_of(m) if n in SOURCES and n != m} for m in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for name in graph[module]:
                visit(name, (*trail, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", [m for m in MODULES if m not in MAKES_HTTP_ERRORS])
def test_only_the_border_makes_http_errors(module: str) -> None:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute) and node.attr.startswith("HTTP") and node.attr != "HTTPS":
            assert not (isinstance(node.value, ast.Name) and node.value.id == "web"), f"{module}:{node.lineno}"


def test_everything_that_is_no_code_is_packed_into_the_wheel() -> None:
    package = ROOT / "sidecar"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["sidecar"]
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    there = {path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert not sorted(there - packed)


@pytest.mark.parametrize("module", MODULES)
def test_names_say_what_a_module_is(module: str) -> None:
    assert not VAGUE_NAMES.intersection(module.split("."))


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_stay_small(module: str) -> None:
    lines = SOURCES[module].read_text(encoding="utf-8").count("\n")
    if not module.startswith(WORD_LISTS):  # data in the form of tables, with nothing to follow
        assert lines <= LONGEST_FILE, f"{module} has {lines} lines"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{module}:{node.lineno} {node.name} has {length} lines"


def _swallows_everything(node: ast.AST) -> bool:
    """Whether this is a handler for any exception that does not end by raising it again."""
    if not isinstance(node, ast.ExceptHandler) or isinstance(node.body[-1], ast.Raise):
        return False
    caught = node.type
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def test_one_broad_except_at_the_outer_edge() -> None:
    broad = [module for module in MODULES for node in ast.walk(tree_of(module)) if _swallows_everything(node)]
    assert set(broad) <= {"sidecar.proxy.exchange", "sidecar.admin.guard", "sidecar.detection.worker"}, broad
    assert len(broad) == len(set(broad)), broad
