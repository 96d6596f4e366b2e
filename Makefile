# make test       set up .venv and run the tests that take seconds
# make test-all   all tests: those listed in tests/slow.txt, too
# make package    build the wheel and the source archive into dist/ and try them
# make reproduce  set up .venv and draw the paper's figures into reproduction/
# make docs       set up .venv and build the pages into docs/_build/html
# make benchmarks-compare  what the benchmarks of now took more than the committed ones
# make test-matrix  the tests on the newest and the oldest promised versions of Python and JAX, in .venv-matrix
# make accelerators  set up .venv-accelerators and compile for a GPU and TPUs, of which none is needed
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=
TESTARGS ?= -n 2
OUT ?= reproduction
AHEAD := .venv-accelerators

.PHONY: setup check format test test-all package notebooks docs reproduce benchmarks benchmarks-compare accelerators test-matrix test-version clean

setup: $(STAMP)

# enough to compute with
$(BIN)/jaxent: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "jaxent needs Python 3.11 or newer, but $(PYTHON) is older; run: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# and what tests and pages need
$(STAMP): $(BIN)/jaxent
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

test-all: $(STAMP)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not thorough' --hypothesis-profile=fresh $(TESTARGS)

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

reproduce: $(BIN)/jaxent
	$(BIN)/jaxent reproduce --out $(OUT) $(ARGS)

benchmarks: $(STAMP)
	for script in $(filter-out benchmarks/accelerators.py benchmarks/compare.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$script || exit 1; done

benchmarks-compare: $(STAMP)
	$(BIN)/python benchmarks/compare.py

# the suite on other versions: the newest JAX on the newest Python, and the oldest that is promised
MATRIX ?= 3.13:newest 3.11:0.7.0
test-matrix:
	for pair in $(MATRIX); do version=$${pair%:*}; \
	  python=$$(ls $(HOME)/.pyenv/versions/$$version*/bin/python 2>/dev/null | tail -n 1); \
	  $(MAKE) test-version PYTHON=$${python:-python$$version} JAX=$${pair#*:} || failed=1; done; exit $$failed

# with all optimizations, which the tests beside leave out where programs run once
test-version:
	$(PYTHON) -m venv --clear .venv-matrix
	.venv-matrix/bin/python -m pip install --quiet --upgrade pip
	.venv-matrix/bin/python -m pip install --quiet --editable '.[test,docs]' \
	  $(if $(filter newest,$(JAX)),jax jaxlib,jax==$(JAX) jaxlib==$(JAX))
	JAXENT_OPTIMIZED=1 OPENBLAS_NUM_THREADS=1 .venv-matrix/bin/python -m pytest $(TESTARGS)

# the newest JAX, which wants a newer Python; the CUDA plug-in without the CUDA libraries (3 GB), as nothing is run
$(AHEAD)/.installed: pyproject.toml
	@for python in $(PYTHON) python3.14 python3.13 python3.12 $(wildcard $(HOME)/.pyenv/versions/3.1[2-9]*/bin/python); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && exec $$python -m venv $(AHEAD); done; \
	  echo "make accelerators needs Python 3.12 or newer; run: make PYTHON=python3.13 accelerators"; exit 1
	$(AHEAD)/bin/python -m pip install --quiet --upgrade pip
	$(AHEAD)/bin/python -m pip install --quiet --editable . libtpu
	version=$$($(AHEAD)/bin/python -c 'import jaxlib; print(jaxlib.__version__)'); \
	  $(AHEAD)/bin/python -m pip install --quiet --no-deps "jax-cuda12-plugin==$$version" "jax-cuda12-pjrt==$$version"
	@touch $(AHEAD)/.installed

accelerators: $(AHEAD)/.installed
	$(AHEAD)/bin/python benchmarks/accelerators.py $(ARGS)

clean:
	rm -rf .venv .venv-matrix $(AHEAD) dist reproduction docs/_build docs/_notebooks
