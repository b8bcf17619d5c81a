# Everything a person or CI does with Cairn. Each target installs what it needs; nothing is assumed but Python 3.11, Go,
# and root on Debian for the real node.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
COMPILE := $(VENV)/bin/pip-compile --quiet --generate-hashes --no-emit-options --no-emit-find-links --allow-unsafe \
  --strip-extras
POSTGRES_IMAGE := tests/cluster/images/cairn-postgres
export PYTHONPATH := tests
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help:  ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes --no-deps --requirement requirements.txt  # whole: nothing to resolve
	$(PY) -m pip check
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: setup
setup: $(VENV)/.ready  ## Make the virtual environment

.PHONY: lint
lint: setup  ## Style, types, import layers
	$(VENV)/bin/ruff check operator tests docs
	$(VENV)/bin/mypy
	MYPYPATH=operator:tests $(VENV)/bin/mypy --strict -p cluster -p demo -p bench -p pictures -p support -p chaos -p simulation \
	  -p mutations -p fuzz -p reliability
	$(VENV)/bin/lint-imports --no-cache

.PHONY: test-fast
test-fast: setup  ## The tests that need no cluster
	$(PY) -m pytest tests/unit

.PHONY: test
test: lint  ## Build, start and test everything, with a cluster for each of WORKERS=2
	$(PY) -m cluster build --nodes all
	$(PY) -m cluster image cairn --only-build
	$(PY) -m cluster image cairn-postgres --only-build
	$(PY) -m pytest -n $(or $(WORKERS),2) --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered

.PHONY: demo
demo: setup  ## See a pipeline run, pause and resume on a real cluster
	$(PY) -m demo

.PHONY: demo-down
demo-down: setup  ## Remove what the demo has left running
	$(PY) -m demo down

.PHONY: simulate
simulate: setup  ## Play simulated histories, a million unless HISTORIES= says otherwise, and write what they came to
	$(PY) -m simulation --histories $(or $(HISTORIES),1000000) --write

.PHONY: bench
bench: setup  ## Measure, beside scripts that do the same without Cairn (PARTS="workloads …", KEEP=1 for docs/performance.md)
	$(PY) -m cluster build --nodes fake
	$(PY) -m bench $(PARTS) $(if $(KEEP),--keep)

.PHONY: crash-points
crash-points: setup  ## Kill the operator before and after every write and commit, for docs/reliability.md
	$(PY) -m cluster build --nodes fake
	$(PY) -m reliability.crash_points $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: lying-api
lying-api: setup  ## Run everything before an API server that lies, for docs/reliability.md
	$(PY) -m cluster build --nodes fake
	$(PY) -m reliability.lying_api $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: chaos
chaos: setup  ## Break everything at random under a random load, for MINUTES=30 (and SEED=), and judge what is left
	$(PY) -m chaos run $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

.PHONY: outages
outages: setup  ## Break one thing at a time, measure how long it takes to go on, and how much memory 10,000 objects need
	$(PY) -m chaos outages $(if $(TIMES),--times $(TIMES))

.PHONY: mutations
mutations: setup  ## Mutate objects from their schemas, wrong ones too, on a cluster with fake nodes (SEED, MINUTES)
	$(PY) -m cluster build --nodes fake
	$(PY) -m mutations --seed $(or $(SEED),1) --minutes $(or $(MINUTES),15)

.PHONY: fuzz
fuzz: setup  ## Feed parsers what nobody would write, and keep what is worth it (SEED, MINUTES)
	$(PY) -m fuzz --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

.PHONY: docs
docs: setup  ## Generate what is made of code and data: references, pages of the command line, reliability, performance
	$(PY) docs/generate_reference.py
	$(PY) docs/generate_openapi.py
	$(PY) docs/generate_cli.py
	$(PY) docs/generate_reliability.py
	$(PY) docs/generate_performance.py

.PHONY: chart
chart: setup  ## Bring the chart up to date with crds/, render manifests/install.yaml and docs/values.md, check it
	$(PY) -m cluster build --nodes helm3
	$(PY) -m cluster build --nodes helm4
	$(PY) docs/generate_chart.py build/bin/helm4
	build/bin/helm3 lint --strict charts/cairn
	build/bin/helm4 lint --strict charts/cairn

.PHONY: pictures
pictures: setup  ## Record the pictures of the command line, on a cluster with a real node
	$(PY) -m cluster build --nodes real
	$(PY) -m pictures

.PHONY: image
image: setup  ## Build the image without Docker, with its SBOM beside it; prints where (root, Debian)
	$(PY) -m cluster image cairn --only-build

.PHONY: sbom
sbom: setup  ## Say what an image contains: that of make image, or ARCHIVE=cairn.tar as docker save writes it
	$(PY) -m cluster $(if $(ARCHIVE),sbom $(ARCHIVE),image cairn --only-build)

.PHONY: licenses
licenses: setup  ## Generate the list of licences
	$(PY) docs/generate_licenses.py

.PHONY: lock
lock: setup  ## Pin the dependencies anew: of everything, of the image, of the package's build
	$(COMPILE) --extra dev --output-file requirements.txt pyproject.toml
	$(COMPILE) --extra otel --constraint requirements.txt --output-file requirements-image.txt pyproject.toml
	$(COMPILE) --constraint requirements.txt --only-build-deps --build-deps-for wheel \
	  --output-file requirements-build.txt pyproject.toml
	$(COMPILE) --output-file $(POSTGRES_IMAGE)/requirements.txt $(POSTGRES_IMAGE)/requirements.in

.PHONY: clean
clean:  ## Stop clusters and remove build products
	-test -x $(PY) && $(PY) -m cluster down --all
	rm -rf build $(VENV)
