# make quickstart   sets up (.venv), trains a small network, scores it, leaves before/after pictures
# make test         sets up, runs all tests
# make lint         ruff and mypy
# make docs         builds the documentation into build/site; warnings, dead links and external assets are errors
# make web          builds the page that enlarges pictures in a browser, for `lapsrn web`; needs Node
# make web-test     tests the page in Chromium beside the package
# make amx          compiles the recursive block for training on CPUs with AMX; needs a C++ compiler
# make test-oldest  the tests on Python 3.11 with the oldest allowed dependencies

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
RUN := runs/quickstart
# Two files of tests at a time.
PYTEST := -m pytest -n 2 --dist loadfile

# The newest Python that works (a pyenv shim can be there without its version): newer ones have a faster jax.
PYTHON ?= $(shell for v in 3.13 3.12 3.11; do \
	for p in python$$v "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$v.*/bin/python; do \
	"$$p" -c 'import ensurepip, sys; print(sys.executable)' 2>/dev/null && exit; done; done; true)
OLDEST_PYTHON ?= $(shell for p in python3.11 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.11.*/bin/python; do \
	"$$p" -c 'import ensurepip, sys; print(sys.executable)' 2>/dev/null && exit; done; true)
# The CUDA wheels are 2 GB: only where there is a driver for them.
EXTRAS := dev,datasets,ray$(shell nvidia-smi -L >/dev/null 2>&1 && echo ,cuda12)

KINDS := $(foreach runtime,webgpu wasm,$(addprefix $(runtime),.onnx _fast.onnx _photo.onnx _photo_fast.onnx))
NETWORKS := $(foreach scale,2 4 8,$(addprefix web/networks/x$(scale)_,$(KINDS)))

.PHONY: quickstart test test-oldest lint docs web web-test amx clean

quickstart: .venv/ready
	.venv/bin/python train.py --config configs/quickstart.py --workdir $(RUN)
	.venv/bin/python evaluate.py --ckpt $(RUN) --data bundled --scales 2 --save-images $(RUN)/images
	@echo "before and after: $(RUN)/images/bundled/x2/*_comparison.png"

# Optimising programs that run once took a third of the time. `make test-oldest` tests them as users run them.
test: .venv/ready
	XLA_FLAGS=--xla_backend_optimization_level=0 .venv/bin/python $(PYTEST) $(ARGS)

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

docs: .venv/docs-ready
	.venv/bin/zensical build --strict --clean
	if [ -e lapsrn_jax/page/index.html ]; then rm -r build/site/page && cp -r lapsrn_jax/page build/site/page; fi
	.venv/bin/python -m tools.check_links build/site $$(git ls-files '*.md')

web: web/node_modules/ready $(NETWORKS)
	cd web && npx tsc && npx vite build

web-test: web
	.venv/bin/python -m pytest tests/web $(ARGS)

test-oldest: .venv-oldest/ready
	.venv-oldest/bin/python $(PYTEST) $(ARGS)

amx: .venv/ready
	$(CXX) -std=c++17 -O3 -march=sapphirerapids -fPIC -shared lapsrn_jax/models/amx/block.cc $$(.venv/bin/python -c \
		'import jax; from lapsrn_jax.models import amx; print("-isystem", jax.ffi.include_dir(), "-o", amx.LIBRARY)')

.venv/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python from 3.11 to 3.13 found; set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "setting up .venv with $(PYTHON), extras $(EXTRAS)"
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e .[$(EXTRAS)]
	touch $@

# The page's networks, such as x4_wasm.onnx, and x4_wasm_photo_fast.onnx for photos, with half of the recursions.
web/networks/x%.onnx: $(wildcard lapsrn_jax/weights/cms-lapsrn*.safetensors) $(wildcard lapsrn_jax/export/*.py) | .venv/ready
	mkdir -p web/networks
	.venv/bin/lapsrn export $@ --scale $(firstword $(subst _, ,$*)) \
		--weights cms-lapsrn$(if $(findstring photo,$*),-photo) \
		$(if $(findstring fast,$*),--fast) $(if $(findstring wasm,$*),--winograd)

web/node_modules/ready: web/package.json web/package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
		|| { echo "error: the page needs Node 20.19 or newer, with npm: install it, or put it on the PATH" >&2; exit 2; }
	cd web && npm ci
	touch $@

.venv/docs-ready: .venv/ready
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e .[docs]
	touch $@

.venv-oldest/ready: pyproject.toml
	@test -n "$(OLDEST_PYTHON)" || { echo "error: no Python 3.11 found; set OLDEST_PYTHON=/path/to/python" >&2; exit 2; }
	$(OLDEST_PYTHON) -m venv --clear .venv-oldest
	$(OLDEST_PYTHON) tests/oldest.py > .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check -e .[dev] -c .venv-oldest/constraints.txt
	touch $@

clean:
	rm -rf .venv .venv-oldest
