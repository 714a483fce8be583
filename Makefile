# make run: set up and draw the first picture. make test: every test. Needs Python >= 3.11, git and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PYTEST_WORKERS ?= 2
# Every process that a test starts would compile the libraries anew.
unexport PYTHONDONTWRITEBYTECODE
# Two test processes share the cores: threads that wait should sleep.
export OMP_WAIT_POLICY ?= passive

.PHONY: run test check format lock bench clean

run: $(READY)
	$(BIN)/dagfusion run graphs/text_to_image.json --out output

test: $(READY)
	$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/dagfusion bench table --into README.md --headlines --check
	$(BIN)/dagfusion bench table --into docs/benchmarks.md --check

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/dagfusion bench overhead

# The lock is a plain requirements file without any index address in it.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 \
	  --no-emit-index-url --no-header -q -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "dagfusion needs Python >= 3.11; try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

clean:
	rm -rf .venv output temp .mypy_cache .ruff_cache .pytest_cache .hypothesis
