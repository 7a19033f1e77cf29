# Everything starts here. A fresh Debian machine with Rust and a C compiler needs nothing else by hand.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEMO_DATA ?= target/demo
DEMO_ARGS ?= --exit

.PHONY: demo test lint unit bench bench-keep instructions stages golden plot load simulate mutants torture fuzz setup help

help: ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

demo: setup ## the switch at work: three providers, real payments over TLS, a real journal
	$(CARGO) run --release --bin switch -- demo --data $(DEMO_DATA) $(DEMO_ARGS)

test: setup lint unit ## everything that must hold before a change goes in

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(CARGO) clippy -p switch --all-targets --features parquet,stages --quiet -- -D warnings

unit:
	$(CARGO) test --workspace

bench: setup ## criterion benches of every stage, compared with the last kept result (BENCH=NAME for some of them)
	$(CARGO) run --release -p benches --bin guard -- $(BENCH)

bench-keep: setup ## the same, and keeps the medians as the result of today: on a quiet machine
	$(CARGO) run --release -p benches --bin guard -- --keep

instructions: setup ## instructions of the hot functions, counted: the same on a busy machine
	@command -v valgrind >/dev/null || { echo "valgrind counts the instructions, and is missing; nothing else needs it. As root: apt-get install valgrind" >&2; exit 1; }
	$(CARGO) build --release -p benches --bin instructions
	$(TARGET)/release/instructions

stages: setup ## nanoseconds and instructions of a payment in each stage of the running switch: on a quiet machine
	@command -v valgrind >/dev/null || { echo "valgrind counts the instructions, and is missing; nothing else needs it. As root: apt-get install valgrind" >&2; exit 1; }
	$(CARGO) build --release -p switch --features stages
	cp $(TARGET)/release/switch $(TARGET)/release/switch-with-stages
	$(CARGO) build --release --bin switch --bin loadtest --bin stages
	$(TARGET)/release/stages --plain $(TARGET)/release --staged $(TARGET)/release/switch-with-stages

golden: setup ## makes the golden journal anew, switch/tests/golden: only while nothing is deployed
	$(CARGO) test -p switch --test pipeline make_the_golden_journal -- --ignored

plot: setup ## throughput against latency, searched: the picture of the README and its figures: on a quiet machine
	$(CARGO) build --release --bin switch --bin loadtest
	$(TARGET)/release/loadtest max --spawn --slo p99=50ms --step 10 --confirm 30 --plots $(TARGET)/plots --out $(TARGET)/plots/max.json
	cp $(TARGET)/plots/throughput-latency.svg benches/results/throughput-latency.svg

load: setup ## how many payments a second, on this machine, generator included
	$(CARGO) build --release --bin switch --bin loadtest
	$(TARGET)/release/loadtest run --spawn --rate max --duration 10

simulate: setup ## a hundred seeds of a minute each, with everything going wrong
	$(CARGO) run --release --bin switch -- simulate --seed 1 --seeds 100

mutants: setup ## does the simulator find bugs? every defect of switch/mutants.toml, and the seed that finds it
	$(CARGO) run -p switch --example mutants

torture: setup ## real processes killed, stopped and starved under load (TORTURE_SEED, TORTURE_ROUNDS)
	$(CARGO) test -p switch --test process what_providers_recorded -- --ignored --nocapture

fuzz: setup ## bytes from anybody for every decoder of the adapters (FUZZ_SECONDS each, 60 if not said; FUZZ=TARGET for one)
	CARGO_TARGET_DIR=$(abspath $(TARGET)) adapters/fuzz/run $(FUZZ)

# Installs what the commands above need and the machine lacks.
setup:
	@command -v $(CARGO) >/dev/null || { echo "install Rust first: the toolchain installer for your system, stable channel" >&2; exit 1; }
	@command -v cc >/dev/null && command -v python3 >/dev/null || $(MAKE) --no-print-directory packages
	@[ ! -d $(SCHEMAS) ] || command -v xmllint >/dev/null || $(MAKE) --no-print-directory xmllint
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy

# The C compiler builds the cryptography and the allocator; Python reads the golden files of the protocol's document. Valgrind,
# for `make instructions` alone, and C++, for `make fuzz` alone, are left to whoever wants those.
# The published schemas of ISO 20022 are nobody's to copy: where their folder is, the tests validate every message that is written.
SCHEMAS := $(or $(ISO20022_XSD),../shared/iso20022/xsd)
.PHONY: xmllint
xmllint:
	@{ [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq libxml2-utils; } || \
	 echo "xmllint is missing (apt-get install libxml2-utils): messages are not validated against their schemas" >&2

.PHONY: packages
packages:
	@[ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq gcc libc6-dev make python3 || \
	 { echo "as root: apt-get install gcc libc6-dev make python3" >&2; exit 1; }
