# Everything people and workflows run. `make` alone lists it.
#
# PYTHON  the interpreter that creates the environment, 3.11 or newer
# JOBS    tests that run at the same time: as many as there are processors, between two and four

PYTHON ?= python3
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 2 ? 2 : n > 4 ? 4 : n)))
VENV := .venv
TEMPLATE := {{cookiecutter.project_slug}}

# The environment of a generated repository plus the tools of this one, and the library itself from src/. A generated
# repository may share it (`make VENV=…/.venv train`): both write the same marks.
LOCKS := $(TEMPLATE)/library.lock $(TEMPLATE)/requirements.txt requirements-dev.txt
PY := $(CURDIR)/$(VENV)/bin/python
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# What tools leave behind stays out of the template directory: cookiecutter would copy it into every project.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.cache/pycache
# With that place and without its files, each process would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=
export RUFF_CACHE_DIR := $(CURDIR)/.cache/ruff
export MYPY_CACHE_DIR := $(CURDIR)/.cache/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.cache/hypothesis
export PYTEST_ADDOPTS := -o cache_dir='$(CURDIR)/.cache/pytest'
export DVC_NO_ANALYTICS := 1

# Values reach the commands letter by letter, whatever characters they hold.
VALUES := KEEP DIR PICTURE TAG
$(foreach name,$(VALUES),$(eval override $(name) := $$(value $(name))))
export $(VALUES)

.DEFAULT_GOAL := help
.PHONY: help env prometheus demo demo-drift test test-library test-template test-workflows test-slow test-mutations lint wheel compat bench bench-scale run-lengths simulate estimators bake golden pictures lock newest newest-issue dist publish release-page

help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

env: ## Create .venv from the hash-locked requirements; does nothing the second time
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "$(PYTHON) is missing or too old; Python 3.11 or newer is needed. Example: make PYTHON=python3.12 test" >&2; exit 2; }
	@test -x '$(PY)' || $(PYTHON) -m venv $(VENV)
	@(for lock in $(foreach lock,$(LOCKS),'$(lock)'); do \
	    test -e "$(INSTALLED)/$$(git hash-object "$$lock")" || exit 1; done) || { \
	    echo "Installing the locked requirements into $(VENV): about a minute the first time ..."; rm -rf $(INSTALLED) && \
	    awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' '$(TEMPLATE)/requirements.txt' > $(VENV)/uv.txt && \
	    '$(PY)' -m pip --disable-pip-version-check install -q --require-hashes -r $(VENV)/uv.txt && \
	    uv -q pip install --python '$(PY)' --require-hashes -r requirements-dev.txt -r '$(TEMPLATE)/requirements.txt' && \
	    uv -q pip install --python '$(PY)' --no-deps --no-build-isolation --editable . && \
	    mkdir -p $(INSTALLED) && \
	    for lock in $(foreach lock,$(LOCKS),'$(lock)'); do : > "$(INSTALLED)/$$(git hash-object "$$lock")"; done; }

# Without it the tests of rules and panels are skipped, with the reason. The machine may forbid it, or know no apt-get.
prometheus: ## Install Debian's Prometheus, which some tests ask, where it is missing
	@command -v promtool >/dev/null || { root=; [ "$$(id -u)" = 0 ] || root='sudo -n'; \
	    { $$root apt-get -qq update && $$root apt-get -qq -y --no-install-recommends install prometheus; } >/dev/null 2>&1; } || \
	    echo "prometheus cannot be installed here; the tests that ask it are skipped."

demo: env ## The whole story on this machine, from an empty folder to a rollback under load: [KEEP=1] [DIR=folder] [PICTURE=docs/demo.svg]
	@python -m ci_scripts.demo $${KEEP:+--keep} $${DIR:+--dir "$$DIR"} $${PICTURE:+--picture "$$PICTURE"}

demo-drift: env ## A year of flights passes: the summer is found, a question asked, a model retrained: [KEEP=1] [DIR=folder]
	@python -m ci_scripts.demo_drift $${KEEP:+--keep} $${DIR:+--dir "$$DIR"} $${PICTURE:+--picture "$$PICTURE"}

# Tests run beside each other already: a thread for each processor in each of them would only wait.
test test-library test-template test-workflows test-slow test-mutations: export OPENBLAS_NUM_THREADS := 1

# Long stories first, so that they do not end the run alone.
TESTS := tests/e2e tests/workflows tests/template tests/simulation tests/integration tests/unit tests/compat

test: lint ## All that must hold before a merge: style, types, layers, and every test that is not marked slow
	python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow" $(TESTS)

test-library: env ## The library's own tests
	python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow" tests/unit tests/integration tests/compat

test-template: env ## Bakes, workflows and stories, without those marked slow
	python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow" tests/template tests/workflows tests/e2e tests/simulation

test-workflows: env ## The seven workflows alone, from the first push to the rollback button
	python -m pytest -q -n $(JOBS) --dist worksteal -m "not slow" tests/workflows

test-slow: env ## The tests marked slow: kills at every step, soak and simulation
	python -m pytest -q -n $(JOBS) -m slow

test-mutations: env ## Breaks the code in many small ways: each way must turn a test red
	@python -m ci_scripts.mutations

lint: env ## Style, types, layers, and whether the wheel in the template is the build of src/
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-cache > /dev/null || lint-imports --no-cache
	@python -m ci_scripts.wheel --check

wheel: env ## Build src/ into the template: wheel, library.lock, stages.json
	@python -m ci_scripts.wheel

compat: env ## Keep one of each format as this release writes it, in tests/compat
	@python -m ci_scripts.compat

bench: env ## Measure everything the README gives a figure for, side by side with its peers
	@python -m ci_scripts.bench
	@python -m ci_scripts.bench_monitor

bench-scale: env ## The monitor over 1, 10 and 100 million rows in a bucket, a model on 1, 2 and 4 Ray workers, into docs/: minutes, 4 GB in TMPDIR
	@python -m tests.bench.bench_scale --picture docs/scale.svg
	@python -m tests.bench.bench_ray --picture docs/ray_scale.svg

run-lengths: env ## How long the monitor and its peers stay quiet and how soon they speak, into docs/monitoring.md: a quarter of an hour
	@python -m ci_scripts.run_lengths --write

simulate: env ## How often the gates let equal and worse candidates pass, from seeds, into docs/gates.md: half an hour of CPU
	@python -m ci_scripts.operating --write

estimators: env ## Which estimators can be served, how large and how fast they are, into docs/estimators.md: some minutes, 1.2 GB
	@python -m ci_scripts.estimators

bake: env ## Write every combination of options into build/bakes
	@python -m ci_scripts.bake build/bakes

golden: env ## Accept the files a bake has now as the expected ones (read the diff before you commit it)
	@python -m ci_scripts.bake --golden tests/template/files.txt

pictures: env ## Draw each kind of comment into docs/comments (needs Chromium or Chrome; look at them before you commit)
	@python -m ci_scripts.pictures

lock: env ## Resolve all requirements anew; [UPGRADE=1] takes newer versions
	@# Without MAKE its lock installs nothing: the next command's env does.
	@$(MAKE) -C '$(TEMPLATE)' --no-print-directory VENV='$(CURDIR)/$(VENV)' CI=1 MAKE=: lock
	@uv -q pip compile --universal --python-version 3.11 --generate-hashes $(if $(UPGRADE),--upgrade) \
	    requirements-dev.in -o requirements-dev.txt

newest: env ## Generate a repository and build it with the newest version of every package: a quarter of an hour
	@python -m ci_scripts.newest

newest-issue: env ## In GitHub Actions: one open issue says that `make newest` fails
	@python -m ci_scripts.newest --issue

# A release: raise the version in pyproject.toml and requirements*.in of the template, `make wheel compat`, a section in
# CHANGELOG.md, and push the tag. .github/workflows/release.yml does the rest with these three.
dist: env ## Build what is released into dist/, if version, tag, wheel, formats and changelog agree: [TAG=v1.4.0]
	@python -m ci_scripts.release $${TAG:+"$$TAG"}

publish: ## In GitHub Actions: send the wheel in dist/ to the package index, by trusted publishing
	@$(PYTHON) -m venv $(VENV) && awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' '$(TEMPLATE)/requirements.txt' > $(VENV)/uv.txt
	@'$(PY)' -m pip --disable-pip-version-check install -q --require-hashes -r $(VENV)/uv.txt
	@uv publish --trusted-publishing always dist/*.whl

release-page: ## In GitHub Actions: the GitHub Release of the tag, with wheel, sha256 and notes
	@gh release create "$$GITHUB_REF_NAME" dist/*.whl dist/SHA256SUMS --repo "$$GITHUB_REPOSITORY" --verify-tag \
	    --title "$$GITHUB_REF_NAME" --notes-file dist/notes.md
