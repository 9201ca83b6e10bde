# Every task of the project. `make` alone lists them. Needs python3 (3.11 or later) and make; installs the rest into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Accessibility rules for the pages, from the npm registry.
AXE := 4.14.1
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test test-optimized e2e interop bench bench-large check format generated locks screenshots clean ready-run ready-dev ready-browser ready-axe

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ready-run ## start a whole federation on loopback; ARGS='--ready FILE --base-port N ...'
	@exec $(BIN)/ostiary demo $(ARGS)

test: ready-dev ## everything that needs Python packages only; ARGS='-k login'
	@$(BIN)/python -m tests.run $(ARGS)

test-optimized: ready-dev ## the same once more under python -O, with coverage
	@$(BIN)/python -m tests.run --optimized $(ARGS)

e2e: ready-dev ready-browser ready-axe ## Chromium, a real slapd, Samba, KDC, PostgreSQL and MariaDB; what compose.yaml starts (installs from Debian)
	@tools/install-debian-packages slapd ldap-utils postgresql mariadb-server redis-server nginx-light caddy curl \
		samba samba-dsdb-modules samba-vfs-modules samba-ad-provision \
		krb5-kdc krb5-admin-server krb5-user libkrb5-dev gcc python3-dev
	@$(PIP) install --require-hashes --no-deps -r requirements/kerberos-build.lock
	@$(PIP) install --require-hashes --no-deps --no-build-isolation -r requirements/kerberos.lock
	@$(BIN)/python -m pytest -q -m e2e tests/e2e $(ARGS)

interop: ready-dev ## real peers against this code (installs Debian's packages)
	@tools/install-debian-packages xmlsec1 openssl slapd libapache2-mod-shib python3-lasso voms-clients voms-clients-java scitokens-cpp
	@$(BIN)/python -m pytest -q -m interop tests/interop $(ARGS)

bench: ready-dev ## every benchmark beside its limit and its peers; ARGS=--quick for a short run
	@tools/install-debian-packages xmlsec1 python3-lasso libapache2-mod-shib voms-clients || echo "Those peers will not be measured."
	@$(BIN)/python -m bench $(ARGS)

bench-large: ready-dev ## the sizes that take long: metadata of 100,000 entities (850 MB)
	@$(BIN)/python -m bench --large

check: ready-dev ## format, lint, types, import contracts, schemas and lists in sync, links, container files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.documents_in_sync
	@$(BIN)/hadolint docker/Dockerfile
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker/compose.yaml
	@$(BIN)/compose-lint check --quiet --no-env --fail-on low --strict-config --config docker/compose-lint.yaml docker/compose.yaml

format: ready-dev ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

generated: ready-dev ## write the generated documents anew (docs/errors.md, schemas)
	@$(BIN)/python -m tests.documents_in_sync --write

screenshots: ready-dev ready-browser ## make the pictures that the README shows
	@$(BIN)/python -m tests.e2e.screenshots $(ARGS)

locks: ready-dev ## resolve the dependencies anew (needs network)
	@cd requirements && ../$(BIN)/python make_locks.py

clean: ## remove the environment and what the demo keeps
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

ready-run: $(VENV)/.ready-run
ready-dev: $(VENV)/.ready-dev
ready-browser:
	@tools/install-debian-packages chromium chromium-driver
ready-axe: $(VENV)/axe/.ready-$(AXE)

$(VENV)/axe/.ready-$(AXE): | $(VENV)/.made
	@tools/install-npm-package $(VENV)/axe axe-core $(AXE)
	@touch $@

# The stamp of the developer's set also serves for running: it holds everything that running needs.
$(VENV)/.ready-run: requirements/run.lock pyproject.toml | $(VENV)/.made
	@echo "Installing what Ostiary needs into $(VENV) (once; half a minute or so) ..."
	@$(PIP) install --require-hashes --no-deps -r requirements/run.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: requirements/dev.lock pyproject.toml | $(VENV)/.made
	@echo "Installing what tests and checks need into $(VENV) (once; a minute or so) ..."
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.ready-run

$(VENV)/.made:
	@tools/make-environment $(PYTHON) $(VENV)
	@touch $@
