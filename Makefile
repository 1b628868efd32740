# SPDX-License-Identifier: LGPL-2.1-or-later
# A thin face over meson.  `make demo` shows the main job, `make check` builds and passes the tests.
BUILD ?= build
PYTHON = /usr/bin/python3
MESON_FLAGS ?=
MAKEFLAGS += --no-print-directory

.PHONY: all build demo check address-matrix faults faults-stock many upgrade soak fuzz bench install clean deps
.DEFAULT_GOAL := all

all:
	@scripts/install-deps
	@$(MAKE) build

build:
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_FLAGS)
	@ninja -C $(BUILD)

# A guest moves between two hosts on this machine, by every command of the story.
demo:
	@scripts/install-deps --demo
	@$(MAKE) build
	@$(PYTHON) tests/lab/demo.py --build $(BUILD)

# Ends with one line: N passed, N failed.
check:
	@scripts/install-deps --tests
	@$(PYTHON) tests/check.py --build $(BUILD)

# Every kind of name, way and network, with our parts and stock's; an interrupted run goes on where it was.
# MATRIX="--again" and the like: see tests/matrix/run.py.
address-matrix:
	@scripts/install-deps --tests
	@$(MAKE) build
	@$(PYTHON) tests/matrix/run.py --build $(BUILD) $(MATRIX)

# 200 small guests on three hosts, all moving at once, there and back; what fails or stays behind is counted.
# MANY="--guests 50 --rounds 8" and the like: see tests/many/run.py.
many:
	@scripts/install-deps --tests
	@$(MAKE) build
	@$(PYTHON) tests/many/run.py --build $(BUILD) $(MANY)

# Both hosts get a new ferryd, and their daemons a restart, while guests move between them in every way: all arrive.
# UPGRADE="--rounds 40 --seed x" and the like: see tests/upgrade/run.py.
upgrade:
	@scripts/install-deps --tests
	@$(MAKE) build
	@$(PYTHON) tests/upgrade/run.py --build $(BUILD) $(UPGRADE)

# Every step and every row of the hand-over's tables, and everything that may happen there, by daemons that fail on order.
# An interrupted run goes on where it was.  FAULTS="--again" and the like: see tests/faults/run.py.
faults:
	@scripts/install-deps --tests
	@$(PYTHON) tests/faults/run.py $(FAULTS)

# The same with a stock host on one side, beside two stock hosts: no cell may be worse.  FAULTS_STOCK="--only there" and the like:
# see tests/faults/stock.py.
faults-stock:
	@scripts/install-deps --tests
	@$(PYTHON) tests/faults/stock.py $(FAULTS_STOCK)

# What takes long: every run of the hand-over's model that docs/handover.md states, then its mutants in full, then kills at random
# moments.  Goes on where it was.  SOAK="--count 5000 --seed x" and the like: see tests/soak/run.py.
soak:
	@scripts/install-deps --tests
	@$(MAKE) build
	@cd tests && $(PYTHON) -m model --runs all --state $(abspath $(BUILD))/model-runs.json && \
		$(PYTHON) -m model --mutants --state $(abspath $(BUILD))/model-mutants.json
	@$(PYTHON) tests/soak/run.py --build $(BUILD) $(SOAK)

fuzz:
	@scripts/install-deps --fuzz
	@$(PYTHON) tests/fuzz.py

# Tables beside bare QEMU and, where it is installed, stock libvirt.
bench:
	@scripts/install-deps --bench
	@$(MAKE) build
	@$(PYTHON) bench/run.py --build $(BUILD)

install:
	@$(MAKE) all
	@ninja -C $(BUILD) install

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-faults
