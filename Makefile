# Needs Python 3.11 or newer and make; uses uv where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ifneq ($(shell command -v uv 2>/dev/null),)
  MAKE_VENV := uv venv --quiet --python $(PYTHON) $(VENV)
  INSTALL := uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
else
  MAKE_VENV := $(PYTHON) -m venv $(VENV)
  INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
endif

.PHONY: help demo test check bench fuzz oracle drills setup setup-dev console clean
help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: setup  ## deliver the example's parcels with simulated vehicles; console at :8080
	$(BIN)/waypost demo $(DEMO)

test: setup-dev  ## run the tests (TEST="-n 2 --dist loadgroup": in two processes); what needs a program that is not there skips
	$(BIN)/python -m pytest $(TEST)

check: setup-dev  ## lint, format, types, import contracts, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: setup-dev  ## benchmarks, one JSON line each
	$(BIN)/python -m tests.benchmarks

fuzz: setup-dev  ## fuzz the MAVLink stream parser with atheris, a million inputs; FUZZ="-runs=N DIR" changes it
	$(INSTALL) 'atheris>=3.0'
	$(BIN)/python -m tests.fuzz.mavlink_stream $(or $(FUZZ),-runs=1000000 -max_len=2048)

oracle: setup-dev  ## 120,000 cases of the checker against exact arithmetic (ORACLE="--cases N --seed S")
	$(BIN)/python -m tests.oracle $(ORACLE)

drills: setup-dev  ## 10,000 uploads under faults, 200 flights with a return, a lost link or a low battery, 1,000 orders to robots, kill -9 at each step; DRILLS=light leaves real ArduCopters out
	$(BIN)/python -m tests.drills --vehicle $(or $(DRILLS),both)

setup: $(VENV)/.run  ## what it takes to run
setup-dev: $(VENV)/.dev  ## what it takes to develop

$(BIN)/python:
	$(MAKE_VENV)

$(VENV)/.run: pyproject.toml constraints.txt controller/console/package-lock.json | $(BIN)/python
	@echo "Setting up $(VENV): about a minute on a first run"
	$(INSTALL) --editable .
	$(BIN)/python -m controller.console.vendor
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:  ## remove what set-up and runs made
	rm -rf $(VENV) out build dist node_modules controller/console/static/vendor
