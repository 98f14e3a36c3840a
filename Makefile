# What a newcomer can do here: `make help`. Needs Python 3.11+ with pip, and make; nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The newest Python on PATH that is new enough; `make PYTHON=/path/to/python3.12 ...` to choose another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
MARIADB := $(shell PATH="$$PATH:/usr/sbin:/usr/local/sbin:/usr/libexec" command -v mariadbd)
PGBOUNCER := $(shell PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v pgbouncer)
# Tests that drive a real browser, a MariaDB or a PgBouncer run where one is installed (.ci/run installs them).
LEFT_OUT := $(if $(CHROMIUM),,and not browser) $(if $(MARIADB),,and not mysql) $(if $(PGBOUNCER),,and not pooler)
CHOSEN := $(if $(strip $(LEFT_OUT)),-m "$(wordlist 2,99,$(LEFT_OUT))")

# Most tests wait for real programs rather than compute, so more of them than there are processors run at once.
WORKERS ?= 4

# The tests start hundreds of programs of ours, which would all be compiled anew each time.
unexport PYTHONDONTWRITEBYTECODE

# With failures in more files than this nothing is run again.
UNSTEADY := 3

# A published client of the Healthchecks API that the tests drive the checker with. It wants older versions of
# what it needs than we do, and works with ours.
CLIENTS := healthchecks-io==0.4.4 pytz==2024.2

.PHONY: help setup demo test coverage lint format bench clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(VENV)/.installed ## Create .venv and install the project with everything it needs

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer on PATH; install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || $(PYTHON) -m venv --without-pip $(VENV)
	@echo "Installing into $(VENV) (once; about a minute) ..."
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then pip="$(BIN)/python -m pip"; else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
	$$pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[dev]' && \
	$$pip install --quiet --disable-pip-version-check --no-input --no-deps $(CLIENTS)
	@touch $@

demo: setup ## Start the example shop with its worker, its cron job, a real Redis and the checker
	@exec $(BIN)/python -m examples.demo

# Real programs share the processors here, and one may come late. What fails beside others is named and run once
# more alone: what fails there too is broken, and what passes there is to be made steady.
test: setup ## Run every test, on real Redis, real PostgreSQL and real RQ workers
	@$(if $(CHROMIUM),,echo "No Chromium on PATH: the tests that drive a browser are left out.";) \
	$(if $(MARIADB),,echo "No mariadbd on PATH: the tests on a MariaDB are left out.";) \
	$(if $(PGBOUNCER),,echo "No pgbouncer on PATH: the tests behind one are left out.";) \
	export HEALTHKIT_CHROMIUM="$(CHROMIUM)"; \
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(CHOSEN) $(ARGS) && exit 0 || code=$$?; \
	test $$code -eq 1 && test "$$($(BIN)/python -m tests.failed)" -le $(UNSTEADY) || exit $$code; \
	echo; echo "These failed beside other tests. Once more, alone:"; \
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none -v -p no:cov $(CHOSEN)

coverage: ## The same, and which lines no test reaches; tracing makes it take half as long again
	@$(MAKE) --no-print-directory test ARGS="--cov --cov-report=term $(ARGS)"

lint: setup ## Check style, formatting and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup ## Put the code into shape
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: setup ## Run the short form of every measurement in bench/
	@$(BIN)/python -m bench --quick

clean: ## Remove what the commands above made
	rm -rf $(VENV) .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
