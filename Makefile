# make quick: set up and run the comparison.  make test: set up and pass the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: quick test slow smoke gate rehearse coverage cores asv asv-html lint figures clean
.DEFAULT_GOAL := quick

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[jax,torch,events,asv,dev]'
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

# AGAINST: the commit that speed is compared with, where the last one is not the one before the change.
gate: $(READY)
	$(BIN)/drtrl-bench check $(addprefix --against ,$(AGAINST))

rehearse: $(READY)
	$(BIN)/drtrl-bench rehearse

coverage: $(READY)
	$(BIN)/python -m pytest tests/test_zoo.py -n 2 -m "slow or not slow" --zoo-table results/coverage.md

# A name per kind of machine, so that its points lie on one curve: make asv MACHINE=NAME on any other.
TWO_CORES := bench-2core
MACHINE ?= $(TWO_CORES)
# asv draws a curve per machine and facts; without these the points would leave the curve that is committed.
FACTS_$(TWO_CORES) := --os Linux --ram "24 GiB"
HISTORY := $(VENV)/.asv-machine-$(MACHINE)
$(HISTORY): $(READY) Makefile
	$(BIN)/asv machine --yes --machine $(MACHINE) $(FACTS_$(MACHINE)) > /dev/null
	touch $@

smoke: $(HISTORY)
	$(BIN)/drtrl-bench run quick -k T=64 --records results/local/smoke.jsonl
	$(BIN)/asv check --python=same

cores:
	@test "$(MACHINE)" != $(TWO_CORES) || test "$$(nproc)" = 2 || \
		{ echo "$(TWO_CORES) has 2 cores and this machine $$(nproc): make asv MACHINE=NAME" >&2; exit 2; }

asv: cores $(HISTORY)
	$(BIN)/asv run --machine $(MACHINE) --skip-existing-successful HEAD^!
	$(BIN)/drtrl-bench trend HEAD

asv-html: $(HISTORY)
	@test "$$(git rev-parse --is-shallow-repository)" = false || \
		{ echo "a shallow clone has no history to draw: git fetch --unshallow" >&2; exit 2; }
	$(BIN)/asv publish

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

clean:
	rm -rf .asv $(VENV) build *.egg-info results/local
