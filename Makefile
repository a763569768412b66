# SPDX-License-Identifier: GPL-2.0
#
# What a person types. The modules themselves are described in Kbuild, which the kernel's build
# system reads.

LAB   := scripts/lab/lab
ENTER := scripts/lab/enter
JOBS  := $(shell nproc)

# The jobserver of this make does not reach into the lab, which has processes of its own.
unexport MAKEFLAGS MFLAGS MAKELEVEL

# bash has a variable of that name, too.
unexport SECONDS

.PHONY: help
help:
	@echo 'The modules: knet.ko, wren_nic.ko, af_wren.ko, and knet_echo.ko, a sample'
	@echo '  make modules         for the stock kernel of the lab, into build/stock'
	@echo '  make modules-debug   for the debug kernel of the lab, into build/debug'
	@echo '  make modules KDIR=<kernel tree> [LLVM=1]'
	@echo '                       for a kernel of your own, into build/<release>'
	@echo '  make samples         programs that use AF_WREN, into build/samples'
	@echo '  make rustdoc         the documentation of knet, into build/doc'
	@echo '  make man             the manual page of AF_WREN, into build/man'
	@echo '  make clean           remove build/'
	@echo
	@echo 'Seeing it work'
	@echo '  make demo            boot a VM, send packets, watch who owns them'
	@echo '  make vm              a shell in a VM  [KERNEL=stock|debug]'
	@echo
	@echo 'Tests'
	@echo '  make test            everything       [TESTS="name..."] [FILTER="pattern"] [THOROUGH=1]'
	@echo '  make kunit           only the suites inside the modules'
	@echo '  make selftests       only what is tested from user space'
	@echo '  make contract        which statements the last run has proved'
	@echo '  make model           the protocol of connections, without a kernel  [CASES=N]'
	@echo '  make latency         how long a ping waits while TCP fills the wire'
	@echo '  make soak            ten minutes of everything at once  [SECONDS=N]'
	@echo '  make fuzz            a minute of wrong frames and calls  [SECONDS=N] [SEED=N]'
	@echo '  make check           style and static checks of the sources'
	@echo '  make bench           what it costs, in instructions  [BENCH="suite..."] [FILTER="pattern"]'
	@echo '  make bench-plot      draw the tables that were kept'
	@echo
	@echo 'The lab (toolchain, kernels, VM; made once, kept outside of the checkout)'
	@echo '  make lab             make all of it; other targets make what they need'
	@echo '  make lab-info        versions, sizes, times'
	@echo '  make lab-shell       a shell inside the toolchain'
	@echo '  make lab-clean       remove it     [OLD=1: only what this checkout does not use]'
	@echo '  make rust-analyzer   write rust-project.json for the editor'
	@echo
	@echo 'V=1 shows the commands of a build.'

# The lab
# ----------------------------------------------------------------------------

.PHONY: lab lab-root lab-stock lab-debug lab-check lab-reader lab-model lab-info lab-shell lab-clean
lab:
	@$(LAB) build all
lab-root lab-stock lab-debug lab-check lab-reader lab-model: lab-%:
	@$(LAB) build $*
lab-info:
	@$(LAB) info
lab-shell: lab-root
	@$(ENTER)
lab-clean:
	@$(LAB) clean $(if $(OLD),--old)

# The modules
# ----------------------------------------------------------------------------
# Output goes to a directory per kernel (MO=), so that two kernels do not tread on each other.

kbuild-args = $(if $(V),V=$(V))
lab-kbuild  = $(ENTER) --kernel $(1) -- scripts/lab/kbuild $(1) $(kbuild-args)

.PHONY: modules modules-debug samples rustdoc man clean
ifdef KDIR
modules:
	@scripts/lab/check-kdir $(KDIR) $(if $(LLVM),LLVM=$(LLVM))
	@$(MAKE) --no-print-directory -C $(KDIR) -j$(JOBS) M=$(CURDIR) \
		MO=$(CURDIR)/build/$$(cat $(KDIR)/include/config/kernel.release) \
		$(if $(LLVM),LLVM=$(LLVM)) $(kbuild-args) modules
else
modules: lab-stock
	@$(call lab-kbuild,stock) modules
endif
modules-debug: lab-debug
	@$(call lab-kbuild,debug) modules

samples: lab-root
	@$(ENTER) make -s -C samples/user

rustdoc: modules
	@scripts/lab/rustdoc

man: lab-reader
	@$(ENTER) scripts/lab/man build/man
	@echo 'build/man/man7/wren.7: man -M build/man wren'

clean:
	rm -rf build rust-project.json

# The VM and what runs in it
# ----------------------------------------------------------------------------

KERNEL ?= stock
test-args = $(foreach t,$(TESTS),--filter '$(t)') $(if $(FILTER),--filter '$(FILTER)') \
	$(if $(THOROUGH),--thorough)

.PHONY: vm demo test kunit selftests contract model latency soak fuzz bench bench-plot
vm: $(if $(filter debug,$(KERNEL)),modules-debug,modules)
	@scripts/vm --kernel $(KERNEL)
demo: modules
	@scripts/demo
test: modules modules-debug lab-reader
	@scripts/test $(test-args)
kunit: modules-debug
	@scripts/test --kunit $(test-args)
selftests: modules modules-debug lab-reader
	@scripts/test --selftests $(test-args)
contract:
	@scripts/contract
model: lab-model
	@$(ENTER) -- env $(if $(CASES),PROPTEST_CASES=$(CASES)) scripts/lab/flow-model
latency: modules
	@scripts/latency
soak: modules-debug
	@scripts/soak $(if $(SECONDS),--seconds $(SECONDS))
fuzz: modules-debug
	@scripts/fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))
bench: modules
	@scripts/bench $(BENCH) $(if $(FILTER),--filter '$(FILTER)')
bench-plot: lab-root
	@scripts/bench --plot $(BENCH)

# Checks
# ----------------------------------------------------------------------------

.PHONY: check rust-analyzer
check: lab-stock lab-check lab-reader
	@$(ENTER) -- scripts/lab/checks
rust-analyzer: lab-stock
	@scripts/lab/rust-analyzer
