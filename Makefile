# make quick: set up and run the comparison.  make test: set up and pass the tests.  make reproduce: the paper's experiments.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# What JAX runs on: DEVICE=cuda adds its CUDA libraries. PyTorch comes as the package index has it, which for Linux on
# x86-64 is its CUDA build: large, and good for both. An index with the small CPU builds of the same version is named
# to pip, and preferred: PIP_EXTRA_INDEX_URL=URL make
DEVICE ?= cpu
EXTRAS_cpu := jax,torch,events,asv,cluster,dev,docs
EXTRAS_cuda := $(EXTRAS_cpu),cuda
EXTRAS := $(or $(EXTRAS_$(DEVICE)),$(error DEVICE is cpu or cuda, not "$(DEVICE)"))
READY := $(VENV)/.ready-$(DEVICE)

.PHONY: quick reproduce test slow smoke gate rehearse coverage cores asv asv-html docs site peers lint lock figures clean
.DEFAULT_GOAL := quick

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

quick: $(READY)
	$(BIN)/drtrl-bench run quick
	$(BIN)/drtrl-bench report results/local/quick.jsonl

# The paper's experiments at the size of two cores, their figures and the table of verdicts; SIZE=paper for the published.
SIZE ?= cpu
reproduce: $(READY)
	$(BIN)/drtrl-bench reproduce --size $(SIZE)

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
	$(BIN)/python -m pytest tests/implementations/test_zoo.py -n 2 -m "slow or not slow" --zoo-table results/coverage.md

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
	@test "$$(git rev-parse --is-shallow-repository 2>/dev/null)" = false || \
		{ echo "no whole history to draw here: git clone, or git fetch --unshallow of a shallow clone" >&2; exit 2; }
	$(BIN)/asv publish

# Reads nothing from the network, and a warning ends it. The page to open is build/docs/index.html.
docs: $(READY)
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -E -c docs . build/docs

# What is published: the documentation, the report of the committed records of `quick`, and asv's pages.
site: docs asv-html
	$(BIN)/drtrl-bench report results/records/quick.jsonl --out build/docs/report
	rm -rf build/docs/asv
	cp -r .asv/html build/docs/asv

# The newest releases of other libraries: fails if a gradient or a fault is another one than docs/peers.md says. One that
# cannot be installed is a failure, too, and the others are checked all the same.
PEERS := braintrace snntorch spikingjelly norse spyx
peers: $(READY)
	@failed=0; for words in "install $(PEERS) --newest" agree faults; do \
		$(BIN)/drtrl-bench peers $$words || failed=1; done; exit $$failed

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

# Writes constraints.txt from pyproject.toml: one resolution for every Python, from the plain index. Versions stay what
# they are as long as they suit; UPGRADE=--upgrade takes the newest of all, UPGRADE='-P jax -P jaxlib' that of some.
LOCK := $(VENV)-lock
lock:
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/pip install --disable-pip-version-check uv
	$(LOCK)/bin/uv pip compile --quiet --universal --all-extras --no-annotate --custom-compile-command "make lock" \
		$(UPGRADE) --output-file constraints.txt pyproject.toml
	rm -r $(LOCK)

clean:
	rm -rf .asv $(VENV) build *.egg-info results/local
