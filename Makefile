# Every verb sets up what it needs: a virtual environment from exact versions, with plain pip.
PYTHON ?= python3
VENV ?= .venv
PHOTOS ?=
OUT ?= demo-output

BIN := $(VENV)/bin
LOCK := requirements/lock.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(LOCK)

.PHONY: demo test test-all lint bench docs clean lock

demo: $(VENV)/.demo  ## Find, compare, identify and cluster faces on real photos; PHOTOS=dir for your own
	$(BIN)/vultus demo --output $(OUT) $(if $(PHOTOS),--photos "$(PHOTOS)")

test: $(VENV)/.dev  ## The tests (some twenty minutes on two cores)
	$(BIN)/python -m pytest
	@echo "not run: slow tests (also those of PostgreSQL), those of the page (a browser) and of a GPU; make test-all"

# What a suite needs and is not here is named, and is no failure. Or SUITES='slow models'.
test-all: $(VENV)/.dev  ## Every suite that can run here, with its minutes
	$(BIN)/python scripts/suites.py $(SUITES)

lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## Every benchmark that can run here; PHOTOS=dir for photos of your own
	$(BIN)/python -m benchmarks $(if $(PHOTOS),--photos "$(PHOTOS)")

docs: $(VENV)/.dev  ## HTML documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:  ## Remove environments, caches and build results
	rm -rf $(VENV) build dist demo-output docs/_build docs/reference/api .pytest_cache .mypy_cache \
	  .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:  ## Renew requirements/lock.txt to the newest versions that work together
	$(PYTHON) scripts/lock.py

$(VENV)/.base: $(LOCK)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vultus needs Python 3.11 or newer; use make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) pip hatchling editables
	touch $@

$(VENV)/.demo: $(VENV)/.base pyproject.toml
	$(PIP) --no-build-isolation --editable '.[demo]'
	touch $@

# torch is pinned like all else: where pip can see a CPU build of that version, it takes it.
$(VENV)/.dev: $(VENV)/.base pyproject.toml
	$(PIP) --no-build-isolation --editable '.[dev]'
	touch $@
