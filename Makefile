# Every target sets up what it needs by itself and is quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CLIENTS := .clients
# One more than there are cores: tests of the console and of processes wait for half of their time.
WORKERS := $(shell expr $$(nproc) + 1)

.DEFAULT_GOAL := help
.PHONY: help demo serve tui check test test-crash test-clients soak-tui pictures bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@echo "Setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

demo: $(STAMP) ## Run a gateway on simulated accounts, with a funded key and curl lines to paste
	@$(BIN)/trigate demo

tui: $(STAMP) ## Open the console on ./data
	@$(BIN)/trigate tui

serve: $(STAMP) ## Run the gateway on ./data
	@$(BIN)/trigate serve

check: $(STAMP) ## Lint, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

test: $(STAMP) ## Run the tests
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-crash: $(STAMP) ## Kill the gateway at 200 random instants, race 13,000 calls; audit the books
	@$(BIN)/pytest -m slow tests/faults

$(CLIENTS)/.installed: tests/clients/package.json
	@echo "Installing the clients into $(CLIENTS) (once; half a minute, 640 MB)"
	@mkdir -p $(CLIENTS)
	@cp tests/clients/package.json $(CLIENTS)/
	@npm install --prefix $(CLIENTS) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

test-clients: $(STAMP) $(CLIENTS)/.installed ## Have Claude Code and Codex CLI work through a gateway (needs Node.js)
	@$(BIN)/pytest tests/clients

soak-tui: $(STAMP) ## Run the console beside 200 calls a second for SECONDS (default 600)
	@$(BIN)/python -m tests.tui.soak --seconds $(or $(SECONDS),600)

pictures: $(STAMP) ## Draw the console's screens into docs/screens
	@$(BIN)/python -m tests.tui.pictures

bench: $(STAMP) ## Measure the table of docs/performance.md on this machine
	@$(BIN)/python -m tests.bench

clean: ## Remove what the other targets made, but no data
	@rm -rf $(VENV) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
