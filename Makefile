# Targets with a "## " comment are listed by "make help".
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help test fast-test explore sim fmt lint doc deny crds servers control-plane bench local-bench soak short-soak page-pictures demo drill drills drills-on-kind drills-on-local smoke install plugin \
	kind-up kind-down images tools clean-cache operator-image kind-check

# auto, pull or build: where the images of the test cluster come from
export IMAGES ?= auto
# of the demo's members; zoneward.local/valkey:8 is there too
REDIS_IMAGE ?= zoneward.local/redis:8
DEMO_OPTIONS ?=
# of the measurements: --what leader|third|zone|followers --timeout 5000,15000 --repetitions 5 --servers valkey-9
BENCH_OPTIONS ?=
# of the drills: names with blanks or commas between them, or all; and where they are played: kind or local
DRILLS ?= all
ON ?= kind
comma := ,
named_drills = $(filter-out all,$(subst $(comma), ,$(DRILLS)))
# random tests roll the same dice each time, so that a change passes or fails for what it is
export PROPTEST_RNG_SEED ?= 20261121
# kind, kubectl and helm of the testbed, and its cluster
export KUBECONFIG ?= $(CURDIR)/target/kind/kubeconfig
export PATH := $(CURDIR)/target/kind/bin:$(PATH)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

test: lint servers control-plane ## all tests but those on kind; fetches servers and Prometheus, builds a control plane and cargo-deny into the cache, installs Chromium
	@e2e/local/chromium
	ZONEWARD_NEEDS_PROMETHEUS=1 ZONEWARD_NEEDS_CHROMIUM=1 cargo test --workspace --locked
	$(MAKE) --no-print-directory doc deny
	charts/check

explore: ## the random tests with new dice, and forty times as many throws
	env -u PROPTEST_RNG_SEED PROPTEST_CASES=10000 cargo test --release --locked -p placement --test properties

sim: ## the loop against a modelled world: SEEDS=n FIRST_SEED=k many histories, SEED=k one as a story
	cargo run --release --locked -p zoneward-sim -- \
		$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --first-seed $(or $(FIRST_SEED),1))

fast-test: ## tests that need nothing but cargo
	cargo test --workspace --locked --lib --test story --test tidy --test crds --test monitoring

lint: ## formatting and clippy, warnings denied; whether the rules to weaken are found
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	e2e/sim/mutate --check

fmt: ## format all Rust
	cargo fmt --all

doc: ## the crates' documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

deny: ## licences, bans and sources of the dependencies; installs a pinned cargo-deny into the cache
	@e2e/tools/cargo-deny

crds: ## write crds/ and the CRD chart's copy out of operator/src/api
	UPDATE_CRDS=1 cargo test --locked -p zoneward-operator --test crds
	cp crds/redisclusters.yaml charts/zoneward-crds/files/redisclusters.yaml

servers: ## redis-server 7.0 and 8.0 and valkey-server 8 and 9, and Prometheus, for the tests, out of Debian packages, into the cache
	@e2e/servers/fetch

control-plane: ## kube-apiserver and etcd for the tests, and helm; built from Go modules into the cache (8 minutes when cold)
	@e2e/kind/programs tools
	@e2e/kind/programs node

bench: servers ## all measurements, each beside its alternative, real servers on loopback; BENCH_OPTIONS='--parts form,roll', report in target/bench; about two hours
	cargo run --release --locked -p zoneward-local -- all $(BENCH_OPTIONS)

local-bench: servers ## outages with the operator and with the bus alone, real servers on loopback; BENCH_OPTIONS, target/local/bench.json
	cargo run --release --locked -p zoneward-local -- bench $(BENCH_OPTIONS)

soak: servers ## random faults and changes under a checking workload, real servers on loopback; HOURS=1 SEED=1, target/local/soak.json
	cargo run --release --locked -p zoneward-local -- soak --hours $(or $(HOURS),1) --seed $(or $(SEED),1)

short-soak: servers ## five minutes of it, in a debug build
	cargo run --locked -p zoneward-local -- soak --hours 0.084 --seed $(or $(SEED),1)

page-pictures: servers ## pictures of the operator's page through a zone loss, into docs/images; installs Chromium and a typeface by apt where missing
	@e2e/local/chromium
	cargo run --locked -p zoneward-local -- page --pictures target/local/page
	mkdir -p docs/images
	cp target/local/page/page-{before,during,after}{,-dark}.png docs/images/

demo: kind-up operator-image install ## the main job on kind: bring up, write, stop a zone, heal, bring it back; installs what kind-up does
	cargo run --locked -p e2e -- demo --image $(REDIS_IMAGE) $(DEMO_OPTIONS)

drills: drills-on-$(or $(ON),kind) ## every drill on kind, or DRILLS=zone-kill,roll; report in target/drills; about 45 minutes; installs what kind-up does; ON=local: those that real servers on loopback can play, report in target/drills/local, about half an hour

drill: drills

drills-on-kind: kind-up operator-image install
	@e2e/kind/images redis:7 valkey:9
	@e2e/kind/load zoneward.local/redis:7 zoneward.local/valkey:9
	cargo run --locked -p e2e -- drill --image $(REDIS_IMAGE) $(named_drills)

drills-on-local: servers
	cargo run --release --locked -p zoneward-local -- drill $(named_drills)

# before anything is built or installed
drills-on-%:
	@echo "error: ON=$*: drills are played with ON=kind or ON=local" >&2; exit 1

smoke: kind-up operator-image install ## the demo with every promise asserted, as CI runs it
	cargo run --locked -p e2e -- demo --assert --image $(REDIS_IMAGE) $(DEMO_OPTIONS)

plugin: ## kubectl zoneward: target/release/kubectl-zoneward, to be copied to a folder in PATH
	cargo build --release --locked -p zoneward-operator --bin kubectl-zoneward

install: ## both charts of this checkout into the test cluster
	@e2e/kind/install

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
