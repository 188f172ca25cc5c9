# Everything that a developer runs. Only Go is needed for run, test, lint, race,
# fuzz and build; integration, acceptance and bench also need Java 17 and Maven.

# A make inside a make must not add lines to what `run` prints last.
MAKEFLAGS   += --no-print-directory
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c

GO            ?= go
GOLANGCI      := 2.15.0
WORK          := $(CURDIR)/.work
BIN           := $(WORK)/bin
LINTER        := $(BIN)/golangci-lint-$(GOLANGCI)
TOOL          := $(GO) tool -modfile=scripts/tools/go.mod
FUZZTIME      ?= 10s
SUITE         ?= spine
# Empty: the Go tool writes tag, commit and changes into the binary by itself.
VERSION       ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## the whole pipeline in one process, on real purchases (ARGS="-o json")
	@$(GO) run ./cmd/sluice dev --demo $(ARGS)

.PHONY: test
test: ## the fast tests: Go alone, loopback only
	$(GO) test ./...
	@cd scripts/compose && $(GO) test ./...

.PHONY: check
check: ## everything that CI runs, in its order
	@.ci/run

.PHONY: lint
lint: $(LINTER) ## linters and formatting, with the pinned golangci-lint
	@$(LINTER) run ./...
	@$(GO) vet ./...

.PHONY: fmt
fmt: $(LINTER) ## write what the formatters want
	@$(LINTER) fmt ./...

.PHONY: integration
integration: ## the real-Kafka tests, on three nodes (PKG=./partition/... for some)
	@scripts/integration $(PKG)

.PHONY: acceptance
acceptance: ## checks on real parts: SUITE=spine, ways, budgets, gateway, outages or spread, ONLY=name,name, LONG=1
	@$(GO) run ./scripts/acceptance -suite "$(SUITE)" -only "$(ONLY)" $(if $(LONG),-long)

.PHONY: chaos
chaos: ## faults drawn from a seed on real parts: SEED=1, MINUTES=2, RUNS=1 of consecutive seeds, V=1 tells all
	@$(GO) run ./scripts/chaos -seed "$(or $(SEED),1)" -minutes "$(or $(MINUTES),2)" -runs "$(or $(RUNS),1)" $(if $(V),-v)

.PHONY: bench
bench: ## the whole path beside a reference, then micro-benchmarks (ONLY=batch, SHORT=1)
	@$(GO) run ./scripts/bench -only "$(or $(ONLY),all)" $(if $(SHORT),-short)
	@scripts/bench/micro $(PKG)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME=10s
	@scripts/fuzz $(FUZZTIME) $(PKG)

.PHONY: race
race: ## the fast tests under the race detector, COUNT=1 times (PKG=./sink/... for some)
	@$(TOOL) gotestsum --format pkgname --hide-summary skipped -- -race -count=$(or $(COUNT),1) $(or $(PKG),./...)

.PHONY: build
build: ## the binary, in .work/bin (VERSION=v1.2.3 where there is no git history)
	@CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-s -w -X main.stampedVersion=$(VERSION)" -o $(BIN)/sluice ./cmd/sluice
	@echo $(BIN)/sluice

.PHONY: man
man: build ## the manual pages, in .work/man
	@$(BIN)/sluice man $(WORK)/man

.PHONY: kafka-up
kafka-up: ## a real Kafka on 127.0.0.1: NODES=1 or 3, PORT0=20000
	@scripts/kafka/up

.PHONY: kafka-down
kafka-down: ## stop it (WIPE=1 removes its data)
	@scripts/kafka/down

# Its dependency graph is several times ours, so it stays out of scripts/tools.
$(LINTER):
	@mkdir -p $(BIN)
	@echo "installing golangci-lint $(GOLANGCI), once"
	@GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI)
	@mv $(BIN)/golangci-lint $(LINTER)
