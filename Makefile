# The commands of the project. Everything they need is installed by scripts/setup, once.
.PHONY: run test check unit e2e bench-motion test-pythons test-pythons-peers pythons quick peers wheel bench soak fuzz lock clean

BIN := .venv/bin
INSTALLED := .venv-wheel/bin
OTHER_PYTHONS := 3.12 3.13
TESTS := tests/unit tests/services tests/wire tests/conformance

# Each program and each test file is compiled once, not in every process that loads it.
unexport PYTHONDONTWRITEBYTECODE

run: ## Start the gateway with four simulated cameras
	@scripts/setup run
	@exec $(BIN)/gateway run --demo

test: ## Everything but the benchmarks and the long fuzzing
	@scripts/setup test
	@$(MAKE) --no-print-directory --jobs --output-sync=target quick wheel check pythons
	@$(MAKE) --no-print-directory --jobs --output-sync=target peers test-pythons-peers test-pythons

check: ## The static half: format, lint, types, imports
	@scripts/setup run
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: ## The quick tests only
	@scripts/setup test
	$(BIN)/pytest $(TESTS)

e2e: ## The installed program against real cameras and real clients
	@scripts/setup test
	@scripts/setup wheel
	GATEWAY_PROGRAM=$(INSTALLED)/gateway $(BIN)/pytest tests/e2e

# Those that mostly wait leave half of two cores to those that only count, if they may go first: hence `nice`.
test-pythons: pythons ## Unit, service and wire tests on the other Pythons that are installed here, without foreign programs
	@nice -n 5 scripts/test-pythons "not peer" $(OTHER_PYTHONS)

test-pythons-peers: pythons # what foreign programs do there; they mostly wait
	@scripts/test-pythons peer $(OTHER_PYTHONS)

pythons:
	@scripts/setup pythons $(OTHER_PYTHONS)

quick: # what needs no foreign program
	$(BIN)/pytest -m "not peer" --numprocesses 2 --dist loadfile

peers: # what foreign programs do with the installed program; they mostly wait
	@GATEWAY_PROGRAM=$(INSTALLED)/gateway $(BIN)/pytest -m peer --numprocesses 2 --dist loadfile

wheel: ## Build the wheel, install it with the example plug-ins, and run their tests
	@scripts/setup wheel
	$(INSTALLED)/gateway plugins
	$(INSTALLED)/pytest -q --rootdir examples/driver -c examples/driver/pyproject.toml examples/driver/tests
	$(INSTALLED)/pytest -q --rootdir examples/soap -c examples/soap/pyproject.toml examples/soap/tests

bench: ## CPU, latency and memory of the relay and of the SOAP services
	@scripts/setup test
	$(BIN)/python tests/bench

bench-motion: ## How well motion is told, beside OpenCV's background models
	@scripts/setup run
	@scripts/setup films
	@$(BIN)/pip install -q 'opencv-python-headless>=4.12'
	$(BIN)/python tests/bench/motion.py

soak: ## Sixteen cameras recorded for ten minutes: the gateway is killed twenty times, then eight replays go on beside; SECONDS=60 for a look
	@scripts/setup test
	$(BIN)/python tests/soak --seconds $(or $(SECONDS),600)
	$(BIN)/python tests/soak --seconds $(or $(SECONDS),120) --kills 0 --replays 8

fuzz: ## Ten minutes for each fuzz target; SECONDS=20 for a look
	@scripts/setup run
	$(BIN)/python tests/fuzz --seconds $(or $(SECONDS),600)

lock: ## Write constraints.txt anew, for every Python that is installed here
	@scripts/setup run
	$(BIN)/python scripts/lock.py 3.11 $(OTHER_PYTHONS)

clean:
	rm -rf .venv .venv-* build dist
