# `make demo` runs the demo and `make test` runs the tests. Every target first creates .venv and installs
# Cutlayer into it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: help demo test test-oldest test-newest oldest-pins coverage fuzz chaos check format docs golden benchmarks clean

help:
	@echo "make demo        run the quickstart scenario: EcoFed beside its baselines, really trained"
	@echo "make test        run the tests"
	@echo "make coverage    run the tests and report line and branch coverage; fails below the floor in pyproject.toml"
	@echo "make test-oldest run the tests of the calibration fit with the oldest supported numpy and scipy"
	@echo "make test-newest the same with the newest numpy and scipy"
	@echo "make fuzz        run the property tests on new random examples, then the file fuzzer"
	@echo "make chaos       kill and resume runs many times, with every executor, and compare their ends"
	@echo "make check       run ruff and mypy"
	@echo "make format      format the code and apply ruff's automatic fixes"
	@echo "make docs        build the documentation and the API reference into site/"
	@echo "make golden      regenerate the golden numbers of the shipped scenarios and studies"
	@echo "make benchmarks  measure speed, as ratios against named baselines; PEERS=FOLDER adds other simulators"

$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Cutlayer needs Python 3.11 or newer; name one: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/cutlayer run quickstart

# Each worker gets a block of neighbouring tests, which share fixtures, and takes tests of another at the end.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

test: $(INSTALLED)
	$(BIN)/python -m pytest -q $(PARALLEL)

# The measurement of coverage follows child processes of pytest-xdist, not other subprocesses.
coverage: $(INSTALLED)
	$(BIN)/python -m pytest -q $(PARALLEL) --cov --cov-report=term --cov-report=xml

# The result of a calibration fit must not depend on the versions of numpy and scipy. They are installed
# into a folder that comes before .venv on the path; everything else comes from .venv.
FIT_TESTS := tests/sim/calibrate/test_fit.py tests/sim/calibrate/test_fit_perturbed.py
FETCH := $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --upgrade
OLDEST = $(shell sed -n 's/^ *\(numpy\|scipy\)>=\([0-9.]*\)$$/\1==\2/p' setup.cfg)
VERSIONS := import numpy, scipy; print(f"numpy {numpy.__version__}, scipy {scipy.__version__}")

$(VENV)/oldest/installed: setup.cfg | $(INSTALLED)
	@rm -rf $(@D)
	$(FETCH) --no-deps --target $(@D) $(OLDEST)
	@touch $@

$(VENV)/newest/installed: setup.cfg | $(INSTALLED)
	@rm -rf $(@D)
	$(FETCH) --target $(@D) numpy scipy
	@touch $@

test-oldest test-newest: test-%: $(VENV)/%/installed
	@PYTHONPATH=$(<D) $(BIN)/python -c '$(VERSIONS)'
	PYTHONPATH=$(<D) $(BIN)/python -m pytest -q $(FIT_TESTS)

# Print every lower bound in setup.cfg as a pip constraint.
oldest-pins:
	@sed -n 's/^ *\([A-Za-z-]*\)>=\([0-9.]*\).*/\1==\2/p' setup.cfg | sort -u

# tests/conftest.py sets the number of examples of each property test.
FUZZ_CASES ?= 20000

fuzz: $(INSTALLED)
	$(BIN)/python -m pytest -q $(PARALLEL) -m hypothesis --hypothesis-profile=fuzz
	@if [ -d tests/fuzz ]; then \
		CUTLAYER_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -q $(PARALLEL) tests/fuzz; \
	fi

# CUTLAYER_CHAOS_SEED chooses other moments.
chaos: $(INSTALLED)
	$(BIN)/python -m pytest -q -m chaos tests/chaos

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/docs-installed: setup.cfg | $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

docs: $(VENV)/docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# `$(BIN)/python tests/golden/record_golden.py NAME ...` regenerates only the named scenarios and studies.
golden: $(INSTALLED)
	$(BIN)/python tests/golden/record_golden.py

benchmarks: $(INSTALLED)
	$(BIN)/python benchmarks/network.py
	$(BIN)/python benchmarks/headline.py
	$(BIN)/python benchmarks/population.py
	$(BIN)/python benchmarks/studies.py
	$(BIN)/python benchmarks/uncertainty.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/asynchronous.py
	$(BIN)/python benchmarks/training.py $(if $(PEERS),--peers $(PEERS))

clean:
	rm -rf $(VENV) build site *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage coverage.xml
