# Every command a person or a machine runs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_ENV := $(VENV)/.run
DEV_ENV := $(VENV)/.dev
PYTEST := $(BIN)/python -m pytest
.DEFAULT_GOAL := help
.PHONY: help install demo run check format test bench faults lock tools clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUN_ENV) ## what the dashboard needs, into .venv; the others do it by themselves

demo: $(RUN_ENV) ## simulator + dashboard on this machine; prints the address; Ctrl-C ends all of it
	@exec $(BIN)/python -m lib.demo

run: $(RUN_ENV) ## the dashboard on your own settings (environment or .env; see .env.example)
	@exec $(BIN)/python app.py

UNIT := tests/alerts/test_rules.py tests/alerts/engine/test_step.py tests/collect tests/logs tests/metrics tests/signals tests/telemetry tests/ui $(wildcard tests/test_*.py)

check: $(DEV_ENV) ## format, lint, types, unit tests (without the slow ones)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -q -n 2 -m "not live and not browser and not bench and not faults and not slow" $(UNIT)

format: $(DEV_ENV) ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(DEV_ENV) tools ## all set-up and every functional test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -n 2 --dist loadfile -m "not bench and not faults and not browser"
	@# apart and one by one: a browser, its page and its server fill two cores; what failed has one more try by itself
	$(PYTEST) -m "browser and not bench" || $(PYTEST) --last-failed -m "browser and not bench"

bench: $(DEV_ENV) tools ## the speed promises, as ratios measured side by side in one run
	$(PYTEST) -s -m "bench and not browser" tests/bench
	$(PYTEST) -s -m "bench and browser" tests/bench

faults: $(DEV_ENV) tools ## the full fault counts, and property tests on examples that no run had before
	$(PYTEST) --hypothesis-profile=fresh -n 2 --dist loadfile -m "hypothesis and not faults" tests
	$(PYTEST) --hypothesis-profile=fresh -m faults tests

tools: $(DEV_ENV) ## what the tests need from the operating system, and the jars of their servers
	@bash tests/install_tools.sh
	@$(BIN)/python -m tests.servers.elastic

lock: ## renew requirements*.lock from requirements*.txt
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade --no-header requirements.txt -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade --no-header requirements-dev.txt -o requirements-dev.lock

clean: ## remove the environment and the caches (never your data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/.cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_ENV): requirements.lock | $(BIN)/python
	@test -e $(DEV_ENV) -a $(DEV_ENV) -nt requirements.lock || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(DEV_ENV): requirements-dev.lock | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
