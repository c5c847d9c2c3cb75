# make train    trains LeNet-5 on the embedded handwritten digits
# make test     runs the whole test suite
# make bench    measures the engine, side by side with PyTorch where it is installed
# make lint     checks style, types and the layering of the packages
# Each command creates its own environment in .venv on first use.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: train test bench lint clean
.DEFAULT_GOAL := train

train: $(VENV)/.train
	$(BIN)/tinynet train lenet5

test: $(VENV)/.test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto  # a process a core is enough

bench: $(VENV)/.train
	$(BIN)/python -m benchmarks $(BENCH)  # for example BENCH='--full', BENCH='--only lenet'

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tinynet needs Python 3.11 or newer, but $(PYTHON) is `$(PYTHON) --version`; try make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,plot]'
	@touch $@

$(VENV)/.test: $(VENV)/.train
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,plot,test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.train
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,plot,test,lint]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache runs
