# make demo and make test set up what they need, with uv where there is one, else with venv and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

AGENTS := $(VENV)/agents
AGENT_PROGRAMS := @anthropic-ai/claude-code@2.1.197 @agentclientprotocol/claude-agent-acp@0.100.0 node@22.23.3

.PHONY: demo test test-agents check coverage faults chaos bench screenshots clean

demo: $(READY)
	@$(BIN)/deia-tui demo

# In two processes, since most tests wait most of the time; python -m pytest alone is one.
test: check
	@$(BIN)/python -m pytest -n 2 --dist=worksteal

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Branch coverage of the whole suite and of core/ alone; it takes about twice as long as make test.
coverage: $(READY)
	@$(BIN)/python -m tests.covering -n 2 --dist=worksteal

faults: $(READY)
	@$(BIN)/python -m pytest -q -p tests.faults.table tests/faults

# make chaos SEED=1f2e3d4c SECONDS=600 · make chaos KILLS=200 · make chaos TASKS=600 KILLS=20
chaos: $(READY)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(KILLS),--kills $(KILLS)) $(if $(TASKS),--tasks $(TASKS))

# Real agent programs, 0.9 GB from the npm registry, against an API on loopback
test-agents: $(READY) $(AGENTS)/.ready
	@DEIA_TEST_AGENTS=$(abspath $(AGENTS))/node_modules/.bin $(BIN)/python -m pytest -q tests/real

bench: $(READY)
	@$(BIN)/python -m tests.bench

screenshots: $(READY)
	@$(BIN)/python -m tests.screenshots

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		uv sync --quiet; \
	else \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
			|| { echo "deia-tui needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }; \
		$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' \
			&& $(BIN)/python -m pip install --quiet --editable . --group dev; \
	fi
	@touch $(READY)

$(AGENTS)/.ready: Makefile
	@command -v npm >/dev/null 2>&1 || { echo "make test-agents needs npm: install Node.js"; exit 1; }
	@mkdir -p $(AGENTS)
	@npm install --prefix $(AGENTS) --no-audit --no-fund --loglevel=error $(AGENT_PROGRAMS)
	@touch $@
