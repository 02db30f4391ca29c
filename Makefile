# Sets up .venv from requirements.lock, then works in it. Nothing here needs root.
#
# pip's own settings hold. Where PIP_EXTRA_INDEX_URL names PyTorch's index of CPU builds, the small
# build of it is taken; a plain pip takes the one with CUDA, which needs a few GB.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: help demo test test-all fuzz bench notebooks lint setup lock clean

PYTHON ?= python3
FUZZ ?= --cases 10000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal
# There while .venv is what these files ask for, in this place.
KEY := $(shell { pwd; cat requirements.lock setup.cfg pyproject.toml; } | sha256sum | cut -c -16)
READY := .venv/ready-$(KEY)

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY)  ## train, compile and run iris networks, and print what came out
	@$(BIN)/bitfold demo

test: lint  ## the everyday tests
	$(PYTEST) -m "not slow"

test-all: lint  ## the slow sweeps too
	$(PYTEST)

fuzz: $(READY)  ## read mutated files of every format; FUZZ='--minutes 120' for hours of them
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ)

bench: $(READY)  ## measure everything in benchmarks/ and write docs/benchmarks.md
	@$(BIN)/python benchmarks/run.py

notebooks: $(READY)  ## execute the notebooks and write docs/notebooks
	@$(BIN)/python notebooks/render.py

lint: $(READY)  ## check format and style
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m ruff check

setup:  ## give .venv every version that requirements.lock names
	@rm -f .venv/ready-*
	$(MAKE) --no-print-directory $(READY)

lock:  ## write the versions in .venv to requirements.lock
	@{ sed '/^[^#]/,$$d' requirements.lock
	$(BIN)/python -m pip freeze --all --exclude pip --exclude-editable \
	| sed -E '/^(nvidia|cuda|triton)/d; s/^(torch==[^+]*).*/\1/'; } > .venv/requirements.lock
	mv .venv/requirements.lock requirements.lock

clean:  ## remove .venv and all that was built in this folder
	@rm -rf .venv .cache .hypothesis .pytest_cache .ruff_cache dist *.egg-info notebooks/made bitfold-demo
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY):
	@missing=
	need() { echo "bitfold needs $$1; install it (Debian, Ubuntu): sudo apt install $$2"; missing=yes; }
	python=
	for candidate in '$(PYTHON)' python3.13 python3.12 python3.11; do
	  if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2> /dev/null
	  then python=$$(command -v "$$candidate"); break; fi
	done
	if [ -z "$$python" ] && ! command -v '$(PYTHON)' > /dev/null
	then need "Python 3.11 to 3.14" "python3 python3-venv"
	elif [ -z "$$python" ]
	then need "Python 3.11 to 3.14, and $(PYTHON) is another" "python3.11 python3.11-venv"
	elif ! "$$python" -c 'import venv, ensurepip' 2> /dev/null
	then need "the venv module of $$python" "$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
	fi
	for tool in g++ make; do command -v $$tool > /dev/null || need $$tool $$tool; done
	[ -z "$$missing" ] || exit 1
	say() { echo "bitfold set-up: $$1"; }
	say "making .venv with $$("$$python" --version)"
	"$$python" -m venv .venv
	say "installing PyTorch (the largest part)"
	$(PIP) -c requirements.lock "$$(grep '^torch==' requirements.lock)"
	say "installing the other $$(grep -c '^[^#].*==' requirements.lock) packages of requirements.lock"
	$(PIP) --no-deps -r requirements.lock
	say "installing bitfold itself"
	$(PIP) --no-deps --no-build-isolation -e .
	rm -f .venv/ready-*
	touch $@
	say "done"
