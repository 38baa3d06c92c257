# The developer's manual. `make up` is all a user needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Code is compiled without its columns: a megabyte less memory, tracebacks without ^^^^.
export PYTHONNODEBUGRANGES := 1
.DEFAULT_GOAL := help
.PHONY: help up setup system check test bench shot clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

up: setup ## set up what is missing, then run everything
	@exec $(BIN)/python -m borgui up

setup: $(VENV)/ready ## the first half of `make up`: virtual environment, requirements, borg

$(VENV)/ready: requirements.txt | system
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m compileall -q borgui migrations wsgi.py
	@touch $@

system: # what Debian has to give, asked for in one go
	@test -e $(VENV)/ready || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "borgui: Python 3.11 or newer is needed; set PYTHON to one" >&2; exit 1; }
	@missing=; \
	test -e $(VENV)/ready || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing=python3-venv; \
	test -n "$$BORGUI_BORG" || command -v borg >/dev/null || missing="$$missing borgbackup"; \
	test -z "$$missing" || .ci/apt "running borgui" $$missing

$(VENV)/ready-dev: requirements-dev.txt $(VENV)/ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

check: $(VENV)/ready-dev ## ruff, strict types, import rules, migrations in step with the models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -x tests/unit/test_rules.py tests/integration/test_migrations.py

TEST_PACKAGES := borgbackup chromium libatomic1 nginx-light openssl acl attr fonts-dejavu-core fuse3 python3-pyfuse3 postgresql

test: setup $(VENV)/ready-dev ## the whole suite; installs the servers it needs
	@.ci/apt "the tests" $(TEST_PACKAGES)
	$(BIN)/python -m pytest -q -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

bench: setup $(VENV)/ready-dev ## speed and memory as ratios against raw borg
	@.ci/apt "the load test" wrk
	$(BIN)/python -m tests.bench $(ARGS)

shot: setup $(VENV)/ready-dev ## screenshots of every page in shots/
	@.ci/apt "screenshots" chromium libatomic1 fonts-dejavu-core
	$(BIN)/python -m tests.e2e.shots

clean: ## remove what can be made again (never the data folder)
	rm -rf $(VENV) shots .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
