# The front door. Needs GNU make, bash, a Rust toolchain, a C linker, python3 and pip.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
PYTHON ?= python3
# The programs must end up in target/release, wherever a user's other projects are built.
export CARGO_TARGET_DIR := $(CURDIR)/target
unexport CARGO_BUILD_TARGET

SCHLIFF := target/release/schliff
QUICKSTART_JOB := configs/jobs/quickstart.toml
# Features that the default build leaves out.
FEATURES := wgpu cuda nccl mpi
# The whole workspace once more, so that every crate below is compiled with the same features.
WITH_MPI := --workspace --features schliff-trainer/mpi
FETCH_MODEL := $(PYTHON) reference/fetch_smollm2.py
FETCH_S3 := $(PYTHON) reference/fetch_seaweedfs.py
TEST_CUT := slurm/dev/with.sh --netns $(CARGO) test --release --locked --workspace --test slurm cut::
FETCH_NCCL := $(PYTHON) reference/fetch_nccl.py

.PHONY: help build quickstart test check sim sim-mutations
.PHONY: slurm-up slurm-down test-slurm test-slurm-long bench-slurm
.PHONY: bench bench-train bench-collective bench-checkpoint bench-precision bench-coordinator
.PHONY: parity reference-env clean build-mpi test-mpi test-nccl test-postgres test-gpu-software test-browser test-cuda-kernels gpu-check check-features
.PHONY: rust-tools python-tools model s3 quickstart-inputs

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' Makefile

# The whole workspace, so that the tests use the same compiled crates.
build: rust-tools ## Build target/release/schliff and target/release/schliff-trainer
	$(CARGO) build --release --locked --workspace

quickstart: rust-tools python-tools ## Fine-tune SmolLM2-135M on German commands: before and after
	@$(MAKE) -j2 build quickstart-inputs
	$(SCHLIFF) run $(QUICKSTART_JOB) --out quickstart/out --force

quickstart-inputs: python-tools
	@$(FETCH_MODEL) --link quickstart/smollm2-135m-instruct.gguf >/dev/null
	@$(PYTHON) configs/quickstart/build_dataset.py --out quickstart/data

test: rust-tools python-tools ## Run all tests
	@$(MAKE) -j2 build model s3
	SCHLIFF_TEST_SMOLLM2="$$($(FETCH_MODEL))" SCHLIFF_TEST_WEED="$$($(FETCH_S3))" \
	  slurm/dev/with.sh $(CARGO) test --release --locked --workspace
	$(TEST_CUT)

# A program of its own: whoever has no MPI library could not even load it.
build-mpi: rust-tools ## Build target/release/schliff-trainer-mpi, for --collective mpi
	@reference/mpi_packages.sh
	$(CARGO) build --release --locked $(WITH_MPI) --bin schliff-trainer-mpi

test-mpi: build ## Test ranks under mpirun with a real MPI library
	@$(MAKE) build-mpi
	SCHLIFF_TEST_PROGRAMS="$(CURDIR)/target/release" \
	  $(CARGO) test --release --locked $(WITH_MPI),schliff-tests/mpi --test mpi

# Without a GPU: its version, the group's id over the rendezvous, and every way in which it can fail.
test-nccl: rust-tools python-tools ## Test the feature nccl with NVIDIA's real library (201 MB to fetch)
	SCHLIFF_TEST_NCCL="$$($(FETCH_NCCL))" \
	  $(CARGO) test --release --locked -p schliff-collective --features nccl --lib --test nccl

test-postgres: rust-tools ## Test the journal and a takeover on Postgres, on a server of its own
	reference/postgres.sh with $(CARGO) test --release --locked --workspace --test journal --test takeover

# The workspace's features, as in `build`.
test-browser: build ## Drive the status page in Chromium over real jobs; screenshots: target/browser
	$(CARGO) build --release --locked --workspace --example showcase
	reference/browser/run.sh

# SLURM_STATE: another folder than /tmp/schliff-slurm. SLURM_NODES: another number than 4. SLURM_VERSION=24.11:
# another Slurm than Debian's own, in a folder of its own.
ifdef SLURM_VERSION
SLURM_STATE ?= /tmp/schliff-slurm-$(SLURM_VERSION)
endif
slurm-up: ## Start a real Slurm cluster on this machine: Debian, as root (slurm/dev/README.md)
	slurm/dev/slurm up $(addprefix --state ,$(SLURM_STATE)) $(addprefix --nodes ,$(SLURM_NODES)) \
	  $(addprefix --release ,$(SLURM_VERSION))

# The cluster itself first, then whatever uses it. Links are cut on a cluster with networks of its own.
test-slurm: build ## Test everything that speaks to Slurm, on a real cluster of its own
	slurm/dev/selftest.sh
	slurm/dev/with.sh $(CARGO) test --release --locked --workspace --test real --test slurm --test scripts
	$(TEST_CUT)

# An hour. SCHLIFF_TEST_MINUTES: of a job under a cap of three (20). SCHLIFF_TEST_TRIES: how often the
# coordinator is killed as sbatch answers. SCHLIFF_TEST_WAYS=command,ssh,rest,pmix: how the quickstart goes.
test-slurm-long: export SCHLIFF_TEST_TRIES ?= 100
test-slurm-long: build ## Test what takes an hour on a real Slurm: a job of many wall times, the quickstart
	@$(MAKE) quickstart-inputs
	SCHLIFF_TEST_LONG=1 slurm/dev/with.sh $(CARGO) test --release --locked --workspace --test slurm -- \
	  --nocapture long:: quickstart:: adopted::

slurm-down: ## End that cluster and all that ran on it
	slurm/dev/slurm down $(addprefix --state ,$(SLURM_STATE))

check: rust-tools ## Check format, lints, licences, layers and house rules
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check licenses bans sources; \
	 else echo "cargo-deny is not installed: licences are not checked"; fi
	$(CARGO) test --release --locked -p schliff-tests --test layers --test tidy
	@for patch in scheduler/sim/mutations/*.patch; do git apply --check "$$patch" || exit 1; done

# 300 worlds in which whatever can go wrong does; a seed that finds something is printed.
sim: rust-tools ## Simulate the scheduler with 300 seeds of faults
	$(CARGO) build --release --locked --workspace --bin schliff-sim
	target/release/schliff-sim run --seeds 300

sim-mutations: rust-tools ## Break the scheduler's rules one by one; the simulator must find each
	scheduler/sim/mutations.sh

bench-train: rust-tools reference-env ## Compare training with torch and PEFT; writes docs/benchmarks/train.md
	@$(MAKE) -j2 build quickstart-inputs
	$(PYTHON) reference/bench_train.py

bench-collective: rust-tools reference-env ## Compare sums over ranks with gloo and Open MPI; writes docs/benchmarks/collective.md
	$(CARGO) build --release --locked -p schliff-collective
	$(PYTHON) reference/bench_collective.py

# The workspace's features, as in `build`: other ones would compile the stores' clients again.
bench-checkpoint: rust-tools reference-env ## Compare checkpoints and recovery with torch's DCP and torchrun; writes docs/benchmarks/checkpoint.md
	@$(MAKE) -j2 build quickstart-inputs
	$(CARGO) build --release --locked --workspace --example bench_writer
	$(PYTHON) reference/bench_checkpoint.py

bench-precision: rust-tools python-tools ## The quickstart in each number format; writes docs/benchmarks/precision.md
	@$(MAKE) -j2 build quickstart-inputs
	$(PYTHON) reference/bench_precision.py

bench-coordinator: rust-tools python-tools ## The coordinator with 11,000 jobs and 8,000 ranks; writes docs/benchmarks/coordinator.md
	$(CARGO) build --release --locked --workspace --bin schliff --example bench_coordinator --example bench_brain
	$(PYTHON) reference/bench_coordinator.py

bench-slurm: rust-tools python-tools ## Schliff on a real Slurm beside its own commands, on clusters of its own; writes docs/benchmarks/slurm.md
	$(CARGO) build --release --locked --workspace --bin schliff --bin schliff-trainer --example bench_slurm
	$(PYTHON) reference/bench_slurm.py

bench: bench-train ## The same as bench-train

parity: rust-tools reference-env ## Test against PEFT itself, in its Python environment
	@$(MAKE) build
	SCHLIFF_REFERENCE_PYTHON="$$(reference/setup_env.sh)" \
	  $(CARGO) test --release --locked -p schliff-tests --test parity

test-gpu-software: rust-tools ## Test the GPU code path on a Vulkan driver in software
	reference/gpu_software.sh

test-cuda-kernels: rust-tools python-tools ## Compile every own kernel for NVIDIA's GPUs, without one
	reference/cuda_kernels.sh

gpu-check: rust-tools python-tools ## For a machine with a GPU: agreement with the processor, and speed
	reference/gpu_check.sh $(DEVICE)

check-features: rust-tools ## Check and lint the features that need hardware or libraries
	reference/check_features.sh $(FEATURES)

reference-env: python-tools ## Make the Python environment of torch, transformers and PEFT (5.6 GB)
	@reference/setup_env.sh

clean: ## Remove everything that was built here
	rm -rf target quickstart

model: python-tools
	@$(FETCH_MODEL) >/dev/null

s3: python-tools
	@$(FETCH_S3) >/dev/null

define need
@command -v $(1) >/dev/null || { echo "make: $(1) is not installed; $(2)" >&2; exit 1; }
endef

rust-tools:
	$(call need,$(CARGO),see https://rustup.rs)
	$(call need,cc,on Debian: apt install gcc libc6-dev)

python-tools:
	$(call need,$(PYTHON),on Debian: apt install python3)
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || command -v pip3 >/dev/null || command -v pip >/dev/null || \
	  { echo "make: pip is not installed; on Debian: apt install python3-pip" >&2; exit 1; }
