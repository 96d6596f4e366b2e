# make test       set up .venv and run the tests
# make package    build the wheel and the source archive into dist/ and try them
# make reproduce  set up .venv and draw the paper's figures into reproduction/
# make docs       set up .venv and build the pages into docs/_build/html
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=
TESTARGS ?= -n 2
OUT ?= reproduction

.PHONY: setup check format test package notebooks docs reproduce benchmarks clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "jaxent needs Python 3.11 or newer, but $(PYTHON) is older; run: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(STAMP)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# jaxent binds LAPACK to one thread itself; the variable is for what tests decompose without it, two workers at once:
# oracles in NumPy, SciPy and QuTiP, and programs under jax.jit and jax.grad
test: $(STAMP)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTARGS)

package: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m pytest tests/test_package.py

notebooks: $(STAMP)
	$(BIN)/python -m pytest -n 2 --nbmake --nbmake-timeout=600 notebooks

docs: $(STAMP)
	rm -rf docs/_build # pages that are read anew tell all their warnings
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --doctree-dir docs/_build/doctrees docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

reproduce: $(STAMP)
	$(BIN)/jaxent reproduce --out $(OUT) $(ARGS)

benchmarks: $(STAMP)
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv dist reproduction docs/_build docs/_notebooks
