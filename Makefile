# Each target first installs what is missing; see scripts/setup.sh. Required:
# Go, Python 3, make and a C compiler.

ARGS     ?=
FRAMES   ?= 5184000
FUZZTIME ?= 30s
ORDERS   ?= 100000
BENCH    ?= Exchange

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lint-full vuln build unit nogocv interop faults environment hostile fuzz sanitize bench bench-nats weak profile api logs clean simulate soak

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing: libraries, and VidGear for the interop suite
	@scripts/setup.sh --python

demo: ## stream the sample video from one process to another (ARGS='...' for its flags)
	@scripts/setup.sh
	@echo 'Building the demo: a minute or two the first time, OpenCV binding included.'
	@go run -buildvcs=false ./examples/demo $(ARGS)

test: ## everything: lint, build, unit, interop and the short fault suite
	@scripts/test.sh all

lint: ## formatting, links, modules, the API, vet, staticcheck
	@scripts/test.sh lint

lint-full: ## and golangci-lint, which takes minutes to build the first time
	@scripts/test.sh lint lint-full

vuln: ## known vulnerabilities in what is used; needs the network
	@scripts/test.sh vuln

build: ## build with gocv, without it, and with the newest gocv
	@scripts/test.sh build

unit: ## unit tests with the race detector, and what the other two builds change
	@scripts/test.sh unit

nogocv: ## vet, build and every unit test without OpenCV
	@scripts/test.sh nogocv

interop: ## this library against the real VidGear
	@scripts/test.sh interop

faults: ## either end killed, frozen, cut off: NETGEAR_FAULT_ROUNDS (20) times each; half an hour, as root
	@scripts/test.sh faults-full

environment: ## no memory, limits of memory, a thousand ends, one processor, cgo's checks, 32 bits, clocks that are set; half an hour (ARGS='memory 386')
	@scripts/setup.sh
	@scripts/environment.sh $(ARGS)

simulate: ## the ends in simulated networks, ORDERS (default 100000) random orders for each test
	@scripts/setup.sh
	@go test -buildvcs=false -tags nogocv -count=1 -timeout 24h -v -run '^TestSimulated' -rapid.checks=$(ORDERS) .

soak: ## FRAMES (default 5184000) frames in each lockstep pattern, each checked: five streams, 80 minutes on two cores; FRAMES=100000: two minutes; ARGS='-faults all -fps 60 -for 1m -pattern all -wire all' for a minute of random faults each
	@scripts/setup.sh
	@go run -buildvcs=false -tags nogocv ./soak -frames $(FRAMES) -pattern lockstep -wire all -o soak.out $(ARGS)

hostile: ## mutated messages and broken handshakes into live ends: NETGEAR_HOSTILE_MESSAGES (1000000) of them
	@scripts/setup.sh
	@NETGEAR_HOSTILE_MESSAGES=$${NETGEAR_HOSTILE_MESSAGES:-1000000} go test -buildvcs=false -race -tags nogocv -count=1 -timeout 12h -v ./hostile $(ARGS)

fuzz: ## every fuzz target for FUZZTIME each (default 30s), or all for FOR=2h together, after a quarter of an hour of building; ARGS=PATTERN: those whose DIRECTORY/NAME matches it (FOR=1m ARGS=pyjson/ to try)
	@scripts/fuzz.sh $(if $(FOR),--for $(FOR),$(FUZZTIME)) $(ARGS)

sanitize: ## the C code under AddressSanitizer, UndefinedBehaviorSanitizer and libFuzzer; a quarter of an hour (ARGS='canaries c': only these steps)
	@scripts/sanitize.sh $(ARGS)

bench: ## beside VidGear, imagezmq and bare libzmq (ARGS=-full: everything, and the plots; ARGS=-sweep: settings)
	@scripts/setup.sh --python
	@go run -buildvcs=false ./bench $(ARGS)

weak: ## frames on weak networks, beside VidGear and imagezmq; a quarter of an hour, as root (ARGS='-only steps -v')
	@scripts/setup.sh --python
	@go run -buildvcs=false ./bench/weak $(ARGS)

bench-nats: ## frames through NATS: how many, how fast, for how much CPU (ARGS='-rounds 1 -only core')
	@scripts/setup.sh
	@go run -buildvcs=false -tags nogocv ./natsbridge/measure $(ARGS)

profile: ## CPU and allocation profiles of the micro-benchmarks, in profiles/ (BENCH=... chooses them)
	@scripts/setup.sh
	@scripts/profile.sh '$(BENCH)'

api: ## write the exported API to api/, which lint compares
	@go run -buildvcs=false ./internal/apilist

logs: ## write the list of log messages to docs/logs.md, which a test compares
	@go run -buildvcs=false ./internal/loglist

.PHONY: load

load: ## many peers at one end: 200 cameras, 64 viewers, 1000 connections; half an hour (ARGS='-only cameras -cameras 50')
	@scripts/setup.sh
	@go run -buildvcs=false -tags nogocv ./soak/load $(ARGS)

.PHONY: licenses sbom
CYCLONEDX = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

licenses: ## write the modules that are linked, with their licenses, to docs/licenses.md
	@scripts/licenses.py

sbom: ## build the command netgear, and list its modules in netgear.cdx.json, as CycloneDX
	@go build -buildvcs=false -o netgear ./cmd/netgear
	@go run $(CYCLONEDX) bin -json -std -output netgear.cdx.json netgear
	@echo 'netgear.cdx.json has the modules of ./netgear.'

clean: ## remove the Python environment and build leftovers
	rm -rf interop/.venv interop/__pycache__
