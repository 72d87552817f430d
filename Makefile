# `make demo` makes Table 1 on the embedded data set; `make test` tests the code.
# Each sets up .venv first; the second call finds it there.

PYTHON ?= python3
BIN := .venv/bin
# On Linux, PyPI has wheels of torch for CUDA only, of gigabytes. PIP_EXTRA_INDEX_URL may name an index that
# has wheels for CPUs.
TORCH ?= torch==2.13.0

define CHECK_PYTHON
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is" \
	"$$($(PYTHON) --version 2>&1), expected Python 3.11 or newer: make PYTHON=python3.11" \
	"$(MAKECMDGOALS)"; exit 1; }
endef

.PHONY: demo test test-slow test-jax test-torch lint docs notebooks build

demo: .venv/installed
	$(BIN)/scnn table1 embedded runs/demo @params/demo.txt

test: .venv/installed-dev
	$(BIN)/python -m pytest -m "not slow"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow

# Tests with one backend alone, in an environment of its own. On JAX, which takes long without
# compilation, `make test-slow` has those of the layers.
LAYERS_torch := tests/nn
LAYERS_jax := tests/nn/points
test-jax test-torch: test-%: .venv-%/installed
	JAX_ENABLE_X64=1 KERAS_BACKEND=$* .venv-$*/bin/python -m pytest -m "not slow" $(LAYERS_$*) \
		tests/sphere tests/test_imports.py tests/test_presets.py
	KERAS_BACKEND=$* .venv-$*/bin/python -m pytest tests/test_cli.py
	KERAS_BACKEND=$* .venv-$*/bin/python -m pytest -m slow tests/test_wheel.py -k $*

build: .venv/installed-dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

.venv/installed: requirements.txt pyproject.toml setup.py
	$(CHECK_PYTHON)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -r requirements.txt -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet -r requirements.txt -e ".[dev]"
	touch $@

docs: .venv/installed-docs
	$(BIN)/mkdocs build --strict

.venv/installed-docs: .venv/installed
	$(BIN)/pip install --quiet -e ".[docs]"
	touch $@

notebooks: .venv/installed-dev
	$(BIN)/python docs/run_notebooks.py

.venv-%/installed: pyproject.toml setup.py
	$(CHECK_PYTHON)
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet $(if $(filter torch,$*),"$(TORCH)","jax[cpu]")
	.venv-$*/bin/pip install --quiet -e ".[shapes,train]" "pytest>=8.2" "hypothesis>=6.100" "build>=1.2"
	touch $@
