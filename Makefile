# make quick: set up and run the comparison.  make test: set up and pass the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: quick test slow gate coverage asv asv-html lint figures clean
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

ASV := $(VENV)/.asv-ready
$(ASV): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[asv]'
	$(BIN)/asv machine --yes --machine bench-2core > /dev/null
	touch $@

asv: $(ASV)
	$(BIN)/asv run --machine bench-2core --skip-existing-successful HEAD^!

asv-html: $(ASV)
	$(BIN)/asv publish

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

clean:
	rm -rf .asv $(VENV) build *.egg-info results/local
