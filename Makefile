# Two commands need nothing else: `make demo` runs the demo, `make test` the tests.
# Both create .venv and install into it first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: help demo test test-oldest test-newest fuzz check golden benchmarks clean

help:
	@echo "make demo        run the quickstart scenario: EcoFed beside its baselines, really trained"
	@echo "make test        run the tests"
	@echo "make test-oldest run the fit's tests with the oldest numpy and scipy supported (test-newest: the newest)"
	@echo "make fuzz        run the property tests on many new random examples, and the file fuzzer for long"
	@echo "make check       ruff and mypy"
	@echo "make golden      record the shipped scenarios' numbers anew, where they are meant to change"
	@echo "make benchmarks  speed, as ratios against named baselines"

$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Cutlayer needs Python 3.11 or newer; name one: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/cutlayer run quickstart

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4

# What a calibration fits must not depend on the versions of numpy and scipy. These are put in a folder of
# their own, before those of .venv on the path; everything else is taken from .venv.
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

# The cases of tests/fuzz, and the examples of each property test, are counted here and in tests/conftest.py.
FUZZ_CASES ?= 20000

fuzz: $(INSTALLED)
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m hypothesis --hypothesis-profile=fuzz
	@if [ -d tests/fuzz ]; then \
		CUTLAYER_FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -q -n auto --maxprocesses 4 tests/fuzz; \
	fi

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# `$(BIN)/python tests/golden/record_golden.py NAME ...` records those scenarios and studies alone.
golden: $(INSTALLED)
	$(BIN)/python tests/golden/record_golden.py

benchmarks: $(INSTALLED)
	$(BIN)/python benchmarks/network.py
	$(BIN)/python benchmarks/headline.py
	$(BIN)/python benchmarks/population.py
	$(BIN)/python benchmarks/studies.py
	$(BIN)/python benchmarks/start_up.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
