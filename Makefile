# Everything begins here: `make demo` and `make test` need nothing before them.
# As root on a bare Debian they install what is missing; where Docker is, they need no root.

PYTHON := .venv/bin/python
UV := .tools/uv/bin/uv

.DEFAULT_GOAL := help
.PHONY: help setup engine lock check docs tools unit test soak bench demo demo-down clean

help: ## List what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: ## Make .venv from the lock file
	@scripts/setup

engine: setup ## Find the Docker engine; start or install it if need be
	@.venv/bin/junov server engine --install

lock: setup ## Write the lock files in requirements/ anew from pyproject.toml
	@$(UV) pip compile pyproject.toml --quiet --extra compose --group dev --universal \
		--python-version 3.11 --generate-hashes --no-header -o requirements/dev.lock
	@$(UV) pip compile pyproject.toml --quiet --extra compose --extra image --universal \
		--python-version 3.11 --generate-hashes --no-header -o requirements/image.lock
	@echo "lock: requirements/dev.lock and requirements/image.lock are written"

check: setup ## Lint, format, types, and the floors that imports keep to
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) scripts/docs.py --check

tools: setup ## Install what only tests need
	@scripts/test-tools

unit: tools ## Test everything that needs no engine
	.venv/bin/pytest -m "not engine" -n auto

test: engine tools ## Test everything, with real containers
	.venv/bin/pytest -m "not engine" -n auto
	.venv/bin/pytest -m engine

soak: engine tools ## Test what takes long: every kill, at random too, and every fault (SEED=n: again)
	.venv/bin/pytest tests/engine --soak $(if $(SEED),--soak-seed $(SEED))

bench: engine ## Measure it (ONLY=time, concurrency, lost or fresh for one part)
	@$(PYTHON) -m bench $(if $(ONLY),--only $(ONLY))

demo: engine ## A server, a project and its branches, live on this machine
	@$(PYTHON) scripts/demo.py up

demo-down: setup ## Remove every trace of the demo
	@$(PYTHON) scripts/demo.py down

docs: setup ## Write the generated pages anew
	@$(PYTHON) scripts/docs.py

clean: ## Remove what setup, checks and tests left behind
	@rm -rf .venv .tools .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache build dist
	@find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "clean: done"
