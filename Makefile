# `make demo` makes Table 1 on the embedded data set; `make test` tests the code.
# Each sets up .venv first; the second call finds it there.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow lint docs notebooks

demo: .venv/installed
	$(BIN)/scnn table1 embedded runs/demo @params/demo.txt

test: .venv/installed-dev
	$(BIN)/python -m pytest -m "not slow"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

.venv/installed: requirements.txt setup.py
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
