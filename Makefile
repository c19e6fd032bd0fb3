# make sweep: the main job, in an environment of its own.   make test: the tests, likewise.
# VENV=dir puts the environment elsewhere; PYTHON=python3.12 chooses the interpreter.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(wildcard csrc/*.[ch]) _ringtree/build.py setup.py pyproject.toml
RANKS ?= 1 2 3 5 8

.PHONY: sweep train test unit mpi lint sanitize clean

sweep: $(VENV)/run
	$(BIN)/ringtree sweep ppu-8 --algorithm ring,tree,auto --sizes 1KiB:64MiB:x4 -o sweep.png

train: $(VENV)/run
	$(BIN)/ringtree train --board c500-8

test: unit mpi

unit: $(VENV)/test
	$(BIN)/python -m pytest -q

mpi: $(VENV)/test
	@for ranks in $(RANKS); do \
	    echo "== $$ranks ranks"; \
	    PATH="$(abspath $(BIN)):$$PATH" $(BIN)/mpiexec -n $$ranks $(BIN)/python -m pytest -q --with-mpi --only-mpi tests \
	        || exit 1; \
	done

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror csrc/*.[ch]
	gcc -std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE -DRT_BUILD_HASH=0 -fsyntax-only csrc/*.c

# The core under AddressSanitizer and UndefinedBehaviorSanitizer, through the same tests.
sanitize: $(VENV)/test
	PATH="$(abspath $(BIN)):$$PATH" sh scripts/sanitize.sh $(abspath $(BIN))/python

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ".[mpi,plot,train]"
	@touch $@

$(VENV)/test: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ".[mpi,plot,train,test]"
	@touch $@ $(VENV)/run

$(VENV)/dev: $(VENV)/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
