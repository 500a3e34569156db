# Two commands do everything: `make run` and `make test`. Both prepare what is missing first.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
BENCH_READY := $(VENV)/.bench-$(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
TEST_PROCESSES ?= 2
PACKAGES := moat answering ingest workers services evaluation cli
# Nothing is asked of a model hub, and no library reports home.
export HF_HUB_OFFLINE := 1
export DO_NOT_TRACK := 1
export UNSTRUCTURED_DISABLE_NOTICE := 1

.DEFAULT_GOAL := help
.PHONY: help run test install check format bench soak browser ocr clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

run: install ## Set everything up, answer three questions about the sample company, keep serving
	@$(BIN)/moat demo --serve

test: install browser ocr check ## Set everything up, check the code and pass the tests
	@$(BIN)/pytest -m "not soak" --numprocesses=$(TEST_PROCESSES) --dist=loadfile $(PYTEST_ARGS)

install: $(READY) ## Prepare the virtual environment without running anything

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Moat needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "The virtual environment could not be made; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing (about two minutes the first time) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' 2> $(VENV)/install.log || { \
	  tail -20 $(VENV)/install.log; exit 1; }
	@rm -f $(VENV)/.ready-*; touch $@

browser: # The tests of the page drive a real Chromium; what cannot be had is named
	@command -v chromium chromium-browser google-chrome > /dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    echo "Installing Chromium for the tests of the page ..."; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } > $(VENV)/chromium.log 2>&1 \
	      || { tail -5 $(VENV)/chromium.log; echo "Chromium could not be installed: the tests of the page cannot run."; }; \
	  else echo "No Chromium on PATH: the tests of the page are skipped. Install it, e.g. apt-get install chromium"; fi; }

ocr: # The tests of scanned pages read them with a real tesseract; old Word files need LibreOffice, too big to fetch here
	@command -v tesseract > /dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    echo "Installing tesseract for the tests of scanned pages ..."; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq tesseract-ocr; } > $(VENV)/tesseract.log 2>&1 \
	      || { tail -5 $(VENV)/tesseract.log; echo "tesseract could not be installed: the tests of scanned pages cannot run."; }; \
	  else echo "No tesseract on PATH: the tests of scanned pages are skipped. Install it, e.g. apt-get install tesseract-ocr"; fi; }
	@command -v soffice > /dev/null || echo "No LibreOffice on PATH: the tests of doc files are skipped. It is e.g. apt-get install libreoffice"

check: install ## Format, lint, types, import layers, dead code
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted; run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary $(addprefix -p ,$(PACKAGES) benchmarks)
	@$(BIN)/lint-imports --no-cache > $(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }
	@$(BIN)/vulture
	@echo "Formatting, lint, types, import layers and dead code: all fine."

format: install ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

$(BENCH_READY): $(READY)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]' 2> $(VENV)/install.log || { \
	  tail -20 $(VENV)/install.log; exit 1; }
	@rm -f $(VENV)/.bench-*; touch $@

bench: $(BENCH_READY) ## Measure against the LlamaIndex starter in the same run (needs MOAT_DATA)
	@$(BIN)/python -m benchmarks

soak: install browser ocr ## The long, seeded campaigns
	@$(BIN)/pytest -m soak --timeout=3600 $(PYTEST_ARGS)

clean: ## Remove the environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
