# `make` lists the targets; each says in one line what it does.
.DEFAULT_GOAL := list
.PHONY: list setup demo run check test test-pythons testbed cluster cluster-down bench bench-kubernetes bench-compose docs format lock

PYTHON := .venv/bin/python
# The demo, the bench and the house itself are read as strictly as the package.
SOURCES := $(wildcard src tests scripts bench)
# Half of a test's time is spent waiting for engines, clusters and clocks: one more than there are processors keeps them busy.
WORKERS := $(shell echo $$(($$(nproc) + 1)))

list: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

setup: ## make .venv with everything installed (quick when nothing changed)
	@scripts/setup.sh

demo: setup ## show a commit becoming a running service, then healing, holding and rolling back
	$(PYTHON) -m scripts.demo

run: setup ## set up the same as the demo and stay, to be played with
	$(PYTHON) -m scripts.demo --stay

check: setup ## lint, format, types, layers and sizes
	.venv/bin/ruff check $(SOURCES)
	.venv/bin/ruff format --check $(SOURCES)
	$(PYTHON) -m mypy $(SOURCES)
	.venv/bin/lint-imports --no-logo --cache-dir build/imports
	$(PYTHON) scripts/sizes.py

test: setup testbed ## run all tests, then those that need no engine or cluster on every other Python found here
	$(PYTHON) -m pytest --numprocesses=$(WORKERS) --dist=worksteal tests
	@scripts/test_pythons.sh

test-pythons: setup ## run the unit tests, and the contracts that need no engine or cluster, on every other Python found here
	@scripts/test_pythons.sh

testbed: setup ## build what the tests run against, once (some fifteen minutes), into ~/.cache/trueup-testbed
	$(PYTHON) -m tests.testbed.programs

cluster: setup ## start a Kubernetes API server with a node, to be played with, and print its kubeconfig's path
	@$(PYTHON) -m tests.testbed.kubernetes.cluster start build/cluster

cluster-down: setup ## end it
	@$(PYTHON) -m tests.testbed.kubernetes.cluster stop build/cluster

bench: setup ## measure what must be reached
	$(PYTHON) -m bench.walk

bench-kubernetes: setup ## measure Kubernetes, beside kubectl, on a cluster of the test bed
	$(PYTHON) -m bench.kubernetes

bench-compose: setup ## measure Docker Compose hosts, beside docker compose, on an engine of the test bed
	$(PYTHON) -m bench.compose

docs: setup ## build the documentation into site/
	.venv/bin/zensical build --clean --strict

format: setup ## put the sources in order
	.venv/bin/ruff check --fix $(SOURCES)
	.venv/bin/ruff format $(SOURCES)

lock: setup ## write requirements/*.txt from pyproject.toml
	@scripts/lock.sh
