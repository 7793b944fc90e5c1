.DEFAULT_GOAL := help
.PHONY: bench bench-quick scale help venv run test races browser demo serve check lock messages clean
.SILENT:

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check

# The stamps carry the checksums of what was installed: a checkout that only touches the files installs nothing.
RUN_SUM := $(shell cksum < requirements.txt | cut -d ' ' -f 1)
DEV_SUM := $(shell cat requirements.txt tests/requirements.txt 2>/dev/null | cksum | cut -d ' ' -f 1)
RUN_STAMP := $(VENV)/.run-$(RUN_SUM)
DEV_STAMP := $(VENV)/.dev-$(DEV_SUM)

BENCH := .cache/bench/venv
BENCH_STAMP := $(BENCH)/.$(shell cat benchmarks/requirements.txt 2>/dev/null | cksum | cut -d ' ' -f 1)

help:  ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_STAMP)  ## serve everything in one process on PORT (8000), without any service
	exec $(PY) manage.py run

serve: $(RUN_STAMP)  ## the production shape on PORT: WORKERS processes of THREADS threads
	exec $(PY) manage.py serve

demo: $(RUN_STAMP)  ## sign in on three devices, log out on one, watch the others refused and told
	exec $(PY) examples/logout_demo.py --serve

test: $(DEV_STAMP)  ## every test; those for PostgreSQL and Redis run when these are reachable
	exec $(PY) -m tests.run $(ARGS)

races: $(DEV_STAMP)  ## the races, outages and the fleet in full, and the table of docs/reliability.md (PostgreSQL, Redis)
	exec $(PY) -m tests.races

browser: $(DEV_STAMP)  ## the pages in Chromium (Debian: apt install chromium fonts-noto-cjk); screenshots in var/screenshots
	exec $(PY) -m pytest -q -m browser tests/browser $(ARGS)

check: $(DEV_STAMP)  ## format, lint, types, migrations, deployment, schema, docs
	exec $(PY) -m tests.check

bench: $(BENCH_STAMP)  ## measure the service and its peers, and write docs/benchmarks.md (valgrind, wrk, PostgreSQL, Redis)
	exec $(BENCH)/bin/python -m benchmarks.run

bench-quick: $(DEV_STAMP)  ## measure against stock simplejwt only; fails when the check has become dearer
	exec $(PY) -m benchmarks.quick

scale: $(DEV_STAMP)  ## measure among 10 thousand to 10 million sessions (PostgreSQL, Redis, 10 GB); ARGS=--indexes
	exec $(PY) -m benchmarks.scale $(ARGS)

venv: $(DEV_STAMP)  ## the virtual environment with everything locked in it

lock: $(PY)  ## renew requirements.txt and tests/requirements.txt from pyproject.toml
	echo "Locking the dependencies"
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/pip --disable-pip-version-check install --quiet uv
	$(LOCK) pyproject.toml --extra service --output-file requirements.txt
	$(LOCK) --group dev --constraint requirements.txt --output-file tests/requirements.txt
	$(LOCK) benchmarks/requirements.in --output-file benchmarks/requirements.txt

LOCK = .cache/lock/bin/uv --no-config pip compile --quiet $(LOCK_FLAGS) --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

messages: $(DEV_STAMP)  ## renew the translations' catalogues (needs GNU gettext) and compile them
	for package in accounts authsvc; do ( \
		cd $$package && export AUTHSVC_THROWAWAY_KEYS=1 && \
		../$(PY) ../manage.py makemessages --locale zh_Hans --no-wrap --add-location file --no-obsolete && \
		../$(PY) ../manage.py compilemessages --locale zh_Hans \
	) || exit 1; done

clean:  ## remove what make and the tests made, save var/ and its database
	rm -rf $(VENV) .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache htmlcov build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed (Debian: apt install python3-venv)" >&2; exit 1; }
	echo "Creating $(VENV) with $(PYTHON)"
	$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(BENCH_STAMP):
	echo "Installing benchmarks/requirements.txt"
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r benchmarks/requirements.txt
	touch $@

$(RUN_STAMP): | $(PY)
	echo "Installing requirements.txt"
	$(PIP) install --quiet --require-hashes -r requirements.txt
	rm -f $(VENV)/.run-* && touch $@

$(DEV_STAMP): | $(PY)
	echo "Installing requirements.txt and tests/requirements.txt"
	$(PIP) install --quiet --require-hashes -r requirements.txt -r tests/requirements.txt
	rm -f $(VENV)/.dev-* $(VENV)/.run-* && touch $@ $(RUN_STAMP)
