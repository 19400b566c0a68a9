# Set-up, tests and checks. `make demo` and `make test` are all that a fresh machine needs; `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
VENV_OLDEST ?= .venv-oldest
BIN = $(VENV)/bin

# The pinned set of packages needs a newer Python than the package itself does.
CONSTRAINTS := $(shell $(PYTHON) -c 'import sys; print("constraints.txt" if sys.version_info >= (3, 11) else "constraints-oldest.txt")')
INPUTS = pyproject.toml setup.py $(CONSTRAINTS)
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet

.DEFAULT_GOAL := help
.PHONY: help demo install test test-all test-gpu test-oldest lint types floors smoke clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(VENV)/.installed ## install, train and meter an Early-Bird ticket on real images, print the report
	$(BIN)/energytrain run --name demo
	$(BIN)/energytrain report runs/demo

install: $(VENV)/.installed-test ## the package, editable, with all that its tests and checks need

test: $(VENV)/.installed-test ## the quick tests: under ten minutes on two cores
	$(BIN)/python -m pytest -n 3 --dist loadfile

# Together in one `make test test-all`, the quick tests run once.
test-all: test ## the quick tests, then the slow ones: kill matrices, built wheels
	$(BIN)/python -m pytest -m "slow and not gpu" -n 2 --dist loadfile

test-gpu: $(VENV)/.installed-test ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

test-oldest: ## the quick tests on the oldest Python at hand with the oldest torch supported
	python="$$(sh .ci/oldest-python)" && $(MAKE) test PYTHON="$$python" VENV=$(VENV_OLDEST) CONSTRAINTS=constraints-oldest.txt

lint: $(VENV)/.installed-test ## ruff
	$(BIN)/ruff check .

types: $(VENV)/.installed-test ## mypy, strict
	$(BIN)/mypy

floors: $(VENV)/.installed-test ## the import contract between the rooms; Python 3.8 syntax and library
	$(BIN)/lint-imports
	$(BIN)/vermin --target=3.8- --violations --no-tips --eval-annotations energytrain setup.py

smoke: $(VENV)/.installed-test ## the installed command answers with the right exit statuses; built wheels are whole
	sh .ci/smoke $(BIN)/energytrain
	$(BIN)/python -m pytest -m slow tests/test_packaging.py

clean: ## remove the environments and what was built; runs are kept
	rm -rf $(VENV) $(VENV_OLDEST) build dist *.egg-info

$(VENV)/.created:
	sh .ci/make-venv "$(PYTHON)" "$(VENV)"
	touch $@

$(VENV)/.installed: $(VENV)/.created $(INPUTS)
	@echo "Installing energytrain into $(VENV) with $(CONSTRAINTS) (some minutes the first time)"
	$(INSTALL) -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) -c $(CONSTRAINTS) -e '.[test]'
	touch $@
