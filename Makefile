# CountyLake. `make` alone prints this help.
# Needs Python 3.11+, git, make and a package index; nothing is installed outside this folder.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
LAKE    := $(BIN)/countylake
UVBIN   := $(or $(shell command -v uv 2>/dev/null),$(BIN)/uv)
EXTRAS  ?=
export DAGSTER_DISABLE_TELEMETRY := yes
export GX_ANALYTICS_ENABLED := false
export UV_PROJECT_ENVIRONMENT := $(VENV)

.DEFAULT_GOAL := help
.PHONY: help setup run test thorough unit sql house integration e2e check fix dev bench samples fuzz clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(VENV)/.ready ## Install everything into .venv, once

$(VENV)/.ready: pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x "$(UVBIN)" || $(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(UVBIN) sync --frozen --inexact --compile-bytecode --quiet $(EXTRAS)
	@touch $@

run: setup ## Take a day of department files to the city, and show what happened
	@$(LAKE) demo

test: setup ## Run the tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not thorough" tests

thorough: setup ## Run the long campaigns too: every mutation, random histories, kills
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m thorough tests

unit sql house integration e2e: setup ## Run one kind of test
	$(BIN)/python -m pytest tests/$@

check: setup ## Check format, lint and types; writes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fix: setup ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

dev: EXTRAS = --extra ui
dev: setup ## Open the Dagster UI for the county and the city (loopback only)
	$(UVBIN) sync --frozen --inexact --compile-bytecode --quiet --extra ui
	$(LAKE) dev

bench: setup ## Measure against a bare DuckDB script, as ratios
	$(BIN)/python -m tests.bench.run

samples: setup ## Make the sample files again (same bytes)
	$(LAKE) simulate --samples
	$(BIN)/python -m tests.faulty.make

fuzz: setup ## Throw damaged files at the readers (FUZZ_SECONDS, 60); findings go to var/fuzz
	$(BIN)/python -m tests.fuzz.run

clean: ## Remove every site's home and the installed packages
	rm -rf var $(VENV)
