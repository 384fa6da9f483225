# `make` lists the targets; each says in one line what it does.
.DEFAULT_GOAL := list
.PHONY: list setup
PYTHON := .venv/bin/python

list: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv with everything installed (quick when nothing changed)
	@scripts/setup.sh
