# Every target sets up what it needs first; setting up again is instant when nothing changed.
PYTHON ?= python3
BIN := .venv/bin
DEMO := demo
WORKERS ?= 2
# The stack's variables; without it, terraform/config.tfvars where there is one.
CONFIG ?=
STACK = $(BIN)/tfod stack $(if $(CONFIG),--config $(CONFIG))

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-upstream lint format bench constraints clean \
	image image-cuda test-image sbom plan apply teardown runtask-config push smoke checkov

help:  ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup:  ## Make .venv with TensorFlow, TFOD and the toolkit
	@$(PYTHON) scripts/bootstrap.py train

setup-dev:
	@$(PYTHON) scripts/bootstrap.py dev

demo: setup  ## Train a detector from nothing and draw what it finds (about 5 minutes)
	@$(BIN)/python scripts/demo.py $(DEMO)

test: setup-dev  ## Run every test (about 25 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 $(ARGS)

test-upstream: setup-dev  ## Run TFOD's own tests against the list of those that cannot pass
	$(BIN)/python scripts/test_upstream.py --workers $(WORKERS) $(ARGS)

lint: setup-dev  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint docker/Dockerfile

format: setup-dev  ## Put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup-dev  ## Measure the toolkit beside TFOD's own scripts
	$(BIN)/python -m benchmarks $(ARGS)

image:  ## Build tfod:cpu, to train in a container on CPUs, and tfod-backup:latest
	@$(PYTHON) docker/images.py build cpu sidecar $(ARGS)

image-cuda:  ## Build tfod:cuda, for NVIDIA GPUs, and tfod-backup:latest: what `make push` pushes
	@$(PYTHON) docker/images.py build cuda sidecar $(ARGS)

test-image: setup-dev  ## Build the images and run the whole job in them, without a registry too
	TFOD_REQUIRE=docker $(BIN)/python -m pytest tests/docker $(ARGS)

sbom: setup-dev  ## Write what is inside the images, as CycloneDX, into build/ (ARGS="cuda" for that one)
	@$(BIN)/python docker/sbom.py $(or $(ARGS),cpu sidecar)

constraints: setup-dev  ## Resolve constraints.txt anew
	$(BIN)/python scripts/update_constraints.py

plan: setup  ## Say what `make apply` would do, and what it will cost
	@$(STACK) plan $(ARGS)

apply: setup  ## Provision the GPU cluster in your AWS account: shows a plan and its cost, and asks
	@$(STACK) apply $(ARGS)

teardown: setup  ## Take the cluster away again; asks
	@$(STACK) destroy $(ARGS)

runtask-config: setup  ## Write configs.json, which `tfod runtask` reads
	@$(STACK) outputs --out configs.json

push: setup  ## Push both images to the stack's repositories
	@$(STACK) push $(ARGS)

smoke: setup  ## Walk through a first run on a real account (not yet run by anybody; about 1 USD)
	@$(BIN)/python scripts/smoke.py $(ARGS)

checkov: .tools/checkov/bin/checkov  ## Check the stack's terraform against checkov's policies
	$< -d terraform --config-file terraform/.checkov.yaml

# In an environment of its own: it needs other versions of what we use.
.tools/checkov/bin/checkov:
	$(PYTHON) -m venv .tools/checkov
	.tools/checkov/bin/pip install -q checkov==3.3.30

clean:  ## Remove what the demo and the builds left
	rm -rf $(DEMO) build dist .pytest_cache .mypy_cache .ruff_cache
