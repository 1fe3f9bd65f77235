# Everything a developer or CI runs. Each target does its own set-up; a second run reuses it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

TS := node --import tsx
NPM_MARKER := node_modules/.installed
NAME ?= casa
NODE_CHECK := const [a, b] = process.versions.node.split("."); \
  if (a < 20 || (a == 20 && b < 19)) { console.error("Node.js 20.19 or newer is needed, this is " + process.version); process.exit(1); }

# Test processes side by side; a room, or a file, of one kind of tests.
JOBS ?= 2
ONLY ?=
TESTS = $(TS) test/runner/main.ts --jobs $(JOBS)

.PHONY: help setup demo test check unit conformance integration docs bench bench-large bench-backup start stop status clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

# Installed again only when the lock file or npm's settings change.
$(NPM_MARKER): package.json sandbox/package.json package-lock.json .npmrc
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20.19 or newer, https://nodejs.org" >&2; exit 1; }
	@node -e '$(NODE_CHECK)'
	@echo "npm ci ..."; start=$$SECONDS; npm ci --no-progress --loglevel=error; echo "npm ci: done in $$((SECONDS - start)) s"
	@touch $@

setup: $(NPM_MARKER) ## Install npm packages, check system packages, find or build the tools
	@$(TS) sandbox/main.ts setup

demo: $(NPM_MARKER) ## Upgrade a running CASA runtime on a real API server
	@$(TS) sandbox/demo.ts

test: check ## Type check, lint, and all tests (JOBS=2 side by side)
	@$(TS) sandbox/main.ts setup
	@$(TESTS) test/unit test/integration test/conformance

check: $(NPM_MARKER) ## Types, lint, format, who imports whom, generated docs
	@npm run --silent check

unit: $(NPM_MARKER) ## Tests that need no cluster and no engine: half a minute
	@$(TESTS) test/unit

conformance: $(NPM_MARKER) ## The embedded Pulumi plugins against what the official ones do
	@$(TS) sandbox/main.ts setup
	@$(TESTS) test/conformance/$(ONLY)

integration: $(NPM_MARKER) ## Tests on embedded clusters; of one room: ONLY=components/database-backup
	@$(TS) sandbox/main.ts setup
	@$(TESTS) test/integration/$(ONLY)

docs: $(NPM_MARKER) ## Write what is generated: config, CRD rules, policies, review schema, rooms
	@npm run --silent docs

bench: $(NPM_MARKER) ## Compare with helm and kubectl by hand; time previews
	@$(TS) sandbox/main.ts setup
	@$(TS) test/bench/main.ts

bench-large: $(NPM_MARKER) ## Time a preview with 1,000 workloads and 50,000 custom resources (minutes of set-up)
	@$(TS) sandbox/main.ts setup
	@$(TS) test/bench/large.ts

bench-backup: $(NPM_MARKER) ## Time backup and proof of 1 GB beside plain pg_dump and pg_restore
	@$(TS) sandbox/main.ts setup
	@$(TS) test/bench/backup.ts

start: $(NPM_MARKER) ## Start an embedded cluster that stays (NAME=casa)
	@$(TS) sandbox/main.ts start --name $(NAME)

stop: $(NPM_MARKER) ## Stop it
	@$(TS) sandbox/main.ts stop --name $(NAME)

status: $(NPM_MARKER) ## List the embedded clusters of this checkout
	@$(TS) sandbox/main.ts status

clean: ## Stop everything and remove what set-up and runs left here, the tool cache included
	@if [ -d .sandbox ] && [ ! -e $(NPM_MARKER) ]; then $(MAKE) --no-print-directory $(NPM_MARKER); fi
	@if [ -d node_modules ]; then $(TS) sandbox/main.ts clean; fi
