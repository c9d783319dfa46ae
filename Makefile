# What people and CI run here. `make` alone lists the targets.
PYTHON ?= python3
UV := $(or $(shell command -v uv),.cache/uv/bin/uv)
BIN := .venv/bin
# Spark comes along where tests may not be skipped.
GROUPS := $(if $(filter 1,$(DATIVO_REQUIRE_SERVICES)),--group spark)
# Whatever the machine says, byte code is kept: tests and benchmarks start hundreds of processes, and without it each of
# them compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=
# For tests that make thousands of small tables: they wait for the disk more than for anything else.
IN_MEMORY := $(if $(wildcard /dev/shm/.),TMPDIR=/dev/shm)

.PHONY: help setup demo demo-nessie services image example-secrets format schemas screenshots clean \
  check test test-image test-kill test-nessie test-resume test-laws test-histories test-serve \
  bench-csv bench-merge bench-rest bench-start bench-orchestrated bench-image

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(UV) ## Install everything that developing needs into .venv
	@$(UV) sync --frozen --quiet $(GROUPS)

demo: $(UV) ## Load Seattle's weather into an Iceberg table and show it
	@$(UV) sync --frozen --quiet --no-dev --inexact
	@$(BIN)/python tools/demo.py

demo-nessie: setup ## The same on Nessie and S3, started for the demo: what is on which branch
	@$(BIN)/python -m tools.demo_nessie

services: setup ## Start servers to try things with, until interrupted: make services NAMES="nessie" HOST=172.17.0.1
	@$(BIN)/python -m tools.services $(or $(NAMES),nessie) $(if $(HOST),--host $(HOST))

check: setup ## Lint, formatting, types, import direction, lock file, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(UV) lock --check
	$(BIN)/pytest -q -n 2 tests/docs

test: setup ## Every test that this machine can run
	$(BIN)/pytest -n 2 --dist loadgroup

test-kill: setup ## Half a thousand kills and more, each followed by a run again; writes a report
	DATIVO_KILLS=500 DATIVO_CHAOS_REPORTS=.cache/reports $(BIN)/pytest -q -n 2 --dist worksteal tests/chaos

test-nessie: setup ## Nessie for an hour: each fault at each request, a hundred kills, two hundred commits of ten writers; a report
	DATIVO_KILLS=100 DATIVO_CHAOS_REPORTS=.cache/reports $(BIN)/pytest -q -n 2 --dist worksteal --timeout 0 \
	  tests/nessie packages/dativo-engine/tests/conformance/test_nessie_*.py

test-resume: setup ## Twenty million rows with checkpoints, killed at 60 %: what is read again, and what is seen
	DATIVO_RESUME_ROWS=20000000 $(BIN)/pytest -q --timeout 0 tests/chaos/test_resume.py

test-laws: setup ## The laws of enforcement, merge, chunking and interleaving, on 10,000 examples and more; a report of how many
	$(IN_MEMORY) DATIVO_EXAMPLES=10000 DATIVO_LAW_REPORTS=.cache/reports $(BIN)/pytest -q -n 2 --dist worksteal --timeout 0 \
	  -k "laws or any_" $(addprefix packages/dativo-engine/tests/,contracts/test_laws.py commits/test_merge.py \
	  commits/test_maintain.py commits/test_interleaving.py runs/test_rechunking.py)

test-histories: setup ## What happens at Stripe, HubSpot and any web API while it is read, 10,000 histories of each kind; takes hours
	$(IN_MEMORY) DATIVO_EXAMPLES=10000 DATIVO_HISTORIES=200 $(BIN)/pytest -q -n 2 --timeout 0 --hypothesis-show-statistics \
	  -k laws $(addprefix packages/dativo-engine/tests/,sources/test_stripe_laws.py sources/test_hubspot_laws.py rest/test_rest_laws.py)

example-secrets: ## Write secrets/acme/.env for the example jobs, from the environment where it has their values
	@$(PYTHON) tools/example_secrets.py

test-serve: setup ## The service for minutes: ticks of two tenants, kills of each process; what `make test` does in short
	DATIVO_SERVE_LONG=1 DATIVO_SERVE_MINUTES=6 DATIVO_SERVE_QUEUED=500 $(BIN)/pytest -q --timeout 1800 tests/orchestrated

image: setup ## Build the image with buildah, into a store of this folder's own
	@$(BIN)/python -m tools.image

test-image: setup ## Build the image and run it with podman: both modes, users, walls, sizes; what is missing fails it
	DATIVO_REQUIRE_SERVICES=1 $(BIN)/pytest -q --timeout 900 tests/image

format: setup ## Let ruff format and sort
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: setup ## Write the JSON Schemas that editors check the example's YAML with
	$(BIN)/dativo schema --out .dativo/schemas

bench-csv: setup ## Five million CSV rows against a bare pyarrow loop; writes a report
	$(BIN)/python -m tools.bench.csv_load

bench-merge: setup ## Changes into ten million rows, by dativo and by other tools; writes docs/performance-merge.md
	$(BIN)/python -m tools.bench.merge

bench-rest: setup ## Customers from a web API, by dativo, dlt and Airbyte; writes docs/performance-rest.md
	$(BIN)/python -m tools.bench.rest_api

bench-start: setup ## How long a run of one row and `dativo --help` take, and on what
	$(BIN)/python -m tools.bench.start

bench-orchestrated: setup ## What the service adds to a run, 300 jobs of 100 tenants; writes docs/performance-orchestrated.md
	$(BIN)/python -m tools.bench.orchestrated

bench-image: setup ## How long the image takes to start, and what fills it; writes a part of docs/deploy.md
	@$(BIN)/python -m tools.bench.image

screenshots: setup ## The service's UI in a real browser, for docs/images; needs Chromium
	$(UV) pip install --quiet playwright
	$(BIN)/python -m tools.screenshots

clean: ## Remove what the targets above made, the demo's table included
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache state

# uv, for a machine without it: in this folder only, by whichever way its Python has.
.cache/uv/bin/uv:
	@$(PYTHON) -m venv .cache/uv >/dev/null 2>&1 && .cache/uv/bin/python -m pip install --quiet uv \
	  || $(PYTHON) -m pip install --quiet --upgrade --target .cache/uv uv \
	  || { echo "uv could not be installed: $(PYTHON) has neither venv nor pip (on Debian: apt install python3-venv)"; exit 1; }
