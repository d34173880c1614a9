# The first use of any target sets everything up, below this folder only; a second use skips what is current.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && { echo "$$name"; break; }; done)
PY := .venv/bin/python
# Four files at a time: on two cores, with time spent waiting.
PYTEST := $(PY) -m pytest -n 4 --dist loadfile
NODE := $(CURDIR)/.local/bin/node
export PRISMA_ENGINE_NODE = $(NODE)
export PRISMA_QUERY_ENGINE_BINARY = $(CURDIR)/engine/query-engine
# Sockets, recordings on their way and the folders of tests: all below this folder.
export TMPDIR = $(CURDIR)/.local/tmp
export PYTHONWARNINGS ?=
# Of the environment's settings only those named on make's command line reach the local stack, or all with WITH_ENV=1.
export LOCAL_SETTINGS := $(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))),$(name)))
LOCAL := $(PY) -m local $(if $(WITH_ENV),--with-env)
AUDIO ?=
RUNS ?= 5
USER_NAME = $(if $(filter command line,$(origin USER)),$(USER),demo)
VERCEL_CLI := local/vercel/node_modules/vercel/dist/vc.js
# What a command needs is set up first (local/setup), each with what the one before it has; quick when nothing is missing.
DEMO := set-up-demo
TESTS := set-up-tests
TOOLS := set-up-tools
VERCEL := set-up-vercel
FRONTEND := set-up-frontend

.PHONY: help demo run token test test-thorough test-all frontend-test bench check format soak fuzz chaos lock docs screenshots vercel-build package clean
.PHONY: $(DEMO) $(TESTS) $(TOOLS) $(VERCEL) $(FRONTEND)

help: ## show this help
	@echo "usage: make TARGET [NAME=value]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

demo: $(DEMO) ## send one recording through, from upload to results; AUDIO=file for your own
	@$(LOCAL) demo $(if $(AUDIO),--audio "$(AUDIO)")

run: $(DEMO) ## start everything on this machine until Ctrl-C; PORT=8000 WITH_ENV=1
	@exec $(LOCAL) run $(if $(PORT),--port "$(PORT)")

token: $(DEMO) ## print the value of a signed-in user's Cookie header; USER=name
	@$(LOCAL) token --user "$(USER_NAME)"

test: $(TESTS) ## run the tests against real parts, in about four minutes
	@cd engine && "$(NODE)" --test test/*.test.js
	@$(PYTEST) -m "not thorough and not soak and not frontend"

test-all: test ## run all tests: those of make test, the slower ones and the frontend's
	@$(MAKE) --no-print-directory --jobs=2 test-thorough frontend-test

test-thorough: $(TESTS) ## run the slower tests: kills, random schedules, the page, the operator's drill
	@$(PYTEST) -m "thorough and not soak"

frontend-test: $(TESTS) $(FRONTEND) ## build a Next.js frontend, 15 and 16, and drive it in Chromium: record, upload, fail, recover
	@$(PY) -m pytest -m frontend tests/frontend

bench: $(TESTS) ## measure CPU, memory and engine requests against their goals; RUNS=5 KEEP=1 COMMIT=… BASE_URL=… PID=…
	@$(PY) -m benchmarks --runs $(RUNS) $(if $(KEEP),--keep) $(if $(COMMIT),--commit "$(COMMIT)") $(if $(BASE_URL),--base-url "$(BASE_URL)" --pid "$(PID)")

.PHONY: evaluate evaluate-speech
evaluate: $(DEMO) ## score models' analyses of the golden set; MODELS=claude-haiku-4-5,claude-haiku-5-5
	@exec $(PY) -m evaluation analysis $(if $(MODELS),--models "$(MODELS)")

evaluate-speech: $(DEMO) ## measure word error rates and learners' errors kept; MODELS=whisper-1,gpt-transcribe
	@exec $(PY) -m evaluation speech $(if $(MODELS),--models "$(MODELS)")

soak: $(TESTS) ## run the random schedules for longer
	@$(PY) -m pytest -m soak -s

chaos: $(TESTS) ## kill every process at random while learners work, then check every promise; SECONDS_OF_CHAOS=120 SEED=1
	@CHAOS_SECONDS=$(or $(SECONDS_OF_CHAOS),120) CHAOS_SEED=$(or $(SEED),1) $(PY) -m pytest tests/chaos -s

fuzz: $(TESTS) ## send random requests to every route; REQUESTS=10000 SEED=1
	@FUZZ_REQUESTS=$(or $(REQUESTS),10000) FUZZ_SEED=$(or $(SEED),1) $(PY) -m pytest tests/fuzz -s

newcomer: ## do what somebody who has just arrived does, in a fresh clone: demo, run, quickstart, Ctrl-C
	@"$(PYTHON)" -m tests.newcomer

check: $(TOOLS) ## check formatting, lint, types and the Dockerfile
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/basedpyright --level error
	@.venv/bin/hadolint Dockerfile

format: $(TOOLS) ## format the code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: ## resolve the dependencies in pyproject.toml again into locks/
	@test -x .venv/bin/uv || $(MAKE) --no-print-directory $(TOOLS)
	@$(PY) -m local.setup.lock

docs: $(TESTS) ## generate the pages of docs/ that are made from the code
	@$(PY) -m tests.documents

screenshots: $(TESTS) ## take the pictures of the page in docs/images, with Chromium
	@$(PY) -m tests.e2e.screenshots

vercel-build: $(TOOLS) $(VERCEL) ## build for Vercel without an account, boot what was built, send a recording through it
	@$(PY) -m local.vercel --cli $(VERCEL_CLI)

package: $(TOOLS) ## build qstash-on-loopback and the query engine as packages, try each in an empty environment
	@rm -rf .local/package
	@$(PY) packages/qstash-on-loopback/check_wheel.py .local/package
	@"$(NODE)" engine/check-package.mjs .local/package

clean: ## remove everything that was set up
	rm -rf .venv .local .vercel $$(find . -name node_modules -not -path "./.venv/*" -prune)

$(DEMO) $(TESTS) $(TOOLS) $(VERCEL) $(FRONTEND): set-up-%:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 to 3.14 is needed: install one, or name it with PYTHON=…"; exit 1; }
	@"$(PYTHON)" -m local.setup $*
