PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-integration lint bench train clean

run: $(VENV)/.installed
	$(BIN)/sidecar demo

test: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest

# Real software in front of and behind the sidecar: installs some 2 GB into .integration on the first run.
test-integration: $(VENV)/.installed-integration
	tests/integration/install.sh
	$(BIN)/python -m pytest -o timeout=600 tests/integration

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.detection

train: $(VENV)/.installed-dev
	$(BIN)/sidecar train

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	touch $@ $(VENV)/.installed-dev $(VENV)/.installed

$(VENV)/.installed-integration: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev,integration]'
	touch $@ $(VENV)/.installed-dev $(VENV)/.installed

clean:
	rm -rf $(VENV) .integration build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
