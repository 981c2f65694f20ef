# Everything a clone needs, with nothing but python3 (3.11 or later) and make on the machine.
# `make setup` builds .venv from uv.lock; every other target does that first, and again after the lock changed.

PYTHON3 ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin

# uv works in our .venv whatever environment is active, never fetches an interpreter, and trusts whom the machine
# trusts: a company's registry is often behind the company's own certificate, and a bare machine has no store at all.
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt)
UV := env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never UV_HTTP_TIMEOUT=180 \
	$(if $(CERTIFICATES),UV_SYSTEM_CERTS=true) $(BIN)/uv
SYNC := $(UV) sync --frozen --no-progress

DEMO := data/demo
DEMO_SETTINGS := EXPOSURES_LANDING=$(DEMO)/landing EXPOSURES_CATALOG=$(DEMO)/catalog \
	EXPOSURES_WAREHOUSE=$(DEMO)/warehouse.duckdb EXPOSURES_STAGING=$(DEMO)/staging \
	DAGSTER_HOME=$(CURDIR)/$(DEMO)/dagster_home
DAGSTER_HOME ?= $(CURDIR)/data/dagster_home

.PHONY: help setup demo test bench lint types ui screenshots clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 10

setup: .venv/.synced ## build .venv from uv.lock

.venv/.synced: pyproject.toml uv.lock
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python3 is %d.%d; expected 3.11 or later: make PYTHON3=/path/to/python3.11 ..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON3) -m venv .venv
	@test "$$($(BIN)/uv --version 2>/dev/null | cut -d' ' -f2)" = $(UV_VERSION) || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(SYNC)
	@touch $@

.venv/.synced-bench: .venv/.synced
	$(SYNC) --group bench
	@touch $@

demo: setup ## a month of simulated experiments, from raw files to credit, windows, segments and daily quality
	rm -rf $(DEMO)/landing $(DEMO)/catalog $(DEMO)/truth $(DEMO)/features
	$(BIN)/exposure-assets simulate --days 30 --units 2000 --experiments 3 --seed 7 --coenrolling --output $(DEMO)
	$(DEMO_SETTINGS) $(BIN)/exposure-assets backfill
	@$(DEMO_SETTINGS) $(BIN)/python -m exposure_assets.cli.demo_summary $(DEMO)/truth
	@printf '%s\n' '' 'Look further:' \
		'  the graph         $(DEMO_SETTINGS) make ui   # then http://127.0.0.1:3000' \
		'  any table         $(DEMO_SETTINGS) $(BIN)/exposure-assets query "FROM exposure_validation LIMIT 5"' \
		'  what was planted  $(DEMO)/truth/summary.json' \
		'  how messages name their experiment  $(DEMO)/features/*.json'

test: setup ## every test
	$(BIN)/pytest -n auto --dist worksteal

bench: .venv/.synced-bench ## our path against its peers, on the same data
	$(BIN)/python -m benchmarks

lint: setup ## style and format of the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## static types
	$(BIN)/basedpyright

ui: setup ## Dagster's web page on 127.0.0.1:3000
	$(BIN)/python -c 'import sys, pathlib, resources.dagster_home as home; home.dagster_home(pathlib.Path(sys.argv[1]))' "$(DAGSTER_HOME)"
	DAGSTER_HOME="$(DAGSTER_HOME)" $(BIN)/dagster dev --host 127.0.0.1 --workspace workspace.yaml

screenshots: setup ## pictures of Dagster's page for the README (needs chromium)
	$(BIN)/python -m docs.screenshots.take

clean: ## remove what was built; data/ stays
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
