# make demo · make test · make coverage · make lint · make devnet · make runtime · make bench: each sets up all that it needs.
# Options of a command go into ARGS: make demo ARGS='--chain wasm', make bench ARGS=encode, make test ARGS='tests/encoding -k merkle'

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests of minutes (pytest's marker "slow") run with SLOW=yes, and where ARGS names a file or folder of tests. Containers need
# the machine for themselves, and a kernel that lets a dockerd run: they are a command of their own (make containers).
SLOW ?=
SELECT = $(if $(SLOW)$(findstring tests/,$(ARGS)),,-m 'not slow') $(if $(findstring tests/containers,$(ARGS)),,--ignore=tests/containers)
# As many workers as the machine has cores; tests that run a whole network share one of them (tests/conftest.py).
PARALLEL ?= --numprocesses=auto --dist=loadgroup

.PHONY: setup setup-dev demo docs test coverage attack cases scenarios cheats derivations lives fuzz matrix churn crowd screenshots containers lint devnet simulate runtime weights bench wheels lock clean

setup: $(VENV)/.setup $(VENV)/.codec
setup-dev: $(VENV)/.setup-dev $(VENV)/.codec

# An older pip, as Python 3.11 brings it, takes twice as long to choose among the files of all packages.
PIP := pip>=24

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "datdot needs Python 3.11 or newer: none was found (set PYTHON=/path/to/python)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check '$(PIP)' \
		|| echo "pip stays the one that Python brought: installing takes longer" >&2

# pip compiles what it installs on one core, and what is ours not at all.
COMPILE = $(BIN)/python -m compileall -q -j 0 $(VENV)/lib service runtime-mock/runtime_mock

$(VENV)/.setup: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.setup-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[alerts,dev]'
	@touch $@ $(VENV)/.setup

# The codec in Rust, where cargo is there or built it before; without it a line says what is slower.
CODEC := pallet-spec/encoding
$(VENV)/.codec: $(wildcard $(addprefix $(CODEC)/,Cargo.toml src/*.rs $(addprefix native/,*.toml *.lock *.sh src/*.rs src/*/*.rs python/*.toml python/src/*.rs))) \
		| $(VENV)/bin/python
	@$(CODEC)/native/install.sh $(BIN)/python $@

# The npm peers of the tests, where Node.js is there; the tests themselves say what is missing where it is not.
%/node_modules/.setup: %/package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm ci --silent --no-audit --no-fund --prefix $* && touch $@; \
	else echo "npm is missing: the tests against npm peers will be skipped" >&2; fi

# async-substrate-interface and schemathesis have environments of their own, as they cannot lie beside our dependencies.
tests/conformance/%/.venv/.setup: tests/conformance/%/requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m venv $(@D) && $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $< && touch $@

demo: setup
	@$(BIN)/datdot demo $(ARGS)

test: setup-dev tests/interop/node_modules/.setup tests/conformance/node_modules/.setup tests/conformance/asi/.venv/.setup tests/conformance/schemathesis/.venv/.setup
	$(BIN)/python -m pytest $(PARALLEL) --durations=20 $(SELECT) $(ARGS)

# All tests with coverage, which makes pure Python some four times slower.
coverage: setup-dev tests/interop/node_modules/.setup tests/conformance/node_modules/.setup tests/conformance/asi/.venv/.setup tests/conformance/schemathesis/.venv/.setup
	$(BIN)/python -m pytest $(PARALLEL) --durations=20 --cov --cov-report=term $(if $(findstring tests/containers,$(ARGS)),,--ignore=tests/containers) $(ARGS)

# All attackers at once on a hoster, for half an hour (ARGS='--minutes 5' for less): what they cost it.
attack: setup-dev
	@$(BIN)/python -m tests.attack $(ARGS)

# A hundred readers over UDX, who find a hoster by its key, for five minutes: it keeps its deadlines meanwhile.
crowd: setup-dev
	@$(BIN)/python -m tests.attack.crowd $(ARGS)

# The faults that were found by attacking a network (tests/cases/catalogue.py): how many hold.
cases: setup-dev tests/interop/node_modules/.setup tests/conformance/node_modules/.setup tests/conformance/asi/.venv/.setup
	@$(BIN)/python -m tests.cases $(ARGS)

# What befalls whole networks, and what it costs those who cheat (ARGS='NAME…' for some, ARGS=--list says which there are).
CHAIN ?= model
scenarios cheats: setup-dev
	@$(BIN)/python -m tests.play $@ --chain $(CHAIN) $(ARGS)

# The numbers of the limits: what each assumes, its figures, and whether the documents state these (ARGS='NAME…' for some).
derivations: setup-dev
	@$(BIN)/python -m tests.play.derivations $(ARGS)

# A thousand random lives on the model alone: no unit appears or vanishes, nobody is paid twice.
lives: setup-dev
	@$(BIN)/python -m tests.play.lives $(ARGS)

# Random lives on model and runtime, compared after each block (ARGS='--hours 8'); seeds are printed.
fuzz: setup-dev
	@$(BIN)/python -m tests.differential $(ARGS)

# Peers of ours and of npm's on hosts behind NATs of each kind, in network namespaces; needs root (ARGS='cons:rand' for some).
matrix: setup-dev tests/interop/node_modules/.setup
	@$(BIN)/python -m tests.matrix $(ARGS)

# A day of 200 nodes of the DHT that come and go, under a virtual clock (some 20 minutes): does anything pile up?
churn: setup-dev
	@$(BIN)/python -m tests.swarm.churn $(ARGS)

# docker-compose.yml as a whole, in a dockerd of its own without a way out; needs root, Docker, Rust and the real node. Some four
# minutes, and two more on a new machine; images stay in ~/.cache/datdot-containers (2 GB).
containers: setup-dev tests/interop/node_modules/.setup
	$(BIN)/python -m pytest -n 0 -v --durations=0 $(ARGS) tests/containers

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

devnet: setup
	@$(BIN)/datdot devnet --dir $(or $(DIR),.devnet) $(ARGS)

simulate: setup-dev
	@$(BIN)/python -m tests.simulation $(ARGS)

runtime: setup-dev
	pallet-spec/build.sh

# The declared weights against frame-benchmarking's figures, measured in two runs (pallet-spec/README.md section 18).
weights: setup-dev
	pallet-spec/weights.sh $(ARGS)

# The dashboard through the whole job on a network of processes, in chromium (some five minutes); pictures in build/screenshots.
screenshots: setup-dev
	mkdir -p build/screenshots
	DATDOT_SCREENSHOTS=$(CURDIR)/build/screenshots $(BIN)/python -m pytest -n 0 -q tests/ui/test_whole_job.py

# The documents as a site in build/docs/html, and manual pages in build/docs/man. Nothing is fetched.
docs: setup-dev
	$(BIN)/sphinx-build -q -W --keep-going -b html -c docs . build/docs/html
	$(BIN)/sphinx-build -q -W --keep-going -b man -c docs . build/docs/man

bench: setup-dev tests/interop/node_modules/.setup
	$(BIN)/python -m bench $(ARGS)

wheels: setup
	@mkdir -p dist && $(CODEC)/native/wheels.sh $(BIN)/python dist

# The newest versions that the ranges of pyproject.toml allow become the ones that are tested and installed.
lock: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable '.[alerts,dev]'
	head -n 1 constraints.txt > constraints.new && $(BIN)/python -m pip freeze --exclude-editable --exclude datdot-codec >> constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) tests/*/node_modules tests/conformance/*/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
