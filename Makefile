# Everything sets itself up: a fresh machine needs Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed
FULL := $(VENV)/.installed-full
NEWEST := .venv-newest
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url --no-header \
	  --python-version 3.11 --no-emit-package streamgauge-tracer
# three files at a time (of two cores a third is idle while tests wait for servers), in their order: browser tests must
# stay behind asyncio's
FILES := --numprocesses=3 --dist=loadfile --no-loadscope-reorder
export UV_PYTHON := $(BIN)/python
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: help demo test laws newest check bench soak lock clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null 2>&1 && $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "streamgauge needs Python 3.11 or newer")'
	$(BIN)/python -m pip install --quiet uv

$(STAMP): $(VENV)/bin/python pyproject.toml requirements.lock
	$(UV) pip install --quiet --require-hashes -r requirements.lock
	$(UV) pip install --quiet --no-deps --no-sources -e .
	@touch $@

$(FULL): $(STAMP) requirements-full.lock
	$(UV) pip install --quiet --require-hashes -r requirements-full.lock
	@touch $@

# the tracer's core in C, where a compiler is; without it NumPy does the same
$(VENV)/.compiled: $(STAMP) tracer/compiled/core.c tracer/compiled/build.py
	@$(BIN)/python tracer/compiled/build.py
	@touch $@

# beside the other one: numpy 2.1 there, the newest here; 7 GB with torch's libraries, hard links to uv's cache
$(NEWEST)/.installed: $(VENV)/bin/python requirements-newest.lock
	$(UV) venv --quiet --clear --no-project --python $(BIN)/python $(NEWEST)
	UV_PYTHON= $(UV) pip install --quiet --python $(NEWEST)/bin/python --require-hashes -r requirements-newest.lock
	@touch $@

demo: $(STAMP) $(VENV)/.compiled  ## flights of 2013 through a real online-learning job, three months in about three minutes
	$(BIN)/streamgauge demo $(ARGS)

test: $(FULL) $(VENV)/.compiled  ## lint, types, layers and every test, those of `make newest` among them
	$(MAKE) --no-print-directory -j2 check $(NEWEST)/.installed
	$(BIN)/python -m pytest $(FILES) $(ARGS)

newest: $(NEWEST)/.installed  ## the tracer beside the newest numpy, pandas, polars, pyarrow, TensorFlow and torch
	$(NEWEST)/bin/python -m pytest -c tests/newest/pytest.ini --rootdir=. $(ARGS)

laws: $(FULL)  ## the property-based laws with 2,000 examples each
	LAWS=2000 $(BIN)/python -m pytest tests/pipelines/stream $(ARGS)

check: $(FULL)  ## ruff, mypy and the import layers only
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(FULL) $(VENV)/.compiled  ## every benchmark, one JSON object a line
	$(BIN)/python -m benchmarks all --json $(ARGS)

soak: $(FULL)  ## half an hour on a real Kafka at 5 times the demo's rate, a fault a minute
	$(BIN)/python -m tests.soak $(ARGS)

lock: $(VENV)/bin/python  ## resolve the dependencies anew: for the demo, and for all of it
	$(COMPILE) pyproject.toml --all-extras --group dev -o requirements-full.lock
	$(COMPILE) pyproject.toml --extra demo --constraint requirements-full.lock -o requirements.lock
	$(COMPILE) --group newest -o requirements-newest.lock

clean:  ## remove what was built and the demo's data
	rm -rf $(VENV) $(NEWEST) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
