# make quick: set up and run the comparison.  make test: set up and pass the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: quick test slow gate coverage lint figures clean
.DEFAULT_GOAL := quick

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[jax,torch,events,dev]'
	touch $@

quick: $(READY)
	$(BIN)/drtrl-bench run quick
	$(BIN)/drtrl-bench report results/local/quick.jsonl

figures: $(READY)
	$(BIN)/drtrl-bench report results/records/quick.jsonl --out results/figures/quick

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

slow: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow

gate: $(READY)
	$(BIN)/drtrl-bench check

coverage: $(READY)
	$(BIN)/python -m pytest tests/test_zoo.py -n 2 -m "slow or not slow" --zoo-table results/coverage.md

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

clean:
	rm -rf $(VENV) build *.egg-info results/local
