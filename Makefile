# Every target sets up what it needs: see scripts/deps.sh.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOFLAGS  := -trimpath
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s
export CGO_ENABLED ?= 0

.PHONY: help
help: ## show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

.PHONY: deps
deps: ## install what is missing: PostgreSQL's server programs
	@scripts/deps.sh

.PHONY: build
build: ## build bin/orgcast
	go build $(GOFLAGS) -ldflags '$(LDFLAGS)' -o bin/orgcast ./cmd/orgcast

.PHONY: demo
demo: deps-demo build ## a throwaway PostgreSQL, orgcast on it, and an application with a page
	bin/orgcast demo

.PHONY: deps-demo
deps-demo:
	@scripts/deps.sh demo

.PHONY: test
test: deps-test check test-go fuzz ## everything: checks, all tests with -race, every fuzz target

.PHONY: deps-test
deps-test: # with the race detector, and the demo's page in a real browser
	@scripts/deps.sh test

.PHONY: test-go
test-go: # the race detector needs cgo, and only it
	CGO_ENABLED=1 go test -race -timeout 12m ./...

.PHONY: test-proxies
test-proxies: ## deploy/proxies, with the real nginx, HAProxy and Caddy
	@scripts/deps.sh proxies
	CGO_ENABLED=1 go test -race -tags proxies -run TestBehindAProxy -v ./internal/e2e

.PHONY: test-postgres
test-postgres: ## the tests that need a PostgreSQL, on 14 to 18 (needs npm)
	scripts/test-postgres.sh

SEED ?= 0
FOR  ?= 3m30s
.PHONY: verify
verify: deps ## is every change delivered once, in order, through anything? SEED=n repeats a run, FOR=1h makes it long
	go run ./verify -seed $(SEED) -for $(FOR)

.PHONY: verify-planted
verify-planted: deps ## are known faults caught, when they are planted into the server?
	go run ./verify -seed $(SEED) -planted

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: check
check: ## format, vet, staticcheck, structure
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	go vet ./... && go vet -tags proxies ./internal/e2e && go vet -tags plant ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	go test -run 'TestImports' .

WHAT ?= latency giant consumer streams idle log session
.PHONY: bench
bench: deps ## the figures: WHAT=latency, giant, consumer, streams, idle, log or session (bench/README.md)
	@for what in $(WHAT); do go run ./bench $$what; echo; done

.PHONY: bench-go
bench-go: ## the rooms' own benchmarks
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
