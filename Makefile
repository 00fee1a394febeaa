# `make demo` and `make test` do all set-up themselves: a virtual environment with exactly what
# uv.lock names. uv is used where it is installed, else it is put into the virtual environment.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench screenshots lock clean

VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT := $(VENV)

# The first interpreter that is new enough.
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	command -v $$p && break; done)

# Twice the cores: tests that wait for a simulated cluster leave theirs to others.
TEST_WORKERS ?= $(shell expr 2 \* "$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)")

DEMO_ARGS ?=
TEST_ARGS ?=

help:
	@echo "make demo         dashboard on a simulated cluster (DEMO_ARGS='--scenario shrunk', DEMO_ARGS=--mqtt)"
	@echo "make test         the tests (TEST_ARGS='-k logs')"
	@echo "make check        format, lint, types, import contracts, file and function size"
	@echo "make bench        the measured budgets, as ratios side by side"
	@echo "make screenshots  pictures of every screen into screenshots/"
	@echo "make lock         resolve uv.lock anew"

# What tests use beside Python. They skip cleanly without, but they prove less.
define TEST_PROGRAMS
	@missing=; for tool in mosquitto:mosquitto mosquitto_pub:mosquitto-clients openssl:openssl; do \
		command -v $${tool%%:*} >/dev/null 2>&1 || [ -x /usr/sbin/$${tool%%:*} ] || \
		missing="$$missing $${tool##*:}"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing$$missing for the tests"; \
		{ apt-get update -q && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -q --no-install-recommends $$missing; } >/dev/null && exit 0; \
	fi; \
	echo "some tests will be skipped; on Debian or Ubuntu: sudo apt-get install -y$$missing" >&2
endef

define NO_PYTHON
ciltop needs Python 3.11 or newer, and found none.
On Debian or Ubuntu: sudo apt-get install -y python3 python3-venv
endef
define NO_VENV
This Python can't make virtual environments.
On Debian or Ubuntu: sudo apt-get install -y python3-venv
endef
export NO_PYTHON NO_VENV

# One interpreter for everything: the virtual environment, and uv inside it where there is no other.
$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then echo "$$NO_PYTHON" >&2; exit 1; fi
	@if command -v uv >/dev/null 2>&1; then uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV); \
	else \
		"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "$$NO_VENV" >&2; exit 1; }; \
		"$(PYTHON)" -m venv $(VENV); \
	fi

# uv sync removes what the lock does not name, which would be uv itself: hence --inexact.
define SYNC
	@if command -v uv >/dev/null 2>&1; then UV=uv; else \
		UV=$(BIN)/uv; \
		[ -x $$UV ] || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	fi; \
	$$UV sync --quiet --frozen --inexact
endef

$(VENV)/.run: uv.lock pyproject.toml README.md | $(BIN)/python
	$(SYNC) --no-dev
	@touch $@

$(VENV)/.dev: uv.lock pyproject.toml README.md | $(BIN)/python
	$(SYNC)
	@touch $@ $(VENV)/.run

# `ciltop demo --mqtt` takes the broker in Python where Mosquitto is not installed.
SBIN := /usr/local/sbin:/usr/sbin:/opt/homebrew/sbin
NEEDS_AMQTT = $(and $(findstring --mqtt,$(DEMO_ARGS)),$(if \
	$(shell PATH="$$PATH:$(SBIN)" command -v mosquitto),,yes))

$(VENV)/.amqtt: uv.lock pyproject.toml | $(VENV)/.run
	$(SYNC) --no-dev --extra amqtt
	@touch $@

demo: $(VENV)/.run $(if $(NEEDS_AMQTT),$(VENV)/.amqtt)
	@$(BIN)/ciltop demo $(DEMO_ARGS)

test: $(VENV)/.dev
	$(TEST_PROGRAMS)
	$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal $(TEST_ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/sizes.py

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.pictures

lock:
	uv lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
