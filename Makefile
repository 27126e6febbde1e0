# Targets with a "## " comment are listed by "make help".
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help kind-up kind-down images tools clean-cache operator-image kind-check

# auto, pull or build: where the images of the test cluster come from
export IMAGES ?= auto

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

tools: ## kind, kubectl and helm at pinned versions into target/kind/bin; installs curl, or builds them with Go, where needed
	@e2e/kind/programs tools

images: ## node, Redis and Valkey images; installs and starts a Docker engine, and mmdebstrap, where they are missing (root, Debian)
	@e2e/kind/images

kind-up: ## the test cluster: 3 zones of 2 hosts; installs what tools and images do, and nftables; kubeconfig in target/kind
	@e2e/kind/up

kind-check: ## check that the test cluster does all that the drills need; installs nothing
	@e2e/kind/check

kind-down: ## delete the test cluster; images, cache and engine stay
	@e2e/kind/down

operator-image: ## zoneward.local/operator:dev, static, from scratch, loaded into the test cluster if it is up; needs cargo
	@e2e/kind/operator-image

clean-cache: ## delete the test cluster, its images and the cache of built programs; stop the engine if it was started here
	@e2e/kind/clean-cache
