# Two commands matter: `make run` and `make test`. Both build .venv on first use.
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready

.PHONY: run test check shots bench clean
.DEFAULT_GOAL := run

$(READY): packaging/constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "PEScape needs Python 3.11 or newer; $$($(PYTHON) --version) is here."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Python's venv is missing. On Debian: apt install python3-venv"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once; a few minutes, mostly PyTorch and VTK) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c packaging/constraints.txt -e ".[test]"
	@touch $@

run: $(READY)
	@$(PY) -m compileall -q app core widgets  # so that every start is a fast one
	@$(PY) -m app

test: $(READY)
	@QT_QPA_PLATFORM=offscreen $(PY) -m pytest

check: $(READY)
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@QT_QPA_PLATFORM=offscreen $(PY) -m pytest -m "not slow"

shots: $(READY)
	@$(PY) -m resources.make_shots

bench: $(READY)
	@QT_QPA_PLATFORM=offscreen $(PY) -m tests.benchmarks $(if $(FULL),--full)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache
