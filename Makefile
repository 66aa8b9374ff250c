# Two commands do all the set-up: `make demo` and `make test`. Both can be run again. `make fast` is the inner loop.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# folders of nothing but slow tests: not even read by `make fast`
SLOW := $(addprefix --ignore=tests/,chaos training benchmarks whole commands parity examples)
# the CPU build where it can be had; any torch 2.13.0 does
TORCH := torch==2.13.0

.PHONY: demo test fast check docs clean

$(VENV)/.runtime: pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(VENV)/.test: $(VENV)/.runtime requirements-test.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

demo: $(VENV)/.runtime
	$(BIN)/python -m cluster.demo

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

fast: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder $(SLOW) -m "not ray and not slow and not chaos" --few-cases

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.runtime
	$(BIN)/python -m pipeline.plan.tables docs/recipes.md

clean:
	rm -rf demo $(VENV)
