# The verbs for people, hooks and CI. `make demo` needs git, make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
BIN := .venv/bin
# Processes that check types and run the tests; each wants a core and 2 GB.
WORKERS ?= 2
UV_VERSION := 0.13.9
READY := .venv/.ready
# Threads that wait must not spin: on busy cores small tensors are many times faster.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help setup demo check format test cluster cluster-down test-cluster test-images images image-locks lock clean

help:  ## Show the verbs.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## Make .venv from the lock file.

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "concord needs Python 3.11 or newer, got " + sys.version)'
	@command -v uv >/dev/null || test -x .uv/bin/uv || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv==$(UV_VERSION); }
	PATH="$$PATH:$(CURDIR)/.uv/bin" && \
	uv venv --quiet --allow-existing --python $(PYTHON) .venv && \
	uv pip sync --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock && \
	uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)  ## Run the whole loop on the built-in glyphs and ask the served model ten questions.
	$(BIN)/concord demo

check: $(READY)  ## Format, lint, types, imports.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --num-workers $(WORKERS)
	$(BIN)/lint-imports

format: $(READY)  ## Rewrite files in the house format.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check  ## Checks, then the default test suite.
	$(BIN)/pytest -n $(WORKERS) --dist loadscope

cluster: $(READY)  ## Start a Kubernetes cluster of two nodes on this machine (Linux, root); prints `export KUBECONFIG=...`.
	@$(BIN)/python -m tools.testcluster up

cluster-down:  ## Stop it and leave nothing behind but its cached programs.
	@$(PYTHON) -m tools.testcluster down

test-cluster: $(READY)  ## The cluster suite, on the cluster of KUBECONFIG if that is set, else each worker on one of this machine's own.
	@$(BIN)/python -m tools.testcluster run --clusters $(WORKERS) -- \
		$(BIN)/pytest $(if $(KUBECONFIG),,-n $(WORKERS) --dist loadscope --no-loadscope-reorder) -m "cluster and not slow" -rs tests/cluster

lock: pyproject.toml  ## Resolve the lock file again.
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --all-extras --quiet \
		pyproject.toml --output-file requirements.lock

image-locks: $(READY)  ## Resolve the locks of the images again, within requirements.lock.
	$(BIN)/python -m infra.images.locks

images: $(READY)  ## Build the train, serve and flow images; IMAGE_FLAGS="--base NAME ... -- OPTIONS OF THE BUILDER".
	$(BIN)/python -m infra.images.build $(IMAGE_FLAGS)

test-images: $(READY)  ## Build the images, run them on this machine's own cluster, print sizes and start times (minutes, 25 GB).
	@$(BIN)/python -m tools.testcluster run -- $(BIN)/pytest -m "cluster and slow" -s -rs tests/cluster/test_images.py

clean:  ## Remove the environment and caches; state and data stay.
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
