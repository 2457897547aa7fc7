# The two commands everybody needs: `make demo` and `make test`.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
WEB := examples/meeting_room/web
DEMO := .demo
# As an ordinary installation has it. Where the environment forbids Python to write byte code, every process compiles everything
# again, which costs it more than the import that is measured.
COMPILE = $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib bff schema resolvers

.PHONY: demo test chaos soak lint check format bench bench-smoke explorer clean help

help:            ## What can be made
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/'

demo: ## Serve the meeting room on http://127.0.0.1:$(PORT)/
	@$(MAKE) --no-print-directory -j2 $(VENV)/.installed page
	@mkdir -p $(DEMO)
	@BFF_DATASTORE_URL=sqlite:///$(DEMO)/meeting_room.db PYTHONPATH=examples $(BIN)/python -m meeting_room.seed
	@echo
	@echo "  The meeting room:  http://127.0.0.1:$(PORT)/"
	@echo "  GraphQL:           http://127.0.0.1:$(PORT)/graphql"
	@echo "  Open the page in two windows and change somebody's attendance in one of them."
	@echo
	@BFF_DATASTORE_URL=sqlite:///$(DEMO)/meeting_room.db PYTHONPATH=examples $(BIN)/bff serve meeting_room.app:app --port $(PORT)

test: $(VENV)/.installed-dev ## Run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(TESTS)

chaos: $(VENV)/.installed-dev ## The fault campaigns and the random part of the security suite, at full length: about two hours
	BFF_CHAOS=1 $(BIN)/python -m pytest --log-cli-level=INFO --log-disable=httpx $(wildcard tests/faults/test_campaign_*.py) \
		tests/security/test_tenants.py tests/security/test_fuzz.py
	$(BIN)/python -m tests.security.bombs

soak: $(VENV)/.installed-dev ## Two days of traffic in MINUTES=20
	$(BIN)/python -m tests.faults.soak $(MINUTES)

lint: $(VENV)/.installed-dev ## Formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --warnings

check: lint test ## Everything that must hold before a change lands

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The page is built where Node is there; without it the example serves a plain one.
.PHONY: page
page:
	@if ! command -v npm >/dev/null 2>&1; then echo "npm is not installed: serving the plain page"; \
	else $(MAKE) --no-print-directory $(WEB)/dist/index.html || echo "the page could not be built: serving the plain one"; fi

$(WEB)/dist/index.html: $(WEB)/package-lock.json $(shell find $(WEB)/src $(WEB)/index.html -type f 2>/dev/null)
	cd $(WEB) && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	@touch $@

explorer: ## Build GraphiQL anew, from bff/serving/explorer/web
	rm -rf build/explorer && mkdir -p build/explorer
	cp bff/serving/explorer/web/* build/explorer
	cd build/explorer && npm ci --no-audit --no-fund --loglevel=error && node build.mjs $(CURDIR)/bff/serving/explorer/static

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bff needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --editable '.[dev]'
	-@$(COMPILE)
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile --editable '.[bench]'
	-@$(COMPILE)
	@touch $@ $(VENV)/.installed

bench: $(VENV)/.installed-bench ## Measure bff beside its peers: SCENARIOS="query list", QUICK=1 (benchmarks/README.md)
	@command -v wrk >/dev/null 2>&1 || { echo "make bench needs wrk: apt-get install wrk"; exit 1; }
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory benchmarks/node/node_modules/.package-lock.json; \
	else echo "npm is not installed: the peers on Node.js are left out"; fi
	$(BIN)/python -m benchmarks $(SCENARIOS) $(if $(QUICK),--quick)

benchmarks/node/node_modules/.package-lock.json: benchmarks/node/package-lock.json
	cd benchmarks/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

bench-smoke: $(VENV)/.installed-dev ## Fail where a ratio has fallen by more than a third; BASELINE=1 stores what it is now
	$(BIN)/python -m benchmarks.smoke $(if $(BASELINE),--baseline)

clean:
	rm -rf $(VENV) $(DEMO) $(WEB)/dist $(WEB)/node_modules benchmarks/node/node_modules build dist *.egg-info
