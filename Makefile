.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1|/' | column -t -s '|'

setup: $(STAMP) ## create .venv with the locked dependencies; does nothing when they are up to date

$(STAMP): requirements.lock setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: $(STAMP) ## start everything and print a first payment to paste; Ctrl-C stops it
	@exec $(BIN)/daybook run

test: $(STAMP) ## run the tests against a real PostgreSQL
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q -n 2

test-long: $(STAMP) ## run the long forms of the tests, on the disk and one by one
	DAYBOOK_TEST_DIRECTORY=$${TMPDIR:-/tmp} $(BIN)/pytest -q -m long

check: $(STAMP) ## style, types, the direction of imports, tidiness
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/architecture

bench: $(STAMP) ## measure all, or ONLY=subject; writes tables and build/bench/*.json
	$(BIN)/python -m tests.benchmarks $(ONLY)

docs: $(STAMP) ## write docs/reference again from the code
	$(BIN)/python -m daybook.reference

lock: $(STAMP) ## write requirements.lock again from setup.cfg
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile -q --generate-hashes --allow-unsafe --extra dev --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.lock setup.cfg

clean: ## remove what make and the checks produced; the books under .daybook stay
	rm -rf .venv build dist *.egg-info .hypothesis .import_linter_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup run test test-long check bench docs lock clean
