# Every target does its own set-up on a fresh machine: a virtual environment in .venv, the install,
# then the job.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint reference format clean

demo: .venv/installed ## a search on embedded digits, the winner retrained and tested
	$(BIN)/budgetnas search --budget 5k --dataset digits --trials 20 --epochs 18
	$(BIN)/budgetnas retrain best --study digits-5k --epochs 60

test: .venv/installed-dev ## the fast tests: minutes on two cores
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not program and not gpu"

test-all: .venv/installed-dev ## all tests, programs, faults, fuzz, studies and notebooks too; coverage
	$(BIN)/pytest -n 2 --dist worksteal --durations=30 --cov

lint: .venv/installed-dev ## what else guards the house: style, types, the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python .ci/reference.py --check

reference: .venv/installed-dev ## the reference of commands, from their help
	$(BIN)/python .ci/reference.py

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv

.venv/pip:
	$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and 'Python 3.11 to 3.13 is needed, got ' + sys.version.split()[0] + ': make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	touch $@

.venv/installed: .venv/pip pyproject.toml
	@echo "Installing into .venv (torch is large: a minute or two) ..."
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@
