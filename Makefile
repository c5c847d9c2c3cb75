# make train    trains LeNet-5 on the embedded handwritten digits
# make test     runs the whole test suite
# make test-gpu runs the tests that need a GPU, on it
# make sanitize-gpu     runs the kernels' tests on it under compute-sanitizer (memory accesses, races)
# make bench    measures the engine, side by side with PyTorch where it is installed
# make bench-gpu        measures it on a GPU, side by side with PyTorch there
# make bench-engines    measures it side by side with other engines in Python, which it installs apart (Python 3.11)
# make lint     checks style, types and the layering of the packages
# Each command creates its own environment in .venv on first use.

PYTHON ?= python3
SANITIZER ?= compute-sanitizer
VENV ?= .venv
ENGINES_PYTHON ?= python3.11
BIN := $(VENV)/bin
ENGINES := $(VENV)/engines

.PHONY: train test test-gpu sanitize-gpu find-sanitizer bench bench-gpu bench-engines lint clean
.DEFAULT_GOAL := train

train: $(VENV)/.train
	$(BIN)/tinynet train lenet5

test: $(VENV)/.test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto  # a process a core is enough

test-gpu: $(VENV)/.test-gpu
	$(BIN)/python -c 'import tinynet as tn; tn.device("cuda").check_available()'
	$(BIN)/python -m pytest -m gpu

# Without CuPy's memory pool every array is an allocation of its own, beyond whose end nothing may be touched.
sanitize-gpu: find-sanitizer $(VENV)/.test-gpu
	$(BIN)/python -c 'import tinynet as tn; tn.device("cuda").check_available()'
	for tool in memcheck racecheck; do \
		PYTHONPATH=tests $(SANITIZER) --tool $$tool --error-exitcode 1 --report-api-errors no \
			$(BIN)/python -m pytest -m gpu -p no_memory_pool $(or $(SANITIZE),tests/kernels) || exit 1; \
	done  # for example SANITIZE=tests/kernels/test_conv_gpu.py

find-sanitizer:
	@command -v $(SANITIZER) >/dev/null || { echo "$(SANITIZER) was not found. It comes with the CUDA toolkit;" \
		"try make sanitize-gpu SANITIZER=/usr/local/cuda/bin/compute-sanitizer" >&2; exit 1; }

bench: $(VENV)/.train
	$(BIN)/python -m benchmarks $(BENCH)  # for example BENCH='--full', BENCH='--only lenet'

bench-gpu: $(VENV)/.test-gpu
	$(BIN)/python -m benchmarks.gpu $(BENCH)  # for example BENCH=--compile

bench-engines: $(VENV)/.train $(ENGINES)/.new $(ENGINES)/.old
	$(BIN)/python -m benchmarks.engines --python $(ENGINES)/new/bin/python --python $(ENGINES)/old/bin/python

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

$(VENV)/.test-gpu: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,plot,test,gpu]'
	@touch $@

$(VENV)/.lint: $(VENV)/.train
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[data,plot,test,lint]'
	@touch $@

# The newest MyGrad and autograd; DeZero and Chainer, which need an older NumPy and with it Python 3.11 at most.
$(ENGINES)/.new: $(VENV)/bin/python
	$(PYTHON) -m venv $(ENGINES)/new
	$(ENGINES)/new/bin/python -m pip install --quiet --disable-pip-version-check mygrad autograd scipy
	@touch $@

$(ENGINES)/.old: $(VENV)/bin/python
	$(ENGINES_PYTHON) -m venv $(ENGINES)/old
	$(ENGINES)/old/bin/python -m pip install --quiet --disable-pip-version-check \
		'numpy<1.24' 'matplotlib<3.9' 'setuptools<70' wheel dezero
	$(ENGINES)/old/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-build-isolation 'numpy<1.24' chainer
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache runs
