# Two commands do everything on a machine with Python 3.11 or newer and make: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RAGCLI := $(BIN)/ragcli

.DEFAULT_GOAL := help
.PHONY: help demo test lint types tests crash lives test-serve test-mcp test-cluster fuzz fix bench samples clean

help:
	@echo "make demo     install, index sample_docs/ and ask it some questions"
	@echo "make test     install the test tools, then lint, types and tests"
	@echo "make test-serve  ask --llm against transformers serve"
	@echo "make test-mcp    ask ragcli mcp with both lines of the official SDK's clients"
	@echo "make test-cluster  index with and against the servers of the cluster extra, which it starts itself"
	@echo "make crash    kill, starve and damage indexes (half an hour); see docs/reliability.md"
	@echo "make lives    5,000 random lives of folders: disks that come and go, renames, edits, interrupts"
	@echo "make fuzz     feed each loader broken files for minutes (FUZZ_SECONDS=300)"
	@echo "make fix      let ruff format and fix what it can"
	@echo "make bench    the short benchmarks of speed (minutes), and docs/performance.md from what they find"
	@echo "make samples  make the binary documents of sample_docs/ again"
	@echo "make clean    remove the virtual environment and every index"

# One stamp for each set of packages: a second call costs nothing until pyproject.toml or the pins change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

demo: $(VENV)/installed
	$(RAGCLI) index --index demo sample_docs
	@echo
	@$(RAGCLI) query --index demo --top 3 "how can a network run backwards without storing activations?"
	@echo
	@$(RAGCLI) query --index demo --top 3 "why rerank the first results?"
	@echo
	@$(RAGCLI) query --index demo --top 5 "grokking" --format plain
	@echo
	@echo "To search on a page in the browser: $(RAGCLI) serve --open --index demo"

test: lint types tests

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test
	$(BIN)/mypy

tests: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope

# The written answer against a real server (transformers serve), which takes more packages
test-serve: $(VENV)/installed-test
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test,serving-test]'
	$(BIN)/python -m pytest tests/answer/test_served.py

# The official clients, each line in an environment of its own, against ragcli mcp and serve
MCP := .venv-mcp
$(MCP)/%/installed:
	$(PYTHON) -m venv $(MCP)/$*
	$(MCP)/$*/bin/python -m pip --disable-pip-version-check install --quiet 'mcp==$*.*'
	@touch $@

test-mcp: $(VENV)/installed-test $(MCP)/1/installed $(MCP)/2/installed
	RAGCLI_TEST_MCP=$(MCP)/1/bin/python:$(MCP)/2/bin/python $(BIN)/python -m pytest tests/serve/test_mcp.py

# Milvus and Ray, in an environment of their own: servers are started by the tests that need them, and stopped
CLUSTER := .venv-cluster
$(CLUSTER)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(CLUSTER)
	$(CLUSTER)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt \
		--editable '.[test,cluster]' milvus-lite milvus==2.3.5 'setuptools<81'
	@touch $@

test-cluster: $(CLUSTER)/installed
	$(CLUSTER)/bin/python -m pytest tests/cluster

# 300 kills and what belongs to them: prints the figures of docs/reliability.md
crash: $(VENV)/installed-test
	$(BIN)/python tests/crash/long.py

# Random sequences of edits, renames, unmounted disks and interrupted runs against a model of what must be indexed
LIVES ?= 5000
lives: $(VENV)/installed-test
	$(BIN)/python tests/ingest/sequences.py $(LIVES)

# Minutes of files that are almost right, each loader in its worker; ends with 1 and keeps the file at a fault
FUZZ_SECONDS ?= 300
fuzz: $(VENV)/installed-test
	$(BIN)/python tests/hostile/fuzz.py --seconds $(FUZZ_SECONDS)

fix: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.cold_query
	$(BIN)/python -m benchmarks.reindex
	$(BIN)/python -m benchmarks.pdf
	$(BIN)/python -m benchmarks.report

samples: $(VENV)/installed-test
	$(BIN)/python docs/make_samples.py

clean:
	rm -rf $(VENV) $(CLUSTER) $(MCP) indexes/*/
