# `make run` shows Tidemill at work, `make test` proves it. Both set up what they need.

.PHONY: run test side-by-side check build bench fmt lint setup setup-tests unit host waiting web proxies browser api-clients typescript python celery celery-suite docs sqlx-data schema postgres-18

CARGO ?= cargo
# The same everywhere: other targets would choose other features of what they depend on, and build all of it anew.
BUILD = $(CARGO) build --bins --examples
export PATH := $(PATH):$(HOME)/.cargo/bin

# Without browser, Docker and clouds, which the demonstration does not need, and not optimised; `make build` makes the
# whole binary.
run: setup ## Build, start everything on an embedded Postgres, and run a demonstration job
	$(CARGO) build --profile demo --package tidemill-bin --no-default-features --features storage-folder
	target/demo/tidemill dev --enqueue build-crate --enqueue count-slowly

check: ## Compile everything, as fast as can be
	$(CARGO) check --workspace --all-targets

test: setup-tests lint unit host postgres-18 side-by-side ## Everything that CI asks for

# Each of these waits for leases, browsers and containers half of the time, so two share the processors. The longest first.
side-by-side:
	$(MAKE) --jobs=2 --output-sync=target python waiting browser celery typescript api-clients proxies web

SUITES = $(basename $(notdir $(wildcard tests/*.rs))) $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs)))

unit:
	$(BUILD)
	$(CARGO) test --no-fail-fast --lib --bins --examples $(addprefix --test ,$(SUITES)) --test agent
	$(CARGO) test --doc

# What a version of Postgres could do otherwise.
CORE = claim:: claim_plan:: complete:: sweep:: enqueue:: streams:: limits:: workflows:: migrate:: schema:: doctor:: roles:: restore:: backup:: \
  replication:: horizon:: hosts:: slow_statements:: foreign_settings:: partitions:: schedules:: explain:: settle:: unique::

postgres-18: ## The suite's core on Postgres 18, and dumps and upgrades from the machine's version to it
	programs=$$(.ci/postgres-18) && RUST_TEST_THREADS=4 TIDEMILL_TEST_POSTGRES=$$programs $(CARGO) test --no-fail-fast --test it -- $(CORE)
	programs=$$(.ci/postgres-18) && TIDEMILL_TEST_POSTGRES=$$programs $(CARGO) test --no-fail-fast --test embedded --test embedded_upgrade

host: ## The library in a program of somebody else, which has it with its default features
	$(CARGO) test --package tidemill-host

waiting: ## Those that wait for browsers and for a Docker engine more than they work
	$(BUILD)
	RUST_TEST_THREADS=4 $(CARGO) test --no-fail-fast --test bughive --test hub

web:
	node --test web/test/*.test.js

proxies: ## Real nginx, HAProxy, Apache, lighttpd and Caddy before a real Tidemill
	$(BUILD)
	node --test tests/proxies/*.test.js

browser: ## The page in a real Chromium
	cd web && npm ci --no-audit --no-fund --silent
	$(BUILD)
	node --test web/test/browser/*.test.js

api-clients: ## What other tools make of the API's description: clients that run, and requests by the thousand
	$(BUILD)
	tests/openapi/run.py

typescript: ## The client for TypeScript, its hooks and its Status Center, in Node and in a real Chromium
	cd clients/typescript && npm ci --no-audit --no-fund --loglevel=error
	cd clients/typescript/test/react-18 && npm ci --no-audit --no-fund --loglevel=error
	cd clients/typescript && npm run lint && npm run check && npm run build
	cd examples/react && npm ci --no-audit --no-fund --loglevel=error && npm run check
	[ -n "$$TIDEMILL_BINARY" ] || $(BUILD)
	cd clients/typescript && npm test

PYTHON = clients/python
$(PYTHON)/.venv/.installed: $(PYTHON)/requirements-dev.txt $(PYTHON)/pyproject.toml
	python3 -m venv --clear $(PYTHON)/.venv
	$(PYTHON)/.venv/bin/pip install --quiet --disable-pip-version-check -r $(PYTHON)/requirements-dev.txt
	$(PYTHON)/.venv/bin/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e $(PYTHON)
	touch $@

python: $(PYTHON)/.venv/.installed ## The Python package: its lints, its types, and its tests against a real server
	$(BUILD)
	cd $(PYTHON) && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy
	cd $(PYTHON) && .venv/bin/python -m pytest --ignore=tests/celery
	cd $(PYTHON) && .venv/bin/python -m pytest tests/django
	python=$$(.ci/django-6) && { [ -z "$$python" ] || { cd $(PYTHON) && $$python -m pytest tests/django; }; }

# Most of these tests wait for leases and workers; each process has a server of its own.
celery: $(PYTHON)/.venv/.installed ## Celery on Tidemill: the package's tests, and a selection of Celery's own
	[ -n "$$TIDEMILL_BINARY" ] || $(BUILD)
	cd $(PYTHON) && .venv/bin/python -m pytest -n 3 --dist worksteal tests/celery
	cd $(PYTHON) && .venv/bin/python tests/celery/suite.py --selection

celery-suite: $(PYTHON)/.venv/.installed ## Celery's own integration suite, all of it, on Redis and on Tidemill
	[ -n "$$TIDEMILL_BINARY" ] || $(BUILD)
	cd $(PYTHON) && .venv/bin/python tests/celery/suite.py

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --package tidemill --lib -- -D warnings
	$(CARGO) clippy --package tidemill-bin --no-default-features -- -D warnings
	.ci/sqlx-data --check
	cd web && npm ci --no-audit --no-fund --silent && npm run --silent check
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

build:
	$(CARGO) build --release

bench: setup
	$(CARGO) bench --bench drain

fmt:
	$(CARGO) fmt

setup: ## Install what is missing of the tools, by their packages' names
	.ci/setup

setup-tests: ## The same, with what only the tests need
	.ci/setup test

sqlx-data: ## Refresh sqlx-data.json after a query or the schema changed
	.ci/sqlx-data

schema: ## Refresh docs/schema.sql after the schema changed
	TIDEMILL_BLESS=1 $(CARGO) test --test it schema

docs: ## Refresh docs/configuration.md after a setting changed
	TIDEMILL_BLESS=1 $(CARGO) test --package tidemill-bin --lib config
