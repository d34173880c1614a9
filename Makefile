# The first use of a target installs what it needs, inside this folder only. Later uses skip what is up to date.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && { echo "$$name"; break; }; done)
PY := .venv/bin/python
# Four test files in parallel, even on two cores, because tests spend much of their time waiting.
PYTEST := $(PY) -m pytest -n 4 --dist loadfile
NODE := $(CURDIR)/.local/bin/node
export PRISMA_ENGINE_NODE = $(NODE)
export PRISMA_QUERY_ENGINE_BINARY = $(CURDIR)/engine/query-engine
# Keep sockets, spooled recordings and the tests' temporary folders inside this folder.
export TMPDIR = $(CURDIR)/.local/tmp
export PYTHONWARNINGS ?=
# Keep compiled modules and tests for the next process, even where the environment says not to.
unexport PYTHONDONTWRITEBYTECODE
# The local stack ignores exported settings, except those named on make's command line, or all of them with WITH_ENV=1.
export LOCAL_SETTINGS := $(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))),$(name)))
LOCAL := $(PY) -m local $(if $(WITH_ENV),--with-env)
AUDIO ?=
RUNS ?= 5
USER_NAME = $(if $(filter command line,$(origin USER)),$(USER),demo)
VERCEL_CLI := local/vercel/node_modules/vercel/dist/vc.js
# Set-up levels (local/setup). Each command first installs its level, which takes no time if nothing is missing.
DEMO := set-up-demo
TESTS := set-up-tests
TOOLS := set-up-tools
VERCEL := set-up-vercel
FRONTEND := set-up-frontend

.PHONY: help demo run token test test-thorough test-all frontend-test bench check format soak fuzz chaos lock docs screenshots vercel-build package clean
.PHONY: $(DEMO) $(TESTS) $(TOOLS) $(VERCEL) $(FRONTEND)

help: ## list the targets
	@echo "usage: make TARGET [NAME=value]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

demo: $(DEMO) ## process one recording, from upload to results; AUDIO=file for your own
	@$(LOCAL) demo $(if $(AUDIO),--audio "$(AUDIO)")

run: $(DEMO) ## start everything on this machine, stop with Ctrl-C; PORT=8000 WITH_ENV=1
	@exec $(LOCAL) run $(if $(PORT),--port "$(PORT)")

token: $(DEMO) ## print the value of a signed-in user's Cookie header; USER=name
	@$(LOCAL) token --user "$(USER_NAME)"

test: $(TESTS) ## run all but the slow tests against real servers, in little over three minutes
	@cd engine && "$(NODE)" --test test/*.test.js
	@$(PYTEST) -m "not thorough and not soak and not frontend"

test-all: test ## run all tests: make test, test-thorough and frontend-test
	@$(MAKE) --no-print-directory --jobs=2 test-thorough frontend-test

test-thorough: $(TESTS) ## run the slow tests: kills, random schedules, the web page, the operator's drill
	@$(PYTEST) -m "thorough and not soak"

frontend-test: $(TESTS) $(FRONTEND) ## build a frontend with Next.js 15 and 16, and drive it in Chromium: record, upload, fail, recover
	@$(PY) -m pytest -m frontend tests/frontend

bench: $(TESTS) ## measure CPU, memory and engine requests against the goals; RUNS=5 KEEP=1 COMMIT=… BASE_URL=… PID=…
	@$(PY) -m benchmarks --runs $(RUNS) $(if $(KEEP),--keep) $(if $(COMMIT),--commit "$(COMMIT)") $(if $(BASE_URL),--base-url "$(BASE_URL)" --pid "$(PID)")

.PHONY: evaluate evaluate-speech
evaluate: $(DEMO) ## score models' analyses of the golden set; MODELS=claude-haiku-4-5,claude-haiku-5-5
	@exec $(PY) -m evaluation analysis $(if $(MODELS),--models "$(MODELS)")

evaluate-speech: $(DEMO) ## measure word error rates and the share of errors kept; MODELS=whisper-1,gpt-transcribe
	@exec $(PY) -m evaluation speech $(if $(MODELS),--models "$(MODELS)")

soak: $(TESTS) ## run the random schedules for longer
	@$(PY) -m pytest -m soak -s

chaos: $(TESTS) ## kill processes at random while learners upload, then check the guarantees; SECONDS_OF_CHAOS=120 SEED=1
	@CHAOS_SECONDS=$(or $(SECONDS_OF_CHAOS),120) CHAOS_SEED=$(or $(SEED),1) $(PY) -m pytest tests/chaos -s

fuzz: $(TESTS) ## send random requests to every route; REQUESTS=10000 SEED=1
	@FUZZ_REQUESTS=$(or $(REQUESTS),10000) FUZZ_SEED=$(or $(SEED),1) $(PY) -m pytest tests/fuzz -s

newcomer: ## try out a newcomer's first hour in a fresh clone: demo, run, quickstart, Ctrl-C
	@"$(PYTHON)" -m tests.newcomer

check: $(TOOLS) ## check formatting, lint, types and the Dockerfile
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/basedpyright --level error
	@.venv/bin/hadolint Dockerfile

format: $(TOOLS) ## format the code
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: ## resolve the dependencies in pyproject.toml and rewrite locks/
	@test -x .venv/bin/uv || $(MAKE) --no-print-directory $(TOOLS)
	@$(PY) -m local.setup.lock

docs: $(TESTS) ## regenerate the pages in docs/ that are made from code
	@$(PY) -m tests.documents

screenshots: $(TESTS) ## retake the pictures of the web page in docs/images, with Chromium
	@$(PY) -m tests.e2e.screenshots

vercel-build: $(TOOLS) $(VERCEL) ## build for Vercel without an account, start the function, process a recording with it
	@$(PY) -m local.vercel --cli $(VERCEL_CLI)

package: $(TOOLS) ## build the packages qstash-on-loopback and query engine, and try each in an empty environment
	@rm -rf .local/package
	@$(PY) packages/qstash-on-loopback/check_wheel.py .local/package
	@"$(NODE)" engine/check-package.mjs .local/package

clean: ## remove everything that was installed or stored
	rm -rf .venv .local .vercel $$(find . -name node_modules -not -path "./.venv/*" -prune)

$(DEMO) $(TESTS) $(TOOLS) $(VERCEL) $(FRONTEND): set-up-%:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 to 3.14 is needed: install one, or name it with PYTHON=…"; exit 1; }
	@"$(PYTHON)" -m local.setup $*
