# Needs Python 3.11 or newer and make; everything else goes into .venv, and only there.
# Lines are quiet unless something is wrong. ARGS reaches the program behind a target:
#   make test ARGS="-k timers"     make run ARGS="--port 9000"

VENV   := .venv
PYTHON := $(VENV)/bin/python
PIP    := $(PYTHON) -m pip --disable-pip-version-check -qq
READY  := $(VENV)/.ready
UV     := uv==0.13.8
ARGS   ?=

WEB       := tools/web
WEB_BIN   := node_modules/.bin
WEB_READY := $(WEB)/node_modules/.ready
WEB_FILES := . ../../goflow_py/ui/static ../../tests/web

LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-cluster run test check check-slow check-ui fix fix-ui shots soak lock clean
.PHONY: capacity bench bench-full bench-page peers guard budget .check-ui

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: $(READY) ## See a blueprint run, workers die and the server come back
	@$(PYTHON) tools/demo.py $(ARGS)

demo-cluster: $(READY) ## See three nodes on one PostgreSQL, and one of them killed under load
	@$(PYTHON) -m tools.demo_cluster $(ARGS)

run: $(READY) ## Start a server for development
	@$(VENV)/bin/goflow dev $(ARGS)

test: $(READY) ## Run all tests but the slow ones and the soak
	@$(PYTHON) -m pytest -q -n auto --maxprocesses 4 --dist worksteal $(ARGS)

check: $(READY) ## Look at format, lint, types and imports
	@$(VENV)/bin/ruff format --quiet --check .
	@$(VENV)/bin/ruff check --quiet .
	@$(PYTHON) -m mypy --no-error-summary
	@said=$$($(VENV)/bin/lint-imports --no-logo 2>&1) || { echo "$$said"; exit 1; }
	@echo 'format, lint, types and imports are clean'

check-slow: $(READY) ## Run the slow tests: packaging and installation
	@$(PYTHON) -m pytest -q -m slow $(ARGS)

fix: $(READY) ## Format, and mend what can be mended
	@$(VENV)/bin/ruff check --quiet --fix . ; $(VENV)/bin/ruff format --quiet .

check-ui: ## Look at the web pages: types, format, lint, logic, what is vendored; needs node
	@if command -v node >/dev/null && command -v npm >/dev/null; \
		then $(MAKE) --no-print-directory .check-ui; \
		else echo 'the web pages are not checked: node and npm are missing'; fi

.check-ui: $(WEB_READY)
	@cd $(WEB) && $(WEB_BIN)/tsc --project . && $(WEB_BIN)/tsc --project tsconfig.node.json
	@cd $(WEB) && said=$$($(WEB_BIN)/biome check --error-on-warnings $(WEB_FILES) 2>&1) || \
		{ echo "$$said"; exit 1; }
	@said=$$(node --test tests/web/*.test.mjs 2>&1) || { echo "$$said"; exit 1; }
	@node $(WEB)/vendor.mjs --check
	@echo 'the web pages are clean: types, format, lint, logic, vendored modules'

fix-ui: $(WEB_READY) ## Format the web pages, and mend what can be mended; needs node
	@cd $(WEB) && $(WEB_BIN)/biome check --write $(WEB_FILES)

shots: $(READY) ## Take the screenshots of the docs anew; needs Chromium
	@mkdir -p docs/images
	@SHOTS=docs/images $(PYTHON) -m pytest -q tests/browser $(ARGS)

capacity: $(READY) ## What nodes and cells on PostgreSQL would take: a model; ARGS=--json
	@$(PYTHON) -m benchmarks.capacity $(ARGS)

soak: $(READY) ## Break it for hours and write docs/soak.md; ARGS="--scale 0.1" is a tenth of it
	@$(PYTHON) -m tools.soak $(ARGS)

bench: $(READY) ## Measure, a quarter of an hour; ARGS="parked storm" is a part, ARGS=--quick a minute
	@$(PYTHON) -m benchmarks $(ARGS)

bench-full: $(READY) ## Measure the millions, too: an hour, 20 GB of disk
	@$(PYTHON) -m benchmarks --full $(ARGS)

bench-page: $(READY) ## Write docs/benchmarks.md and its plots from the newest result
	@$(PYTHON) -m benchmarks.page $(ARGS)

peers: $(READY) ## Install the peers of the benchmark; ARGS="restate dbos" for some
	@$(PYTHON) -m benchmarks.peers install $(ARGS)

guard: $(READY) ## Is it still as fast as it has to be? 20 s
	@$(PYTHON) -m benchmarks.guard

budget: $(READY) ## Where the CPU of an execution goes
	@$(PYTHON) -m benchmarks.budget $(ARGS)

lock: $(READY) ## Renew the lock files; ARGS=--upgrade takes newer versions
	@$(PIP) install '$(UV)'
	@$(LOCK) $(ARGS) pyproject.toml --extra js --extra postgres --output-file requirements.lock
	@$(LOCK) $(ARGS) pyproject.toml --extra dev --group build --output-file requirements-dev.lock
	@$(LOCK) $(ARGS) --group build --output-file requirements-build.lock

clean: ## Remove what these targets made
	@rm -rf $(VENV) $(WEB)/node_modules dist benchmarks/.peers .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

setup: $(READY) ## Make .venv from the lock file

$(READY): requirements-dev.lock pyproject.toml
	@python=; for name in python3.11 python3.12 python3.13 python3.14 python3; do \
		if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then python=$$name; break; fi; done; \
	if [ -z "$$python" ]; then echo 'goflow needs Python 3.11 or newer on the PATH' >&2; exit 1; fi; \
	echo 'setting up .venv (once) ...' >&2; $$python -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(WEB_READY): $(WEB)/package-lock.json
	@npm --prefix $(WEB) ci --ignore-scripts --no-fund --no-audit --loglevel=error >/dev/null
	@touch $@
