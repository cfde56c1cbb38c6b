# Two commands do everything, set-up included: `make reproduce` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help reproduce test lint types figures check-figures docs check bench bench-peers clean

help:
	@echo "make reproduce   draw the paper's figures and verify every example; says where to look"
	@echo "make test        run the test suite"
	@echo "make check       lint, types, figures without drift, tests: what CI runs"
	@echo "make docs        build the documentation site into docs/_build/html, every page executed"
	@echo "make figures     draw figures/ anew"
	@echo "make bench       measure the speeds that the documentation states, JAX, CasADi and KLU beside them"
	@echo "make clean       remove what the others made"

$(READY): pyproject.toml .ci/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "flowgraph needs Python 3.11 or newer; run make PYTHON=/path/to/python3.11")'
	@echo "setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev,docs]'
	@touch $(READY)

reproduce: $(READY)
	@$(BIN)/flowgraph reproduce --output reproduction

test: $(READY)
	@$(BIN)/python -m pytest -q -n auto

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/pyright

figures: $(READY)
	@$(BIN)/flowgraph figures --output figures

check-figures: $(READY)
	@$(BIN)/flowgraph figures --output figures --check

# Strict: a warning, or a cell that raises, fails the build. From nothing, so that every number is one of this run.
docs: $(READY)
	@echo "building the site; every page is executed, which takes a few minutes ..."
	@rm -rf docs/_build
	@$(BIN)/sphinx-build -q -W --keep-going -j auto -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

check: lint types check-figures test docs

# The numeric engine is measured against other programs, which nothing else here needs; libklu comes from the system.
bench-peers: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[fast,peers]'

bench: bench-peers
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.lumps
	@$(BIN)/python -m benchmarks.numeric --output docs

clean:
	rm -rf $(VENV) reproduction docs/_build .pytest_cache .ruff_cache .hypothesis
