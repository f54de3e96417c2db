"""What the image is made of, read from the Dockerfile. The image itself is built where there is Docker."""

from __future__ import annotations

import json
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


def _instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


INSTRUCTIONS = _instructions()
LAST_FROM = max(index for index, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM")
FINAL = INSTRUCTIONS[LAST_FROM:]


def _final(name: str) -> list[str]:
    return [rest for one, rest in FINAL if one == name]


def test_the_process_is_not_root_and_nothing_is_root_after_that() -> None:
    assert _final("USER") == ["10001:10001"]
    after = [name for name, _ in FINAL[[name for name, _ in FINAL].index("USER") + 1 :]]
    assert "RUN" not in after
    assert "COPY" not in after


def test_two_stages_and_no_build_tools_in_the_last() -> None:
    assert sum(name == "FROM" for name, _ in INSTRUCTIONS) == 2
    assert _final("COPY") == ["--from=build /opt/sidecar /opt/sidecar"]
    assert not any("pip" in rest or "apt" in rest for rest in _final("RUN"))


def test_the_base_is_named_by_version() -> None:
    (base,) = [rest for name, rest in INSTRUCTIONS if name == "ARG"]
    assert base == "PYTHON=python:3.13-slim-trixie"  # Debian 13: OpenSSL 3.5
    assert all(rest.startswith("${PYTHON}") for name, rest in INSTRUCTIONS if name == "FROM")


def test_it_runs_without_a_shell_and_without_writing() -> None:
    (entry,), (command,) = _final("ENTRYPOINT"), _final("CMD")
    assert json.loads(entry) == ["/opt/sidecar/bin/sidecar"]
    assert json.loads(command) == ["run", "--config", "/etc/sidecar/config.yaml"]
    assert _final("HEALTHCHECK") == ["NONE"]
    assert any("PYTHONDONTWRITEBYTECODE=1" in rest for rest in _final("ENV"))


def test_only_what_is_named_gets_into_the_build() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {part for name, rest in INSTRUCTIONS[:LAST_FROM] if name == "COPY" for part in rest.split()[:-1]}
    assert copied == allowed == {"LICENSE", "README.md", "pyproject.toml", "sidecar"}
    assert not any(name == "ADD" for name, _ in INSTRUCTIONS)
