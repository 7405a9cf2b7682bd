# Zhilian Neural. `make help` lists what there is.
#
# Nothing here needs a service, root, or another target to have been run first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Two sizes of the environment: what the demo needs, and that plus linters, type checker and tests.
DEMO   := $(VENV)/.installed-demo
STAMP  := $(VENV)/.installed
MANAGE := $(BIN)/python manage.py

# The number of processes for the suite. Each has its own database, broker and directory;
# tests/order.py decides which file begins first.
PROCESSES ?= 2
# `make test` leaves out the tests that are `slow`: walks over all pages, benchmarks, and all but a
# few with real processes. `make test-services` leaves out those that are the same on every server.
# `make test-all` runs each test at least once. To run all tests in any of them: ARGS="-m ''".
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Tests start hundreds of processes. Where the shell forbids Python to keep what it has compiled, each
# of them would compile this project again.
unexport PYTHONDONTWRITEBYTECODE

# Each optional app has its own catalogue; the core's catalogue has none of their texts.
APPS       := api forecasting hooks monitoring restaurant retrieval
TRANSLATED := neural $(addprefix neural/,$(APPS)) zhilian
APART      := $(foreach app,$(APPS),--ignore '$(app)/*')

# `make test` gives the same result everywhere: it ignores services that the shell or .env names.
OWN_SERVICES := env -u DATABASE_URL -u CELERY_BROKER_URL -u CELERY_RESULT_BACKEND ZHILIAN_ENV_FILE=

.DEFAULT_GOAL := help

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP)  ## Make .venv and install all that is needed (only when it changed)

$(STAMP): $(wildcard requirements*.txt)
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh all
	@touch $(DEMO) $@

$(DEMO): requirements.txt requirements-demo.txt
	@PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/setup.sh demo
	@touch $@

.PHONY: demo
demo: $(DEMO)  ## Replay a bakery chain's real sales through real workers, and report
	@$(MANAGE) demo $(ARGS)

.PHONY: up
up: $(DEMO)  ## Web, workers, beat and broker in this terminal, until Ctrl-C
	@exec $(MANAGE) up $(ARGS)

.PHONY: test
test: lint  ## Linters, types, layers, quick tests on SQLite and the embedded broker (minutes)
	$(OWN_SERVICES) $(PYTEST) -m "not slow and not rabbitmq" $(ARGS)

.PHONY: test-services
test-services: $(STAMP)  ## The suite on PostgreSQL and Redis (DATABASE_URL, CELERY_BROKER_URL)
	DATABASE_URL="$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}" \
	CELERY_BROKER_URL="$${CELERY_BROKER_URL:-redis://127.0.0.1:6379/1}" \
	$(PYTEST) -m "not once" $(ARGS)

.PHONY: test-slow
test-slow: $(STAMP)  ## Slow tests that servers do not need or that may end otherwise on SQLite
	$(OWN_SERVICES) $(PYTEST) -m "slow and (once or (sqlite and not faults)) and not rabbitmq" $(ARGS)

.PHONY: test-all
test-all: test test-slow test-services  ## The whole suite; it needs the two servers

.PHONY: chaos
chaos: $(STAMP)  ## Random faults under load to the end: SQLite, then PostgreSQL and Redis (minutes)
	$(OWN_SERVICES) CHAOS_EVENTS="$${CHAOS_EVENTS:-5000}" $(BIN)/python -m pytest tests/chaos $(ARGS)
	DATABASE_URL="$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}" \
	CELERY_BROKER_URL="$${CELERY_BROKER_URL:-redis://127.0.0.1:6379/1}" \
	CHAOS_EVENTS="$${CHAOS_EVENTS:-20000}" CRASHES="$${CRASHES:-100}" \
	$(BIN)/python -m pytest tests/chaos tests/integration/test_crashing_database.py $(ARGS)

.PHONY: mutations
mutations: $(STAMP)  ## Does a named test notice each fault that a list has? ARGS="--only fence"
	DATABASE_URL="$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}" \
	$(BIN)/python -m tests.mutations $(ARGS)

.PHONY: matrix
matrix:  ## The ledger's tests with each Python, Django and Celery (minutes): ARGS="--python 3.12"
	nice $(PYTHON) scripts/matrix.py $(ARGS)

.PHONY: gate
gate: $(STAMP)  ## Is it slower than another revision? An idle machine and PostgreSQL: BASE=main
	@$(BIN)/python -m benchmarks.gate --json "$${JSON:-/dev/null}" \
		$(if $(BASE),--base $(BASE)) $(ARGS)

.PHONY: lint
lint: $(STAMP)  ## ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(OWN_SERVICES) $(BIN)/mypy
	$(OWN_SERVICES) $(BIN)/lint-imports

.PHONY: format
format: $(STAMP)  ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: migrations
migrations: $(STAMP)  ## Write missing migrations: make migrations ARGS="neural --name what_it_does"
	$(OWN_SERVICES) $(MANAGE) makemigrations $(ARGS)

.PHONY: hashes
hashes: $(STAMP)  ## Write deploy/requirements.txt: all that servers install, with hashes
	@$(BIN)/uv pip compile requirements.txt --quiet --universal --python-version 3.11 --generate-hashes \
		--upgrade --no-emit-index-url --no-annotate --custom-compile-command "make hashes" \
		--output-file deploy/requirements.txt >/dev/null

.PHONY: messages
messages: $(STAMP)  ## Collect and compile the Chinese translations (needs gettext)
	@for app in $(TRANSLATED); do ( apart=; [ $$app = neural ] && apart="$(APART)"; cd $$app && \
		python=$(CURDIR)/$(BIN)/python && manage=$(CURDIR)/manage.py && \
		eval $$python $$manage makemessages --locale zh_Hans --no-wrap --no-obsolete \
			--add-location file $$apart && \
		eval $$python $$manage compilemessages --locale zh_Hans $$apart ) || exit 1; done

.PHONY: docs
docs: $(STAMP)  ## The site of the documents, in var/site
	@$(BIN)/python scripts/docs_site.py

.PHONY: reference
reference: $(STAMP)  ## Write what the code knows into the documents: settings, commands, event types…
	@$(OWN_SERVICES) $(BIN)/python scripts/reference.py

.PHONY: screenshots
screenshots: $(STAMP)  ## The README's pictures of the console (scripts/screenshots.py says what it needs)
	@$(BIN)/python scripts/screenshots.py

.PHONY: dumps
dumps: $(STAMP)  ## Keep what later versions must carry on: databases and names (PostgreSQL)
	@$(BIN)/python scripts/dumps.py

.PHONY: release
release: $(STAMP)  ## Build, check, install and tag this version: ARGS=--dry-run
	@$(MAKE) celery-suite ARGS=
	@$(MAKE) celery-suite ARGS="--backend django-db"
	@$(BIN)/python scripts/release.py $(ARGS)

.PHONY: celery-suite
celery-suite: $(STAMP)  ## Celery's own tests, plain and on the ledger (an hour): ARGS="--backend django-db"
	$(BIN)/python -m tests.celery_suite $(ARGS)

.PHONY: clean
clean:  ## Remove var/: database, broker's file, secret key
	rm -rf var
