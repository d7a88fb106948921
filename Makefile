# Every target makes the environment it needs, in .venv, and needs nothing but Python 3.11 or newer.
# To choose the Python: make book PYTHON=/path/to/python3

.DEFAULT_GOAL := help
.PHONY: help book serve test lab clean bench lock environment
SHELL := /bin/sh
.NOTPARALLEL:

# Nothing of another Python, of another environment or of personal settings may change what the book computes and draws.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONOPTIMIZE PYTHONWARNINGS PYTHONSAFEPATH
unexport MATPLOTLIBRC MPLBACKEND VIRTUAL_ENV
export PYTHONNOUSERSITE := 1
export IPYTHONDIR := $(CURDIR)/.venv/ipython
export MPLCONFIGDIR := $(CURDIR)/.venv/matplotlib
export JUPYTER_PREFER_ENV_PATH := 1

RUN := PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

book: environment  ## run the notebooks and build the site, and say where it is
	@$(RUN) tools/build.py

serve: book  ## build the site and serve it on this machine, and say at which address
	@$(RUN) tools/serve.py

test: environment  ## run everything that guards the book
	@$(RUN) tools/run_tests.py

lab: environment  ## open the notebooks in JupyterLab, with live controls (ARGS="..." goes to JupyterLab)
	@$(RUN) -m jupyterlab $(ARGS)

clean:  ## leave the tree as it was cloned
	@if [ ! -e .venv ] || [ -e .venv/made-by-make ]; then rm -rf .venv; else echo ".venv was not made by make: left alone."; fi
	@rm -rf _build answers_that_run.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .jupyter_cache __pycache__
	@find chapters tests tools utils \( -name __pycache__ -o -name .ipynb_checkpoints -o -name .ruff_cache -o -name .pytest_cache -o -name .mypy_cache \) -prune -exec rm -rf {} +
	@echo "Removed what make had made."

bench: environment  ## measure the build, the pages, the controls and the algorithms
	@$(RUN) tools/bench.py

lock:  ## choose the newest versions requirements.txt allows and pin them (for maintainers)
	@$(find_python); "$$python" tools/environment.py --lock

environment:
	@$(find_python); "$$python" tools/environment.py

# Sets $python to the Python that was asked for, else to the first that runs and is new enough: a name on the PATH
# may be an old Python, or a stub that runs nothing.
define find_python
new_enough() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
python=; \
if [ -n "$(PYTHON)" ]; then \
  if new_enough "$(PYTHON)"; then python="$(PYTHON)"; \
  else echo "PYTHON=$(PYTHON) does not run, or is older than Python 3.11." >&2; exit 1; fi; \
else \
  for name in .venv/bin/python python3 python3.14 python3.13 python3.12 python3.11 python; do \
    if new_enough $$name; then python=$$name; break; fi; \
  done; \
fi; \
if [ -z "$$python" ]; then \
  echo "This book needs Python 3.11 or newer, and found $$(command -v python3 >/dev/null && python3 --version 2>&1 || echo none)." \
    "Install one, or name it: make $(or $(MAKECMDGOALS),book) PYTHON=/path/to/python3" >&2; \
  exit 1; \
fi
endef
