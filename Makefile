# castorefs. `make` alone says what there is.
#
# Tools run on the Node 24 that package.json pins (node_modules/.bin/node); the system's Node and
# npm are only used to fetch it. What is fetched is kept (node_modules, .cache) and not asked for
# again until `make distclean`.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
DESTDIR ?=

# npm itself must not run on the node that it is about to replace.
SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.castorefs-installed

.PHONY: help setup native compile build guest servers test check bench micro-bench engine-bench guest-bench remote-bench layer-bench soak workload-soak demo install clean distclean

help: ## Say what each target does
	@echo 'castorefs: a virtio-fs device that serves a content-addressed store'
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  awk -F'|' '{ printf "%-17s%s\n", $$1, $$2 }'
	@echo
	@echo 'After make build, npm exec -- castorefs --help runs the command line from here.'

setup: $(INSTALLED) ## Fetch the npm packages, as package-lock.json pins them

$(INSTALLED): package.json package-lock.json ffi/package.json
	@command -v npm >/dev/null || { echo 'make: npm is missing; on Debian: apt-get install npm' >&2; exit 1; }
	@echo 'setup: npm packages'
	@PATH="$(SYSTEM_PATH)" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

native: setup ## Build libvhost-user (from Debian's QEMU source package) and the C shim
	@{ command -v gcc && command -v xz && [ -e /usr/include/stdlib.h ]; } >/dev/null || \
	  vm-images/packages.sh gcc libc6-dev xz-utils
	@ffi/scripts/build-native.sh

compile: setup
	@tsc -b
	@chmod +x src/cli/castorefs.sh

build: native compile ## Build everything that runs (dist/, ffi/dist/, native libraries)
	@echo 'build: done'

# Downloads happen here, where no test's clock runs. Without root there is no Debian tree to boot;
# its tests then say so.
guest: setup ## Get what guests are made of: QEMU, a kernel, busybox, a Debian tree
	@vm-images/setup.sh
	@vm-images/setup.sh workload || echo 'guest: going on without Debian root file systems'

servers: ## Get the S3 server and the virtiofsd that tests use; without them they say that they are skipped
	@test/store/object/s3-server.sh || echo 'servers: going on without an S3 server'
	@test/bench/peers.sh trixie >/dev/null || echo 'servers: going on without a virtiofsd'

test: build guest servers ## Run every test, real guests included; ends with "N passed, N failed"
	@vitest run

check: setup ## Check format, lint, types, layers and dead code; changes nothing
	@echo 'check: format and lint'
	@biome check --error-on-warnings
	@echo 'check: types'
	@tsc -p test/tsconfig.json
	@echo 'check: dead code'
	@knip
	@echo 'check: layers and house rules'
	@vitest run test/tidy.test.ts
	@if command -v shellcheck >/dev/null; then \
	  echo 'check: shell scripts'; git ls-files '*.sh' .ci/run | xargs shellcheck; fi

# ARGS="--help" and the like are handed on.
bench: build ## Measure castorefs beside its peers (ARGS=--quick; ARGS=--help)
	@node --conditions=castorefs-source test/bench/main.ts $(ARGS)

micro-bench: build
	@node --conditions=castorefs-source test/bench/micro/main.ts $(ARGS)

remote-bench: build guest
	@node --conditions=castorefs-source test/bench/remote-boot.ts $(ARGS)

engine-bench: build
	@node --conditions=castorefs-source test/bench/engine.ts $(ARGS)

layer-bench: build
	@node --conditions=castorefs-source test/bench/layer.ts $(ARGS)

soak: build
	@node --conditions=castorefs-source test/bench/soak.ts $(ARGS)

# ARGS="--minutes 60 --on castorefs": random operations for as long as one likes.
workload-soak: build guest
	@node --conditions=castorefs-source test/workload/soak.ts $(ARGS)

guest-bench: build guest
	@node --conditions=castorefs-source test/bench/guest.ts $(ARGS)

demo: build ## Import a real tree, boot a guest on it, compare every byte
	@vm-images/demo.sh

install: build ## Install a copy that outlives the checkout (PREFIX=/usr/local, DESTDIR=)
	@node src/cli/install.ts '$(DESTDIR)$(PREFIX)'

clean: ## Remove what was built; downloads stay
	@rm -rf dist ffi/dist coverage .cache/vm/initramfs-*.cpio .cache/vm/bin
	@rm -f .cache/native/*.so .cache/native/*.stamp .cache/native/layout.json
	@echo 'clean: removed dist, ffi/dist, native libraries, guest images'

distclean: clean ## Remove downloads and npm packages too
	@rm -rf .cache node_modules
	@echo 'distclean: removed node_modules, .cache'
